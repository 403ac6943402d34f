import { expect } from 'chai';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { mustBeNewest } from '../../lib/delivery/target.ts';
import type { CheckpointTarget, RetryAnswer, SkippedEvent, TargetCheckpoint } from '../../lib/delivery/target.ts';
import { createBus, fileTarget, memory, type Bus, type FileTarget } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { createTestBus } from '../../lib/testing.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { viewOfShared } from '../support/shared-views.ts';
import { createGate, turn, turnsUntil } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

interface Totals {
  sum: number;
  seen: number[];
}

const EMPTY: Totals = { sum: 0, seen: [] };

/** What a target takes to write: this is all of it. */
class MapTarget implements CheckpointTarget<Totals> {
  committed = structuredClone(EMPTY);
  readonly checkpoints = new Map<string, Omit<TargetCheckpoint, 'key'>>();
  skipped: [key: string, position: number][] = [];
  failures = 0;
  /** Every claim is answered when this says so. */
  claimed: Promise<void> | undefined;
  /** Every transaction begins when this says so. */
  begun: Promise<void> | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  async claim(given: TargetCheckpoint): Promise<number> {
    await this.claimed;
    return this.#inTurn(() => {
      const known = this.checkpoints.get(given.key);
      mustBeNewest(known, given);
      const { key, position, epoch } = { ...given, ...(known && { position: known.position }) };
      this.checkpoints.set(key, { position, epoch });
      return position;
    });
  }

  async commit(checkpoints: readonly TargetCheckpoint[], run: (tx: Totals) => unknown): Promise<void> {
    await this.begun;
    return this.#inTurn(async () => {
      for (const one of checkpoints) mustBeNewest(this.checkpoints.get(one.key), one);
      await this.#run(run);
      for (const { key, isSkipped, ...one } of checkpoints) {
        this.checkpoints.set(key, one);
        this.skipped = this.skipped.filter(([its, position]) => its !== key || position <= one.position);
        if (isSkipped) this.skipped.push([key, one.position]);
      }
    });
  }

  async retry({ key, position }: SkippedEvent, run: (tx: Totals) => unknown): Promise<RetryAnswer> {
    return this.#inTurn(async () => {
      const left = this.skipped.filter(([its, at]) => at !== position || its !== key);
      if (left.length === this.skipped.length)
        return (this.checkpoints.get(key)?.position ?? -1) < position ? 'ahead' : 'known';
      await this.#run(run);
      this.skipped = left;
      return undefined;
    });
  }

  async #run(run: (tx: Totals) => unknown): Promise<void> {
    const draft = structuredClone(this.committed);
    await run(draft);
    if (this.failures-- > 0) throw new Error('the target is away');
    this.committed = draft;
  }

  #inTurn<T>(step: () => T | Promise<T>): Promise<T> {
    const next = this.#turn.then(step);
    this.#turn = next.catch(() => undefined);
    return next;
  }
}

async function publish(bus: Bus, from: number, to: number): Promise<void> {
  for (let n = from; n <= to; n++) await bus.publish('a', n, { entity: `n/${n % 7}` });
}

const add = ({ payload }: { payload: unknown }, { tx }: { tx: Totals }): void => {
  tx.sum += payload as number;
  tx.seen.push(payload as number);
};

const onReset = (tx: Totals): void => void Object.assign(tx, structuredClone(EMPTY));

const failing = (): void => {
  throw new Error('handler');
};

/** Nobody hears of what has failed. */
const hidingCommit: MapTarget['commit'] = async (_, run) => {
  try {
    await run(structuredClone(EMPTY));
  } catch {
    // As a target that only logs.
  }
};

const noRetry = (): Promise<void> => Promise.reject(new Error('nothing was skipped'));

const quiet = (bus: Bus): Bus => {
  for (const type of ['$bus.handler.failed', '$bus.consumer.**']) bus.on(type, () => undefined);
  return bus;
};

