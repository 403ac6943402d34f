import { expect } from 'chai';
import fc from 'fast-check';
import { TelltaleError } from '../../lib/errors.ts';
import { createTestBus } from '../../lib/testing.ts';
import { codeOf, refusalOf } from '../support/code-of.ts';
import { FlakyStore } from '../support/flaky-store.ts';
import { logged } from '../support/logged.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { stall } from '../support/stall.ts';
import { turn } from '../support/turn.ts';

const broken = (): TelltaleError => new TelltaleError('STORE_FAILED', 'fsync: EIO');
const MINUTE = 60_000;

describe('a store that fails for a while', () => {
  it('is tried again with the same ids in the same order; health is degraded, then ok', async () => {
    const store = new FlakyStore();
    const { bus, clock } = await createTestBus({ store });
    const reports: Record<string, unknown>[] = [];
    bus.on('$bus.store.failed', ({ payload }) => void reports.push(payload as Record<string, unknown>));
    store.faults.push({ before: new Error('disk is busy') }, { before: new Error('disk is busy') });
    const ids = [1, 2, 3].map((n) => bus.emit('a', n).id);
    await turn();
    expect(bus.health()).to.deep.include({ status: 'degraded', durability: 'memory' });
    expect(bus.health().lastError).to.include({ code: 'STORE_UNAVAILABLE' });
    expect(bus.health().backlog.events).to.equal(3);
    expect(reports[0]).to.include({ code: 'STORE_UNAVAILABLE', attempt: 1, store: 'memory' });
    ids.push(bus.emit('a', 4).id);
    await clock.advance(MINUTE);
    expect(bus.health()).to.deep.include({ status: 'ok', backlog: { events: 0, bytes: 0 } });
    expect((await logged(store)).map(({ id }) => id)).to.deep.equal(ids);
    expect(store.commits.map((sizes) => sizes.length)).to.deep.equal([3, 4, 4]);
    expect(store.calls).to.include('find 4');
  });

  it('that had written what it failed on stores nothing twice, and nobody sees a duplicate', async () => {
    const store = new FlakyStore();
    const { bus, clock, events } = await createTestBus({ store, dispatch: 'committed' });
    store.faults.push({ after: new Error('connection lost') });
    const fresh = bus.publish('a', 1);
    const own = bus.publish('a', 2, { id: 'mine' });
    await clock.advance(MINUTE);
    expect(await fresh).to.include({ position: 1, duplicate: false });
    expect(await own).to.include({ position: 2, duplicate: false });
    expect(events.map(({ payload }) => payload)).to.deep.equal([1, 2]);
    expect(await logged(store)).to.have.length(2);
    expect(await bus.publish('a', 2, { id: 'mine' })).to.include({ position: 2, duplicate: true });
    expect(events).to.have.length(2);
  });

  it('still tells a duplicate that was there before', async () => {
    const store = new FlakyStore();
    const { bus, clock, events } = await createTestBus({ store });
    await bus.publish('a', 1, { id: 'mine' });
    await clock.advance(1_000);
    store.faults.push({ before: new Error('busy') });
    bus.emit('b', null);
    const again = bus.publish('a', 1, { id: 'mine' });
    await clock.advance(MINUTE);
    expect(await again).to.include({ position: 1, duplicate: true });
    expect(events.map(({ type }) => type)).to.deep.equal(['a', 'b']);
  });

  it('keeps the order when somebody emits the moment he hears of the failure', async () => {
    const store = new FlakyStore();
    const { bus, clock } = await createTestBus({ store });
    bus.on('$bus.store.failed', () => void bus.emit('noted', null));
    store.faults.push({ before: new Error('busy') });
    for (const n of [1, 2, 3]) bus.emit('a', n);
    await clock.advance(MINUTE);
    expect((await logged(store)).map(({ type }) => type)).to.deep.equal(['a', 'a', 'a', 'noted']);
  });

  it('makes flush try at once and say what is not stored', async () => {
    const store = new FlakyStore();
    const { bus } = await createTestBus({ store });
    store.faults.push({ before: new Error('busy') }, { before: new Error('still busy') });
    const { id } = bus.emit('a', null);
    bus.emit('a', null);
    const first = await rejectionOf(bus.flush());
    expect(first).to.include({ code: 'STORE_UNAVAILABLE' });
    expect(first.message).to.include('2 events are not stored').and.include(id);
    expect(first.details).to.include({ events: 2, firstId: id });
    await rejectionOf(bus.flush());
    await bus.flush();
    expect(await logged(store)).to.have.length(2);
  });

  it('loses nothing, doubles nothing, keeps the order, whenever it fails (property)', async () => {
    const fault = fc.constantFrom<'ok' | 'before' | 'after'>('ok', 'ok', 'before', 'after');
    const step = fc.oneof(
      fc.record({ kind: fc.constant('emit' as const), count: fc.integer({ min: 1, max: 5 }) }),
      fc.record({ kind: fc.constant('publish' as const), count: fc.constant(1) }),
      fc.record({ kind: fc.constant('own' as const), count: fc.constant(1) }),
      fc.record({ kind: fc.constant('batch' as const), count: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ kind: fc.constant('time' as const), count: fc.integer({ min: 0, max: 2_000 }) }),
    );
    const mode = fc.constantFrom<'immediate' | 'committed'>('immediate', 'committed');
    await fc.assert(
      fc.asyncProperty(
        mode,
        fc.array(fault, { maxLength: 12 }),
        fc.array(step, { maxLength: 20 }),
        async (dispatch, faults, steps) => {
          const store = new FlakyStore();
          const { bus, clock, events } = await createTestBus({ store, dispatch });
          for (const one of faults) store.faults.push(one === 'ok' ? undefined : { [one]: new Error(one) });
          const emitted: unknown[] = [];
          let next = 0;
          for (const { kind, count } of steps) {
            if (kind === 'time') await clock.advance(count);
            if (kind === 'emit') for (let i = 0; i < count; i++) emitted.push(bus.emit('a', next++).payload);
            if (kind === 'publish') void bus.publish('a', emitted[emitted.push(next++) - 1]);
            if (kind === 'own') void bus.publish('a', emitted[emitted.push(next) - 1], { id: `own-${next++}` });
            if (kind === 'batch') {
              const batch = bus.batch();
              for (let i = 0; i < count; i++) batch.add('a', emitted[emitted.push(next++) - 1]);
              void batch.commit();
            }
          }
          await clock.advance(60 * MINUTE);
          await bus.flush();
          const stored = await logged(store);
          expect(stored.map(({ payload }) => payload)).to.deep.equal(emitted);
          expect(stored.map(({ position }) => position)).to.deep.equal(stored.map((_, i) => i + 1));
          // Each exactly once, whether it was delivered before it was stored or after.
          expect(events.map(({ payload }) => payload as number).toSorted((a, b) => a - b)).to.deep.equal(emitted);
          if (dispatch === 'committed') expect(events.map(({ payload }) => payload)).to.deep.equal(emitted);
          const { offered, accepted, refused, stored: count, waiting, transient, unstored, duplicates } = bus.metrics();
          expect({ offered, refused, count, waiting, unstored, duplicates }).to.deep.equal({
            offered: emitted.length + transient,
            refused: 0,
            count: emitted.length,
            waiting: 0,
            unstored: 0,
            duplicates: 0,
          });
          expect(accepted).to.equal(offered);
        },
      ),
      { numRuns: 80 },
    );
  });
});

