import { expect } from 'chai';
import sinon from 'sinon';
import { createTestBus } from '../../lib/testing.ts';
import { createBus } from '../../lib/bus.ts';
import { memory } from '../../plugins/memory/index.ts';
import { FlakyStore } from '../support/flaky-store.ts';
import { logged } from '../support/logged.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { stall } from '../support/stall.ts';
import { turn } from '../support/turn.ts';

const quiet = (): null => null;

describe('bus.publish', () => {
  it('resolves with event, position, revision and the store’s durability', async () => {
    const { bus } = await createTestBus();
    await bus.publish('a', null, { entity: 'task/1' });
    const receipt = await bus.publish('a', { n: 1 }, { entity: 'task/1' });
    expect(receipt).to.deep.include({ position: 2, revision: 2, durability: 'memory', duplicate: false });
    expect(receipt.event).to.deep.include({ type: 'a', payload: { n: 1 } });
    expect(receipt).to.not.have.property('dropped');
  });

  it('names durability none for a transient event and for a bus without store', async () => {
    const { bus } = await createTestBus();
    const transient = await bus.publish('a', null, { transient: true });
    const live = await (await createBus()).publish('a', null);
    for (const receipt of [transient, live])
      expect(receipt).to.deep.include({ position: 0, revision: 0, durability: 'none', duplicate: false });
  });

  it('answers a known id and content with the first receipt, from another context too', async () => {
    const { bus, clock } = await createTestBus();
    const options = { id: 'order-1', entity: 'order/1', metadata: { userId: 'u' } };
    const first = await bus.publish('order.placed', { total: 3 }, options);
    await clock.advance(1_000);
    const context = { correlationId: 'elsewhere', metadata: { sessionId: 's' } };
    const again = await bus.withContext(context, async () => bus.publish('order.placed', { total: 3 }, options));
    expect(again).to.deep.include({ position: first.position, revision: 1, duplicate: true });
    expect(bus.metrics()).to.include({ stored: 2, duplicates: 1 });
  });

  it('rejects a known id with other content as EVENT_CONFLICT and keeps it as a dead letter', async () => {
    const { bus } = await createTestBus();
    await bus.publish('a', 1, { id: 'one' });
    const error = await rejectionOf(bus.publish('a', 2, { id: 'one' }));
    expect(error.code).to.equal('EVENT_CONFLICT');
    expect(error.message).to.include('one').and.include('position 1');
    const [letter] = await bus.deadLetters.list();
    expect(letter).to.include({ reason: 'not-stored', eventId: 'one' });
    expect(JSON.parse(letter!.escaped!)).to.deep.include({ payload: 2 });
  });

  it('rejects what was expected in vain with expected and actual, and keeps no letter of it', async () => {
    const { bus, events } = await createTestBus();
    await bus.publish('a', null, { entity: 'x/1' });
    const error = await rejectionOf(bus.publish('a', null, { entity: 'x/1', expect: 'none' }));
    expect(error.code).to.equal('EXPECTATION_FAILED');
    expect(error.details).to.deep.equal({ expected: 'none', actual: 1, entity: 'x/1' });
    const query = { type: 'a' };
    const other = await rejectionOf(bus.publish('b', null, { expect: { query, after: 0 } }));
    expect(other.details).to.deep.include({ actual: 1 });
    await bus.publish('b', null, { expect: { query, after: 1 } });
    expect(events.map(({ type }) => type)).to.deep.equal(['a', 'b']);
    expect(await bus.deadLetters.list()).to.deep.equal([]);
  });

  it('needs a store for an expectation', async () => {
    const bus = await createBus();
    const error = await rejectionOf(bus.publish('a', null, { entity: 'x/1', expect: 'none' }));
    expect(error.code).to.equal('STORE_REQUIRED');
    expect(bus.metrics()).to.include({ offered: 1, refused: 1, accepted: 0 });
  });

  it('rejects with ABORTED before anything has happened when the signal is aborted already', async () => {
    const { bus, events } = await createTestBus();
    const error = await rejectionOf(bus.publish('a', null, { signal: AbortSignal.abort('late') }));
    expect(error).to.include({ code: 'ABORTED', cause: 'late' });
    expect(events).to.deep.equal([]);
  });

  it('stops waiting when the signal is aborted meanwhile, and says that the event may be stored', async () => {
    const store = new FlakyStore();
    const { bus } = await createTestBus({ store });
    const open = stall(store);
    const abort = new AbortController();
    const publish = rejectionOf(bus.publish('a', null, { signal: abort.signal }));
    await turn();
    abort.abort();
    const error = await publish;
    expect(error.code).to.equal('ABORTED');
    expect(error.message).to.include('may be in the log');
    open();
    await bus.flush();
    expect(await logged(store)).to.have.length(1);
  });

  it('leaves no listener on a signal, however the publish ends', async () => {
    const { bus } = await createTestBus({ backlog: { events: 1 } });
    const { signal } = new AbortController();
    const added = sinon.spy(signal, 'addEventListener');
    const removed = sinon.spy(signal, 'removeEventListener');
    await bus.publish('a', null, { signal });
    await bus.publish('a', null, { signal, transient: true });
    await rejectionOf(bus.publish('a', null, { signal, entity: 'x/1', expect: 4 }));
    const stored = bus.publish('a', null);
    expect((await rejectionOf(bus.publish('a', null, { signal }))).code).to.equal('STORE_BACKLOG_FULL');
    await stored;
    expect(added.callCount).to.equal(2);
    for (const { args } of added.getCalls()) expect(removed.calledWith(args[0], args[1])).to.equal(true);
  });

  it('waits for room in the ingress, before later publishes, and can be aborted there', async () => {
    const { bus, events } = await createTestBus({ ingress: { max: 1 } });
    const waiting: (() => void)[] = [];
    let open = false;
    bus.on('a', () => (open ? undefined : new Promise<void>((resolve) => waiting.push(resolve))), {
      mailbox: { max: 1, overflow: 'wait' },
    });
    for (const n of [0, 1, 2]) bus.emit('a', n);
    const abort = new AbortController();
    const third = bus.publish('a', 3);
    const never = rejectionOf(bus.publish('a', 'never', { signal: abort.signal }));
    const fourth = bus.publish('a', 4);
    expect(bus.metrics()).to.deep.include({ offered: 6, accepted: 6 });
    abort.abort();
    expect((await never).code).to.equal('ABORTED');
    expect(bus.metrics()).to.deep.include({ offered: 6, accepted: 5, refused: 1 });
    open = true;
    for (const one of waiting.splice(0)) one();
    await Promise.all([third, fourth]);
    expect(events.map(({ payload }) => payload)).to.deep.equal([0, 1, 2, 3, 4]);
  });

  it('resolves with the name of the admit stage that dropped the event', async () => {
    const { bus, events } = await createTestBus({
      admit: [quiet],
    });
    const receipt = await bus.publish('a', null);
    expect(receipt).to.deep.include({ dropped: 'quiet', durability: 'none', position: 0 });
    expect(events).to.deep.equal([]);
  });

  describe('that nobody awaits', () => {
    it('never becomes an unhandled rejection; it is counted and reported', async () => {
      const unhandled = sinon.spy();
      const listeners = process.rawListeners('unhandledRejection');
      process.removeAllListeners('unhandledRejection');
      process.on('unhandledRejection', unhandled);
      try {
        const { bus } = await createTestBus();
        const reports: unknown[] = [];
        bus.on('$bus.publish.failed', ({ payload }) => void reports.push(payload));
        bus.on('go', (_, context) => {
          void context.publish('bad type', null);
        });
        void bus.publish('a', new Date());
        void bus.batch().add('a', null).commit({ expect: -1 });
        bus.emit('go', null);
        await turn();
        await turn();
        expect(unhandled.callCount).to.equal(0);
        expect(bus.metrics().rejectedPublishes).to.equal(3);
        expect(reports).to.deep.include({
          type: 'a',
          code: 'PAYLOAD_NOT_PLAIN',
          message: (reports[0] as { message: string }).message,
          count: 1,
        });
        expect(reports).to.have.length(3);
      } finally {
        process.removeAllListeners('unhandledRejection');
        for (const listener of listeners) process.on('unhandledRejection', listener as () => void);
      }
    });
  });

  it('hands a memory store’s receipt on for the first attempt without a lookup, with one for a caller’s id', async () => {
    const store = new FlakyStore();
    const { bus } = await createTestBus({ store });
    await bus.publish('a', null);
    expect(store.calls.filter((call) => call.startsWith('find'))).to.deep.equal([]);
    await bus.publish('a', null, { id: 'mine' });
    expect(store.calls.filter((call) => call.startsWith('find'))).to.deep.equal(['find 1']);
    await bus.close();
    expect(memory().supports.durability).to.equal('memory');
  });
});
