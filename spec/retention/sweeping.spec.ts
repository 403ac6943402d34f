import { expect } from 'chai';
import { EventEmitter, once } from 'node:events';
import { createBus } from '../../lib/bus.ts';
import { createVirtualClock, type Clock, type VirtualClock } from '../../lib/clock.ts';
import type { BusOptions } from '../../lib/options.ts';
import { CHECKPOINTS } from '../../lib/store/read/resolve-place.ts';
import { RETENTION } from '../../lib/retention/progress.ts';
import type { RetentionOptions } from '../../lib/retention/options.ts';
import type { RetentionRule } from '../../lib/retention/rule.ts';
import { parseSchedule } from '../../lib/retention/schedule.ts';
import { Sweeper } from '../../lib/retention/sweeper.ts';
import { MemoryStore } from '../../plugins/memory/memory-store.ts';
import { parseOptions } from '../../plugins/memory/options.ts';
import { rejectionOf } from '../support/rejection-of.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

class SlowStore extends MemoryStore {
  /** Awaited by every removal. */
  gate: Promise<unknown> = Promise.resolve();
  failing = 0;
  removing = 0;
  most = 0;

  constructor(shared = false) {
    super(parseOptions({}));
    Object.assign(this.supports, { shared });
  }

  override async remove(...given: Parameters<MemoryStore['remove']>): Promise<number> {
    this.most = Math.max(this.most, ++this.removing);
    await this.gate;
    this.removing--;
    if (this.failing > 0) {
      this.failing--;
      throw new Error('the disk is away');
    }
    return super.remove(...given);
  }
}

interface Swept {
  readonly failed?: { readonly message: string };
  readonly retryInMs?: number;
  readonly failures?: number;
  readonly skipped?: string;
  readonly removed?: { readonly events: number };
  readonly capped?: true;
  readonly resumed?: true;
  readonly ignored?: number;
  readonly jumpMs?: number;
}