describe('a store that fails for good', () => {
  it('is never tried again: STORE_FAILED before delivery, health failed', async () => {
    const store = new FlakyStore();
    const { bus, clock, events } = await createTestBus({ store });
    const reports: unknown[] = [];
    bus.on('$bus.store.failed', ({ payload }) => void reports.push(payload));
    store.faults.push({ before: broken() });
    const lost = bus.publish('a', 1);
    expect((await rejectionOf(lost)).code).to.equal('STORE_FAILED');
    const delivered = events.length;
    expect(codeOf(() => bus.emit('a', 2))).to.equal('STORE_FAILED');
    expect((await rejectionOf(bus.publish('a', 3))).code).to.equal('STORE_FAILED');
    expect((await rejectionOf(bus.batch().add('a', 4).commit())).code).to.equal('STORE_FAILED');
    expect(events).to.have.length(delivered);
    await clock.advance(60 * MINUTE);
    expect(store.commits).to.have.length(1);
    expect(bus.health()).to.include({ status: 'failed' });
    expect(bus.health().lastError!.message).to.include('EIO');
    expect(reports).to.have.length(1);
    expect(reports[0]).to.include({ code: 'STORE_FAILED', stopped: true });
    expect(bus.metrics()).to.include({ unstored: 1, refused: 3, waiting: 0 });
  });

  it('goes on with transient events', async () => {
    const store = new FlakyStore();
    const { bus, ofType } = await createTestBus({ store });
    store.faults.push({ before: broken() });
    bus.emit('a', 1);
    await turn();
    bus.emit('token', 1, { transient: true });
    expect(ofType('token')).to.have.length(1);
  });

  it('keeps what it did not take as dead letters in memory, and flush says so', async () => {
    const store = new FlakyStore();
    const { bus } = await createTestBus({ store });
    store.faults.push({ before: broken() });
    bus.emit('a', { n: 1 });
    bus.emit('a', { n: 2 });
    const error = await rejectionOf(bus.flush());
    expect(error).to.include({ code: 'STORE_FAILED' });
    expect(error.message).to.include('2 events are not stored');
    const letters = await bus.deadLetters.list();
    expect(
      letters.map(({ reason, escaped }) => [reason, (JSON.parse(escaped!) as { payload: unknown }).payload]),
    ).to.deep.equal([
      ['not-stored', { n: 2 }],
      ['not-stored', { n: 1 }],
    ]);
  });

  it('is told of when the bus closes, with how many events are not stored', async () => {
    const store = new FlakyStore();
    const { bus } = await createTestBus({ store });
    store.faults.push({ before: broken() });
    bus.emit('a', 1);
    bus.emit('a', 2);
    const error = await rejectionOf(bus.close());
    expect(error.code).to.equal('STORE_FAILED');
    expect(error.message).to.include('2 accepted events are not stored').and.include('EIO');
    expect(error.details).to.deep.equal({ cut: 0, stillRunning: 0, unstored: 2 });
  });
});