describe('a consumer with its checkpoint in a target', () => {
  refuseUnhandledRejections();
  let folder: string;
  let file: FileTarget<Totals>;
  let store: Store;

  beforeEach(async () => {
    folder = mkdtempSync(join(quickFolder(), 'telltale-target-'));
    file = fileTarget(join(folder, 'totals.json'), EMPTY);
    store = memory();
    await store.open();
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const addTo = ({ payload }: { payload: unknown }, { tx }: { tx: { state: Totals } }): void =>
    add({ payload }, { tx: tx.state });

  it('keeps state and checkpoint together in one file, and goes on there', async () => {
    for (const [from, to] of [
      [1, 5],
      [6, 9],
    ] as const) {
      const bus = await createBus({ store: viewOfShared(store, { shared: false }) });
      const consumer = bus.consume('totals', 'a', addTo, { checkpointIn: file });
      await publish(bus, from, to);
      await consumer.caughtUp();
      await bus.close();
    }
    expect(await file.read()).to.deep.equal({ sum: 45, seen: [1, 2, 3, 4, 5, 6, 7, 8, 9] });
    const { checkpoints } = JSON.parse(readFileSync(join(folder, 'totals.json'), 'utf8')) as {
      checkpoints: { totals: object };
    };
    expect(checkpoints.totals).to.include({ position: 9 });
    expect(existsSync(join(folder, 'totals.json.tmp'))).to.equal(false);
  });

  it('begins anew where the file was deleted, though the bus knows how far it had come', async () => {
    for (const to of [3, 5]) {
      const bus = await createBus({ store: viewOfShared(store, { shared: false }) });
      const consumer = bus.consume('totals', 'a', addTo, { checkpointIn: file });
      await publish(bus, to === 3 ? 1 : 4, to);
      await consumer.caughtUp();
      await bus.close();
      if (to === 3) rmSync(join(folder, 'totals.json'));
    }
    expect(await file.read()).to.deep.equal({ sum: 15, seen: [1, 2, 3, 4, 5] });
  });

  it('counts each event exactly once, though the process dies between the commit and the checkpoint of the bus', async () => {
    const dying = viewOfShared(store, { shared: false });
    // Nothing it says of its checkpoints is ever written but the first.
    const put = dying.putDocument.bind(dying);
    let puts = 0;
    const guarded = new Proxy(dying, {
      get: (target, name) =>
        name === 'putDocument'
          ? (...given: Parameters<typeof put>) => (++puts > 1 ? new Promise(() => undefined) : put(...given))
          : (Reflect.get(target, name) as unknown),
    });
    const first = quiet(await createBus({ store: guarded }));
    await publish(first, 1, 5);
    first.consume('totals', 'a', addTo, { checkpointIn: file });
    while (first.metrics().consumers[0]!.handled < 5) await turn();
    const second = await createBus({ store: viewOfShared(store, { shared: false }) });
    await publish(second, 6, 7);
    await second.consume('totals', 'a', addTo, { checkpointIn: file }).caughtUp();
    expect((await file.read()).seen).to.deep.equal([1, 2, 3, 4, 5, 6, 7]);
    await second.close();
  });

  it('takes back what a handler wrote that failed, each attempt for itself, and leaves out the event', async () => {
    const bus = quiet(await createBus({ store }));
    const target = new MapTarget();
    await publish(bus, 1, 4);
    const consumer = bus.consume(
      'totals',
      'a',
      (event, context) => {
        add(event, context);
        if (event.payload === 2 && context.attempt < 3) throw new Error('not yet');
        if (event.payload === 3) throw new Error('never');
      },
      { checkpointIn: target, retry: { attempts: 3, delay: 1 } },
    );
    await consumer.caughtUp();
    expect(target.committed).to.deep.equal({ sum: 7, seen: [1, 2, 4] });
    expect((await bus.deadLetters.list()).map(({ position }) => position)).to.deep.equal([3]);
    await bus.close();
  });

  it('has one transaction for a batch, and one for each of its events where one fails', async () => {
    const bus = quiet(await createBus({ store }));
    const target = new MapTarget();
    await publish(bus, 1, 6);
    const consumer = bus.consume(
      'totals',
      'a',
      (events, context) => {
        for (const event of events) add(event, context);
        if (events.some(({ payload }) => payload === 4)) throw new Error('no');
      },
      { checkpointIn: target, batch: { max: 6, wait: 20 }, retry: false },
    );
    await consumer.caughtUp();
    expect(target.committed.seen).to.deep.equal([1, 2, 3, 5, 6]);
    expect(target.checkpoints.get('totals')).to.include({ position: 6 });
    await bus.close();
  });

  it('pauses where the target is away: no event is to blame', async () => {
    const bus = quiet(await createBus({ store }));
    const target = new MapTarget();
    await publish(bus, 1, 3);
    const consumer = bus.consume('totals', 'a', add, { checkpointIn: target, retry: { attempts: 2, delay: 1 } });
    await consumer.started;
    target.failures = 2;
    while (consumer.status !== 'paused') await turn();
    expect(String(consumer.error)).to.contain('the target is away');
    expect([target.committed.seen.length < 3, await bus.deadLetters.list()]).to.deep.equal([true, []]);
    consumer.resume();
    await consumer.caughtUp();
    expect(target.committed.seen).to.deep.equal([1, 2, 3]);
    await bus.close();
  });

  it('does not go on in a log that ends before where the target has come, until that is cleared', async () => {
    const target = new MapTarget();
    target.checkpoints.set('totals', { position: 9, epoch: 0 });
    target.committed = { sum: 99, seen: [99] };
    const bus = quiet(await createBus({ store }));
    await publish(bus, 1, 3);
    const consumer = bus.consume('totals', 'a', add, { checkpointIn: target, onReset });
    const error = await rejectionOf(consumer.caughtUp());
    expect(error.code).to.equal('TARGET_BROKEN');
    expect(error.message).to.include('position 9').and.to.include('ends at 3');
    expect(target.committed.seen).to.deep.equal([99]);
    target.checkpoints.clear();
    target.committed = structuredClone(EMPTY);
    await consumer.stop();
    await bus.consume('totals', 'a', add, { checkpointIn: target, onReset }).caughtUp();
    expect(target.committed).to.deep.equal({ sum: 6, seen: [1, 2, 3] });
    await bus.close();
  });

  it('is rewound together with its state, and not without being told how', async () => {
    const bus = await createBus({ store });
    await publish(bus, 1, 4);
    const mute = bus.consume('mute', 'a', addTo, { checkpointIn: file });
    expect(await rejectionOf(mute.rewind(1))).to.include({ code: 'INVALID_OPTION' });
    await mute.stop();
    const target = new MapTarget();
    const consumer = bus.consume('totals', 'a', add, { checkpointIn: target, onReset });
    await consumer.caughtUp();
    await consumer.rewind(3);
    await consumer.caughtUp();
    expect(target.committed).to.deep.equal({ sum: 7, seen: [3, 4] });
    await bus.close();
  });

  it('is not caught up behind a rewinding before its target has answered and all is done once more', async () => {
    const { bus } = await createTestBus({ store });
    await publish(bus, 1, 4);
    const target = new MapTarget();
    const consumer = bus.consume('totals', 'a', add, { checkpointIn: target, onReset });
    await consumer.caughtUp();
    const gate = createGate();
    target.claimed = gate.promise;
    await consumer.rewind('earliest');
    expect(consumer.position).to.equal(0);
    const told: string[] = [];
    const ends = [
      consumer.caughtUp().then(() => told.push('caught up')),
      bus.settled().then(() => told.push('settled')),
    ];
    for (let i = 0; i < 5; i++) await turn();
    expect(told).to.deep.equal([]);
    gate.open();
    await Promise.all(ends);
    expect(target.committed).to.deep.equal({ sum: 10, seen: [1, 2, 3, 4] });
    await bus.close();
  });

  it('is rewound twice at once', async () => {
    const bus = await createBus({ store });
    await publish(bus, 1, 4);
    const target = new MapTarget();
    const consumer = bus.consume('totals', 'a', add, { checkpointIn: target, onReset });
    await consumer.caughtUp();
    await Promise.all([consumer.rewind(1), consumer.rewind(3)]);
    await consumer.caughtUp();
    expect([consumer.status, target.committed.seen]).to.deep.equal(['running', [3, 4]]);
    await bus.close();
  });

  it('goes on where it was when a rewinding fails', async () => {
    const bus = quiet(await createBus({ store }));
    await publish(bus, 1, 3);
    const target = new MapTarget();
    let isBad = true;
    const fails = (tx: Totals): void => {
      if (isBad) throw new Error('no way back');
      onReset(tx);
    };
    const consumer = bus.consume('totals', 'a', add, { checkpointIn: target, onReset: fails });
    await consumer.caughtUp();
    expect(await consumer.rewind(2).catch(String)).to.equal('Error: no way back');
    await publish(bus, 4, 4);
    await consumer.caughtUp();
    isBad = false;
    target.failures = 1;
    expect(await consumer.rewind(2).catch(String)).to.equal('Error: the target is away');
    await publish(bus, 5, 5);
    await consumer.caughtUp();
    expect([consumer.status, target.committed]).to.deep.equal(['running', { sum: 15, seen: [1, 2, 3, 4, 5] }]);
    await consumer.rewind(4);
    await consumer.caughtUp();
    expect(target.committed.seen).to.deep.equal([4, 5]);
    await bus.close();
  });

  describe('that does not keep its word', () => {
    const broken: Readonly<Record<string, Partial<CheckpointTarget<Totals>>>> = {
      'runs nothing': { commit: () => Promise.resolve() },
      'does not wait': { commit: async (_, run) => void run(structuredClone(EMPTY)) },
    };
    for (const [how, functions] of Object.entries(broken))
      it(`is not believed where it ${how}`, async () => {
        const bus = quiet(await createBus({ store }));
        const target = { claim: () => Promise.resolve(0), retry: noRetry, ...functions } as CheckpointTarget<Totals>;
        await publish(bus, 1, 2);
        const consumer = bus.consume('totals', 'a', () => turn(), { checkpointIn: target, retry: false });
        await turnsUntil(() => consumer.status === 'paused');
        expect(consumer.error).to.include({ code: 'TARGET_BROKEN' });
        expect(bus.metrics().consumers[0]).to.include({ handled: 0, position: 0 });
        await bus.close();
      });

    it('is not believed where it runs nothing of an event that it has skipped', async () => {
      const bus = quiet(await createBus({ store }));
      await publish(bus, 1, 1);
      const target = new MapTarget();
      target.retry = () => Promise.resolve();
      const consumer = bus.consume('totals', 'a', failing, { checkpointIn: target, retry: false });
      await consumer.caughtUp();
      const { failed, failures } = await bus.deadLetters.retry({});
      expect([failed, failures[0]!.error.code]).to.deep.equal([1, 'TARGET_BROKEN']);
      await bus.close();
    });

    it('is not believed where it hides what the handler failed of', async () => {
      const bus = quiet(await createBus({ store }));
      await publish(bus, 1, 1);
      const target = { claim: () => Promise.resolve(0), commit: hidingCommit, retry: noRetry };
      const consumer = bus.consume('totals', 'a', failing, { checkpointIn: target, retry: false });
      await turnsUntil(() => consumer.status === 'paused');
      expect(String((consumer.error as Error).cause)).to.equal('Error: handler');
      expect(bus.metrics().consumers[0]).to.include({ handled: 0, position: 0 });
      await bus.close();
    });

    for (const answer of [undefined, null, 'abc', -1, 1.5, NaN])
      it(`is refused where \`claim\` answers ${String(answer)}`, async () => {
        const bus = quiet(await createBus({ store }));
        const target = { claim: () => Promise.resolve(answer as never), commit: noRetry, retry: noRetry };
        const consumer = bus.consume('totals', 'a', () => undefined, { checkpointIn: target });
        await turnsUntil(() => consumer.status === 'failed');
        expect(consumer.error).to.include({ code: 'TARGET_BROKEN' });
        await bus.close();
      });
  });

  it('divides a group: one transaction at a time for each partition, rewound as a whole', async () => {
    const bus = await createBus({ store });
    const target = new MapTarget();
    const options = { checkpointIn: target, onReset, group: true, key: 'entity' } as const;
    const one = bus.consume('totals', 'a', add, options);
    await publish(bus, 1, 30);
    const two = bus.consume('totals', 'a', add, options);
    await publish(bus, 31, 60);
    await turnsUntil(() => one.partitions.length === 32 && two.partitions.length === 32);
    await bus.settled();
    expect([target.committed.sum, target.committed.seen.length]).to.deep.equal([1_830, 60]);
    await one.rewind('earliest');
    await turnsUntil(() => target.committed.seen.length === 60);
    await bus.settled();
    expect(target.committed.sum).to.equal(1_830);
    await bus.close();
  });

  it('refuses what a deposed member writes', async () => {
    const target = new MapTarget();
    const [a, b] = [
      quiet(await createBus({ store: viewOfShared(store) })),
      await createBus({ store: viewOfShared(store) }),
    ];
    await publish(a, 1, 3);
    const gate = createGate();
    target.begun = gate.promise;
    const one = a.consume('totals', 'a', add, { checkpointIn: target, retry: false });
    await turnsUntil(() => a.metrics().consumers[0]!.running === 1);
    target.begun = undefined;
    const two = b.consume('totals', 'a', add, { checkpointIn: target });
    await two.caughtUp();
    gate.open();
    await turnsUntil(() => one.status === 'failed');
    expect(one.error).to.include({ code: 'LEASE_LOST' });
    expect(target.committed.seen).to.deep.equal([1, 2, 3]);
    await Promise.all([a.close(), b.close()]);
  });

  describe('fileTarget', () => {
    it('keeps nothing of a transaction that fails', async () => {
      await file.commit([{ key: 'k', position: 3, epoch: 1 }], ({ state }) => void (state.sum = 5));
      const failed = file.commit([{ key: 'k', position: 4, epoch: 1 }], ({ state }) => {
        state.sum = 6;
        throw new Error('no');
      });
      expect(await failed.catch(String)).to.equal('Error: no');
      expect(await file.read()).to.deep.equal({ sum: 5, seen: [] });
      expect(await file.claim({ key: 'k', position: 0, epoch: 2 })).to.include({ position: 3 });
    });

    it('refuses an older holder, and takes the same one again', async () => {
      await file.commit([{ key: 'k', position: 3, epoch: 5 }], () => undefined);
      await file.commit([{ key: 'k', position: 4, epoch: 5 }], () => undefined);
      const old = file.commit([{ key: 'k', position: 9, epoch: 4 }], ({ state }) => void (state.sum = 1));
      expect(await rejectionOf(old)).to.include({ code: 'LEASE_LOST' });
      expect((await file.read()).sum).to.equal(0);
      expect(await file.claim({ key: 'k', position: 0, epoch: 6 })).to.include({ position: 4 });
      expect(await file.claim({ key: 'other', position: 7, epoch: 1 })).to.include({ position: 7 });
      const deposed = file.commit([{ key: 'k', position: 9, epoch: 5 }], () => undefined);
      expect(await rejectionOf(deposed)).to.include({ code: 'LEASE_LOST' });
    });
  });
});