async function open(retention: RetentionOptions, more: Partial<BusOptions> & { clock?: Clock } = {}) {
  const clock = (more.clock as VirtualClock | undefined) ?? createVirtualClock();
  const store = (more.store as SlowStore | undefined) ?? new SlowStore();
  const bus = await createBus({ store, clock, ...more, retention: { firstSweepAtMost: 1, ...retention } });
  const reports: Swept[] = [];
  bus.on('$retention.swept', ({ payload }) => void reports.push(payload as Swept));
  const emit = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n++) bus.emit('task.done', n);
    await bus.flush();
  };
  /** Moves on, and lets a sweep that has begun come to its end. */
  const advance = async (ms: number): Promise<void> => {
    await clock.advance(ms);
    for (let turn = 0; turn < 30; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  return { bus, clock, store, reports, emit, advance };
}

const rules = [{ match: 'task.*', keepFor: '1h' }] as const;

/** A bus on a log of two events and two later ones; a sweep of the first two was cut at a moment so far from now. */
async function withCutSweep(byRules: readonly RetentionRule[], fromNow: number) {
  const clock = createVirtualClock();
  const store = new SlowStore();
  const first = await open({ rules: byRules }, { clock, store });
  await first.emit(2);
  await first.bus.close();
  await store.open({ clock });
  const at = clock.now() + fromNow;
  await store.putDocument(RETENTION, 'sweep', { at, head: 2, position: 0, rules: JSON.stringify(byRules) });
  await store.close();
  const second = await open({ every: '1m', rules: byRules }, { clock, store });
  await second.emit(2);
  return { second, store, at };
}

describe('sweeps of retention', () => {
  it('come by themselves and report what they removed', async () => {
    const { bus, reports, emit, advance, clock } = await open({ every: '10m', rules });
    await emit(3);
    expect(bus.retention.stats().nextAt).to.equal(clock.now() + 10 * MINUTE);
    for (let n = 0; n < 6; n++) await advance(10 * MINUTE);
    expect(reports.map(({ removed }) => removed?.events)).to.deep.equal([0, 0, 0, 0, 0, 3]);
    expect(await bus.count()).to.equal(0);
    expect(bus.retention.stats()).to.deep.include({ sweeps: 6, skipped: 0, failures: 0 });
    expect(bus.retention.stats().removed.events).to.equal(3);
    expect(bus.retention.stats().last).to.deep.include({ complete: true });
    await bus.close();
  });

  it('come at the times of a cron expression', async () => {
    // The virtual clock starts at midnight, UTC.
    const { bus, reports, advance } = await open({ every: '30 2 * * *', rules });
    await advance(2 * HOUR + 29 * MINUTE);
    expect(reports).to.have.length(0);
    await advance(MINUTE);
    expect(reports).to.have.length(1);
    await advance(24 * HOUR - 1);
    expect(reports).to.have.length(1);
    await advance(1);
    expect(reports).to.have.length(2);
    await bus.close();
  });

  it('come once for each time of a cron expression, also where a timer fires a moment early', () => {
    const schedule = parseSchedule('0 3 * * *', 'every');
    const three = Date.UTC(2026, 0, 1, 3);
    expect(schedule.nextInMs(three - 1, undefined)).to.equal(1);
    expect(schedule.nextInMs(three - 1, three)).to.equal(24 * HOUR + 1);
  });

  it('come at the times of a cron expression also behind a clock that was set back', async () => {
    const virtual = createVirtualClock();
    let jump = 0;
    const clock = { ...virtual, now: () => virtual.now() + jump };
    const { bus, reports, advance } = await open({ every: '0 * * * *', rules }, { clock });
    await advance(2 * HOUR);
    expect(reports).to.have.length(2);
    jump = -4 * 365 * 24 * HOUR;
    for (let n = 0; n < 3; n++) await advance(HOUR);
    expect(reports.slice(2).map(({ skipped }) => skipped)).to.deep.equal(['clock', undefined, undefined]);
    expect(bus.retention.stats().nextAt).to.equal(clock.now() + HOUR);
    await bus.close();
  });

  it('never overlap, however long one takes', async () => {
    const { bus, reports, emit, advance, store } = await open({ every: '1m', rules: [{ match: '**', keepCount: 0 }] });
    const gate = new EventEmitter();
    store.gate = once(gate, 'open');
    await emit(2);
    await advance(5 * MINUTE);
    const enforced = bus.retention.enforce();
    await advance(0);
    expect(store.removing).to.equal(1);
    expect(reports).to.have.length(0);
    gate.emit('open');
    await enforced;
    await advance(0);
    expect(store.most).to.equal(1);
    expect(reports).to.have.length(1);
    await advance(MINUTE);
    expect(reports).to.have.length(2);
    await bus.close();
  });

  it('remove a tenth at most after a start, the oldest first, and the rest with the next', async () => {
    const { bus, reports, advance } = await open({
      every: '1m',
      rules: [{ match: 'task.done', keepCount: 0 }],
      firstSweepAtMost: 0.1,
    });
    // In ranges of two, so that the bound lies in the middle of one.
    for (let n = 0; n < 50; n++) bus.emit(n % 3 === 2 ? 'task.kept' : 'task.done', n);
    await bus.flush();
    await advance(MINUTE);
    expect(reports[0]).to.deep.include({ capped: true });
    expect(reports[0]!.removed!.events).to.equal(5);
    expect((await bus.query({ limit: 3 })).events.map(({ position }) => position)).to.deep.equal([3, 6, 8]);
    await advance(MINUTE);
    expect(reports[1]).not.to.have.property('capped');
    expect(await bus.count({ type: 'task.done' })).to.equal(0);
    expect(await bus.count()).to.equal(16);
    await bus.close();
  });

  it('remove no more than that of a small log, be it nothing, and the rest with the next', async () => {
    const { bus, reports, emit, advance } = await open({
      every: '1m',
      rules: [{ match: 'task.done', keepCount: 0 }],
      firstSweepAtMost: 0.1,
    });
    await emit(5);
    await advance(MINUTE);
    expect(reports[0]).to.deep.include({ capped: true });
    expect(reports[0]!.removed!.events).to.equal(0);
    await advance(MINUTE);
    expect(reports[1]!.removed!.events).to.equal(5);
    await bus.close();
  });

  it('are not held to that where somebody asks for them', async () => {
    const { bus, emit } = await open({ rules: [{ match: '**', keepCount: 0 }], firstSweepAtMost: 0.1 });
    await emit(40);
    expect((await bus.retention.enforce()).removed.events).to.equal(40);
    await bus.close();
  });

  it('are skipped when the wall clock jumps, and careful the next time', async () => {
    const virtual = createVirtualClock();
    let jump = 0;
    const clock = { ...virtual, now: () => virtual.now() + jump };
    const { bus, reports, emit, advance } = await open({ every: '1m', rules, firstSweepAtMost: 0.5 }, { clock });
    await emit(4);
    await advance(MINUTE);
    jump = 90 * 24 * HOUR;
    await advance(MINUTE);
    expect(reports[1]).to.include({ skipped: 'clock', jumpMs: jump });
    expect(await bus.count()).to.equal(4);
    await advance(MINUTE);
    expect(reports[2]!.removed!.events).to.equal(2);
    jump += 59_000;
    await advance(MINUTE);
    expect(reports[3]!.removed!.events).to.equal(2);
    expect(bus.retention.stats()).to.include({ sweeps: 3, skipped: 1 });
    await bus.close();
  });

  it('wait longer after each failure, and say why', async () => {
    const { bus, reports, emit, advance, store } = await open({ every: '1s', rules: [{ match: '**', keepCount: 0 }] });
    store.failing = 4;
    await emit(1);
    for (let n = 0; n < 4; n++) await advance(n === 0 ? 1_000 : 2 ** (n - 1) * 1_000);
    expect(reports.map(({ failures, retryInMs }) => [failures, retryInMs])).to.deep.equal([
      [1, 1_000],
      [2, 2_000],
      [3, 4_000],
      [4, 8_000],
    ]);
    expect(reports[0]!.failed!.message).to.match(/the disk is away/);
    await advance(8_000);
    expect(await bus.count()).to.equal(0);
    expect(bus.retention.stats()).to.include({ failures: 4, sweeps: 1 });
    await bus.close();
  });

  it('wait an hour at most', async () => {
    const clock = createVirtualClock();
    const waits: number[] = [];
    const sweeper = new Sweeper({
      clock,
      schedule: parseSchedule('1s', 'every'),
      sweep: () => Promise.reject(new Error('no')),
      failed: (_error, _failures, retryInMs) => void waits.push(retryInMs),
    });
    sweeper.start();
    for (let n = 0; n < 14; n++) await clock.advance(HOUR);
    expect(waits.slice(-2)).to.deep.equal([HOUR, HOUR]);
    expect(Math.max(...waits)).to.equal(HOUR);
    await sweeper.stop();
  });

  it('do not keep the process alive, and end with the bus', async () => {
    const virtual = createVirtualClock();
    let waits = 0;
    const clock = { ...virtual, wait: (ms: number, fn: () => void) => (waits++, virtual.wait(ms, fn)) };
    const { bus, reports, advance } = await open({ every: '1m', rules }, { clock });
    await advance(MINUTE);
    expect([reports.length, waits]).to.deep.equal([1, 0]);
    await bus.close();
    await virtual.advance(10 * MINUTE);
    expect(reports).to.have.length(1);
    expect(bus.retention.stats().nextAt).to.equal(undefined);
  });

  it('are left to one process of those that share a store', async () => {
    const store = new SlowStore(true);
    const { bus, reports, emit, advance } = await open(
      { every: '1m', rules: [{ match: '**', keepCount: 0 }] },
      { store },
    );
    await store.putDocument('leases', 'retention', { owner: 'other', token: 'x', epoch: 7 });
    await emit(2);
    expect((await rejectionOf(bus.retention.enforce())).code).to.equal('LEASE_LOST');
    await advance(MINUTE);
    expect(reports[0]!.removed!.events, 'the other has not renewed its lease for a minute').to.equal(2);
    expect((await store.document('leases', 'retention'))!.value).to.include({ owner: null, epoch: 8 });
    await bus.close();
  });

  it('go on where the process ended in the middle of one', async () => {
    const all = [{ match: 'task.*', keepCount: 0 }] as const;
    const { second, store } = await withCutSweep(all, -HOUR);
    await second.advance(MINUTE);
    expect(second.reports[0]).to.deep.include({ resumed: true });
    expect(second.reports[0]!.removed!.events, 'up to the head of the one that was cut').to.equal(2);
    expect(await second.bus.count()).to.equal(2);
    expect(await store.document(RETENTION, 'sweep')).to.equal(undefined);
    await second.bus.close();
  });

  it('begin anew where the moment of a cut one lies ahead, and say so', async () => {
    const { second, store, at } = await withCutSweep(rules, 4 * 365 * 24 * HOUR);
    await second.advance(MINUTE);
    expect(second.reports[0]).to.deep.include({ ignored: at }).and.not.to.have.property('resumed');
    expect(second.reports[0]!.removed!.events).to.equal(0);
    expect(await store.document(RETENTION, 'sweep')).to.equal(undefined);
    await second.advance(MINUTE);
    expect(second.reports[1]).not.to.have.property('ignored');
    expect(await second.bus.count()).to.equal(4);
    await second.bus.close();
  });

  it('tell in health who holds back how much', async () => {
    const { bus, emit, advance, store, clock } = await open({ every: '1m', rules: [{ match: '**', keepCount: 0 }] });
    await emit(5);
    await store.putDocument(CHECKPOINTS, 'mailer', { position: 2, at: clock.now() });
    await advance(MINUTE);
    expect(bus.health().notices.join()).to.match(/retention: mailer has come to position 2 and holds back 3 events/);
    await bus.close();
  });

  it('refuse what no schedule can mean when the bus is made', async () => {
    const error = await rejectionOf(createBus({ store: new SlowStore(), retention: { every: 'often' } }));
    expect(error.message).to.match(/`retention\.every`.*'1m'.*cron expression/);
  });
});