const stalled = async (options: object) => {
  const store = new FlakyStore();
  const open = stall(store);
  return { store, open, ...(await createTestBus({ store, ...options })) };
};

describe('the backlog', () => {
  it('full by count refuses before delivery, naming both figures, and takes events again when there is room', async () => {
    const { bus, events, open } = await stalled({ backlog: { events: 3 } });
    for (const n of [1, 2, 3]) bus.emit('a', n);
    const error = refusalOf(() => bus.emit('a', 4));
    expect(error.code).to.equal('STORE_BACKLOG_FULL');
    expect(error.message).to.include('3 of 3 events');
    expect((await rejectionOf(bus.publish('a', 4))).code).to.equal('STORE_BACKLOG_FULL');
    expect(events).to.have.length(3);
    open();
    await bus.flush();
    bus.emit('a', 5);
    expect(events).to.have.length(4);
    expect(bus.metrics()).to.include({ refused: 2, offered: 6 });
  });

  it('full by bytes refuses before delivery', async () => {
    const { bus, events } = await stalled({ backlog: { bytes: 4_000 } });
    bus.emit('a', 'x'.repeat(3_000));
    const error = refusalOf(() => bus.emit('a', 'x'.repeat(3_000)));
    expect(error.code).to.equal('STORE_BACKLOG_FULL');
    expect(error.message).to.match(/\d+ of 4000 bytes/);
    bus.emit('a', 'x');
    expect(events).to.have.length(2);
  });

  it('holds 100,000 events in bounded memory by default', async function () {
    this.timeout(30_000);
    const { bus, events } = await stalled({});
    (events as unknown[]).length = 0;
    const before = process.memoryUsage().heapUsed;
    let accepted = 0;
    let code = '';
    try {
      for (; accepted < 200_000; accepted++) {
        bus.emit('a', accepted);
        if (accepted % 1_000 === 0) (events as unknown[]).length = 0;
      }
    } catch (error) {
      code = (error as TelltaleError).code;
    }
    expect({ accepted, code }).to.deep.equal({ accepted: 100_000, code: 'STORE_BACKLOG_FULL' });
    expect((process.memoryUsage().heapUsed - before) / 2 ** 20).to.be.lessThan(256);
  });
});

describe("onStoreFailure: 'live'", () => {
  it('delivers and counts what a failed store does not take, and says none', async () => {
    const store = new FlakyStore();
    const { bus, events } = await createTestBus({ store, onStoreFailure: 'live' });
    store.faults.push({ before: broken() });
    bus.emit('a', 1);
    await turn();
    bus.emit('a', 2);
    expect(await bus.publish('a', 3)).to.include({ durability: 'none', position: 0 });
    expect(await bus.publish('a', 4, { id: 'own' })).to.include({ durability: 'none' });
    expect(events.map(({ payload }) => payload)).to.deep.equal([1, 2, 3, 4]);
    expect(bus.metrics()).to.include({ unstored: 4, refused: 0, stored: 0 });
  });

  it('delivers in committed order what the store gave up', async () => {
    const store = new FlakyStore();
    const { bus, events } = await createTestBus({ store, onStoreFailure: 'live', dispatch: 'committed' });
    store.faults.push({ before: broken() });
    for (const n of [1, 2, 3]) bus.emit('a', n);
    await turn();
    bus.emit('a', 4);
    expect(events.map(({ payload }) => payload)).to.deep.equal([1, 2, 3, 4]);
    expect(bus.metrics()).to.include({ unstored: 4, refused: 0 });
  });

  it('never delivers what was to be stored under a condition, nor a batch', async () => {
    const store = new FlakyStore();
    const { bus, events } = await createTestBus({ store, onStoreFailure: 'live' });
    store.faults.push({ before: broken() });
    const outcomes = [
      bus.publish('conditional', null, { entity: 'x/1', expect: 'none' }),
      bus.batch().add('batched', null).commit(),
    ];
    for (const { code } of await Promise.all(outcomes.map((outcome) => rejectionOf(outcome))))
      expect(code).to.equal('STORE_FAILED');
    const later = bus.publish('conditional', null, { entity: 'x/1', expect: 'none' });
    expect((await rejectionOf(later)).code).to.equal('STORE_FAILED');
    expect((await rejectionOf(bus.batch().add('batched', null).commit())).code).to.equal('STORE_FAILED');
    expect(events).to.deep.equal([]);
    expect(bus.metrics()).to.include({ refused: 4, unstored: 0 });
  });
});
