import { expect } from 'chai';
import { stub } from 'sinon';
import { TelltaleError, createVirtualClock, isTelltaleError } from '../../lib/plugin.ts';
import type { AppendReceipt, Store, TelltaleEvent } from '../../lib/plugin.ts';
import { buildEvent, buildEvents } from '../support/event-builder.ts';
import { FlakyStore } from '../support/flaky-store.ts';

const KIB = 1_024;

describe('AbstractStore', () => {
  let store: FlakyStore;

  beforeEach(async () => {
    store = new FlakyStore();
    await store.open({ clock: createVirtualClock() });
  });

  afterEach(() => store.close());

  describe('a commit that fails', () => {
    it('fails its appends and everything queued behind it, in order, with the cause', async () => {
      const cause = new Error('the cable is out');
      store.faults.push({ before: cause });
      const answers: string[] = [];
      const appends = buildEvents(2_500).map((event, i) =>
        enqueue(store, [event]).catch((error: unknown) => {
          answers.push(String(i));
          return error;
        }),
      );
      const errors = await Promise.all(appends);
      expect(errors.every((error) => isTelltaleError(error, 'STORE_UNAVAILABLE') && error.cause === cause)).to.equal(
        true,
      );
      expect(answers).to.deep.equal(Array.from({ length: 2_500 }, (_, i) => String(i)));
      expect(store.commits).to.have.lengthOf(1);
      expect(store.health().lastError?.code).to.equal('STORE_UNAVAILABLE');
      expect(store.health().queued).to.equal(0);
    });

    it('lets the next append work again', async () => {
      const events = buildEvents(2, { entity: 'task/a' });
      store.faults.push({ before: new Error('busy') });
      await fails(store.append(events), 'STORE_UNAVAILABLE');
      expect(store.health().status).to.equal('open');
      expect(await store.append(events)).to.include({ position: 1, duplicate: false });
    });

    it('is found as a duplicate where it was written all the same, and is fed once', async () => {
      const fed: number[] = [];
      store.onCommit((events) => fed.push(...events.map(({ position }) => position)));
      const [event, next] = buildEvents(2, { entity: 'task/a' }) as [TelltaleEvent, TelltaleEvent];
      store.faults.push({ after: new Error('the answer was lost') });
      await fails(enqueue(store, [event]), 'STORE_UNAVAILABLE');
      expect(fed).to.deep.equal([]);
      const again = await enqueue(store, [event], false);
      expect([again.position, again.duplicate, again.revisions]).to.deep.equal([1, true, [1]]);
      expect((await store.append([next])).revisions).to.deep.equal([2]);
      expect(fed).to.deep.equal([1, 2]);
    });

    it('may be sent again, in order, from the moment it is told', async () => {
      store.faults.push({ before: new Error('busy') });
      const stored: string[] = [];
      const send = (event: TelltaleEvent, fresh: boolean): void =>
        store.enqueue({
          events: [event],
          bytes: 300,
          fresh,
          admitted: true,
          acknowledged: () => stored.push(event.id),
          failed: () => send(event, false),
        });
      const events = buildEvents(2_000);
      for (const event of events) send(event, true);
      while (stored.length < events.length) await turn();
      expect(stored).to.deep.equal(events.map(({ id }) => id));
    });
  });

  describe('fail-stop', () => {
    const fault = new TelltaleError('STORE_FAILED', 'datasync failed');

    it('takes no more appends and goes on reading', async () => {
      const events = buildEvents(3);
      await store.append([events[0]!]);
      store.faults.push({ before: fault });
      const both = [enqueue(store, [events[1]!]), enqueue(store, buildEvents(1_024))];
      const [first] = await Promise.all(both.map((one) => fails(one, 'STORE_FAILED')));
      expect(first).to.equal(fault);
      expect(store.health()).to.include({ status: 'failed', lastError: fault });
      const refused = await fails(store.append([events[2]!]), 'STORE_FAILED');
      expect(refused.cause).to.equal(fault);
      await fails(store.remove([{ from: 1, to: 1 }], 'test'), 'STORE_FAILED');
      await fails(store.putDocument('c', 'k', 1), 'STORE_FAILED');
      expect((await store.page({ after: 0, through: 9, descending: false, limit: 9 })).events).to.have.lengthOf(1);
      expect((await store.head()).position).to.equal(1);
      expect(store.commits).to.have.lengthOf(2);
    });

    it('comes from corruption as well, and ends with a new opening', async () => {
      store.faults.push({ before: new TelltaleError('STORE_CORRUPT', 'bad checksum') });
      await fails(store.append([buildEvent()]), 'STORE_FAILED');
      expect(store.health().status).to.equal('failed');
      await store.close();
      await store.open();
      expect(store.health()).to.not.have.property('lastError');
      expect((await store.append([buildEvent()])).position).to.equal(1);
    });
  });

  describe('group commit', () => {
    it('puts what one turn appends into one commit', async () => {
      await Promise.all([1, 2, 3].map((count) => enqueue(store, buildEvents(count))));
      expect(store.commits).to.deep.equal([[1, 2, 3]]);
    });

    it('fills the next commit while one is in flight', async () => {
      const openGate = closeGate(store);
      const first = enqueue(store, [buildEvent()]);
      await turn();
      const rest = buildEvents(10).map((event) => enqueue(store, [event]));
      await turn();
      expect(store.health().queued).to.equal(11);
      openGate();
      await Promise.all([first, ...rest]);
      expect(store.commits.map((sizes) => sizes.length)).to.deep.equal([1, 10]);
    });

    it('is bounded by count', async () => {
      await Promise.all(buildEvents(2_500).map((event) => enqueue(store, [event])));
      expect(store.commits.map((sizes) => sizes.length)).to.deep.equal([1_024, 1_024, 452]);
    });

    it('is bounded by bytes', async () => {
      await Promise.all(buildEvents(5).map((event) => enqueue(store, [event], true, 1_500 * KIB)));
      expect(store.commits.map((sizes) => sizes.length)).to.deep.equal([2, 2, 1]);
    });

    it('looks ids up once for a commit, and never those of fresh appends', async () => {
      await Promise.all(buildEvents(3).map((event) => enqueue(store, [event])));
      expect(store.calls).to.deep.equal(['append', 'appended']);
      await Promise.all(buildEvents(4).map((event, i) => enqueue(store, [event], i === 0)));
      expect(store.calls.slice(2)).to.deep.equal(['find 3', 'append', 'appended']);
    });
  });

  it('lets no change of the log overlap a commit', async () => {
    const appends = buildEvents(1_500).map((event) => enqueue(store, [event]));
    await turn();
    const removal = store.remove([{ from: 1, to: 1 }], 'test');
    await Promise.all([...appends, removal]);
    expect(store.calls).to.deep.equal(['append', 'appended', 'append', 'appended', 'remove']);
  });

  it('syncs the log before a document that names a position, and only then', async () => {
    await store.append(buildEvents(3));
    store.calls.length = 0;
    await store.putDocument('checkpoints', 'a', 2, { position: 2 });
    await store.putDocument('checkpoints', 'b', 3, { position: 3 });
    await store.putDocument('other', 'c', 1);
    expect(store.calls).to.deep.equal(['sync', 'put naming 2', 'put naming 3', 'put naming 0']);
    await store.append([buildEvent()]);
    await store.putDocument('checkpoints', 'a', 4, { position: 4 });
    expect(store.calls.slice(-2)).to.deep.equal(['sync', 'put naming 4']);
  });

  it('survives callbacks and listeners that throw, and reports them', async () => {
    const warn = stub(process, 'emitWarning');
    try {
      const fed: number[] = [];
      store.onCommit(() => {
        throw new Error('listener');
      });
      store.onCommit((events) => fed.push(events.length));
      store.enqueue({
        events: [buildEvent()],
        bytes: 1,
        fresh: true,
        admitted: true,
        acknowledged: thrower,
        failed: thrower,
      });
      await enqueue(store, [buildEvent()]);
      await turn();
      expect(fed).to.deep.equal([2]);
      expect(warn.args.map(([warning]) => (warning as Error).message)).to.deep.equal(['callback', 'listener']);
    } finally {
      warn.restore();
    }
  });

  it('refuses before it is opened and says what it is', async () => {
    const closed = new FlakyStore();
    const error = await fails(closed.append([buildEvent()]), 'STORE_CLOSED');
    expect(error.message).to.equal('expected store memory to be open, got "closed" (string)');
  });

  it('can be opened again after it could not be opened', async () => {
    const broken = new FlakyStore();
    broken.failToOpen = true;
    const error = await fails(broken.open(), 'STORE_UNAVAILABLE');
    expect((error.cause as Error).message).to.equal('no such medium');
    expect(broken.health().status).to.equal('closed');
    broken.failToOpen = false;
    await broken.open();
    expect(broken.health().status).to.equal('open');
    await broken.close();
  });

  it('is closed even where closing failed, and says so', async () => {
    store.failToClose = true;
    await fails(store.close(), 'STORE_UNAVAILABLE');
    expect(store.health().status).to.equal('closed');
    await store.close();
  });

  it('stops waiting for an append that is aborted', async () => {
    const openGate = closeGate(store);
    const controller = new AbortController();
    const appended = store.append([buildEvent()], { signal: controller.signal });
    await turn();
    controller.abort(new Error('enough'));
    const error = await fails(appended, 'ABORTED');
    expect((error.cause as Error).message).to.equal('enough');
    openGate();
    await store.close();
    await store.open();
    expect((await store.head()).position).to.equal(1);
  });
});

/** Holds up every commit until the answer is called. */
function closeGate(store: FlakyStore): () => void {
  const gate: { open: () => void } = { open: () => undefined };
  store.gate = new Promise((resolve) => (gate.open = resolve));
  return () => gate.open();
}

function thrower(): never {
  throw new Error('callback');
}

function enqueue(store: Store, events: readonly TelltaleEvent[], fresh = true, bytes = 300): Promise<AppendReceipt> {
  return new Promise((acknowledged, failed) => {
    store.enqueue({ events, bytes, fresh, admitted: true, acknowledged, failed });
  });
}

async function fails(promise: Promise<unknown>, code: string): Promise<TelltaleError> {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).to.be.instanceOf(TelltaleError).with.property('code', code);
  return error as TelltaleError;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
