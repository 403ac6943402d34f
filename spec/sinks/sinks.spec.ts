import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { createBus } from '../../lib/bus.ts';
import { createVirtualClock, type VirtualClock } from '../../lib/clock.ts';
import { TelltaleError } from '../../lib/errors.ts';
import type { StoredEvent, TelltaleEvent } from '../../lib/event/event.ts';
import type { BusOptions } from '../../lib/options.ts';
import { AbstractSink } from '../../lib/store/abstract-sink.ts';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { memory } from '../../plugins/memory/index.ts';
import { FlakyStore } from '../support/flaky-store.ts';
import { logged } from '../support/logged.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate, turn, turnsUntil, warningsOf } from '../support/turns.ts';

const payloadsOf = (events: readonly TelltaleEvent[]): unknown[] => events.map(({ payload }) => payload);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Opened when the sink that hangs may go on. */
let outage = createGate();

function bare(stored: StoredEvent): object {
  const { position: _position, storedAt: _storedAt, ...event } = stored;
  return event;
}

const trouble = (): Error => new TelltaleError('STORE_UNAVAILABLE', 'no answer');

/** A sink that does what `answer` says, and keeps what it has taken. */
class TestSink extends AbstractSink {
  readonly name: string;
  readonly taken: StoredEvent[] = [];
  readonly calls: string[] = [];
  answer: (events: readonly StoredEvent[]) => unknown = () => undefined;
  opening: () => unknown = () => undefined;

  constructor(name = 'test') {
    super();
    this.name = name;
  }

  protected override async _open(): Promise<void> {
    this.calls.push('open');
    await this.opening();
  }

  protected override async _write(events: readonly StoredEvent[]): Promise<void> {
    await this.answer(events);
    this.taken.push(...events);
  }

  protected override async _close(): Promise<void> {
    this.calls.push('close');
  }
}

async function open(options: Partial<BusOptions> & Pick<BusOptions, 'sinks'>) {
  const clock = createVirtualClock();
  const store = options.store ?? memory();
  const bus = await createBus({ ...options, store, clock });
  const failed: [string, unknown][] = [];
  bus.on('$bus.**', ({ type, payload }) => void failed.push([type, payload]));
  return { bus, clock, store, failed, sinks: () => bus.metrics().sinks };
}

/** Lets virtual time pass until it is so. */
async function passUntil(clock: VirtualClock, condition: () => boolean): Promise<void> {
  for (let i = 0; i < 10_000; i++) {
    if (condition()) return;
    await clock.advance(100);
  }
  throw new Error('it did not happen');
}

describe('sinks', () => {
  it('get what is stored, in order, once, and nothing transient; and are opened and closed with the bus', async () => {
    const sink = new TestSink();
    const { bus, sinks } = await open({ sinks: [sink] });
    for (const n of upTo(1_000)) {
      bus.emit('a', n);
      bus.emit('token', n, { transient: true });
    }
    await bus.flush();
    await turnsUntil(() => sink.taken.length === 1_000);
    expect(sinks()[0]).to.deep.include({ name: 'test', status: 'running', written: 1_000, failures: 0 });
    expect(sinks()[0]!.lag).to.deep.equal({ events: 0, ms: 0 });
    await bus.close();
    expect(payloadsOf(sink.taken)).to.deep.equal(upTo(1_000));
    expect(sink.calls).to.deep.equal(['open', 'close']);
    expect(sinks()[0]!.status).to.equal('closed');
  });

  it('are given what was stored a moment before the bus closes', async () => {
    const sink = new TestSink();
    const { bus } = await open({ sinks: [sink] });
    bus.on('a', ({ payload }) => void bus.emit('b', payload));
    for (const n of upTo(100)) bus.emit('a', n);
    await bus.close();
    expect(sink.taken).to.have.length(200);
  });

  it('are stores as well: copies with the same ids, at positions of their own', async () => {
    const copy = memory();
    const store = memory();
    const clock = createVirtualClock();
    const first = await createBus({ store, clock, sinks: [{ sink: copy, pattern: ['a', '$effect.*'] }] });
    first.on('a', (_, { effect }) => effect('x', () => 1));
    first.emit('noise', 0);
    first.emit('a', 1, { entity: 'e/1', metadata: { tags: ['t'] } });
    await first.settled();
    await first.close();
    // Everything once more.
    await store.open();
    await store.deleteDocument('checkpoints', 'sink/memory');
    const second = await createBus({ store, clock, sinks: [{ sink: copy, pattern: ['a', '$effect.*'] }] });
    second.emit('a', 2);
    await second.close();
    await Promise.all([store.open(), copy.open()]);
    const original = (await logged(store, true)).filter(({ type }) => type !== 'noise');
    const copied = await logged(copy, true);
    expect(copied.map(bare)).to.deep.equal(original.map(bare));
    expect(copied.map(({ position }) => position)).to.deep.equal([1, 2, 3]);
  });

  it('have filters of their own', async () => {
    const [all, some, reserved] = [new TestSink('all'), new TestSink('some'), new TestSink('reserved')];
    const { bus } = await open({
      sinks: [
        all,
        { sink: some, pattern: 'order.*', where: { 'payload.total': { $gt: 10 } } },
        { sink: reserved, pattern: ['$schedule.*', 'never'] },
      ],
    });
    bus.emit('order.placed', { total: 5 });
    bus.emit('order.placed', { total: 50 });
    bus.emit('noise', null);
    await bus.schedule('later', null, { after: '1d' });
    await bus.close();
    expect(all.taken.map(({ type }) => type)).to.deep.equal(['order.placed', 'order.placed', 'noise']);
    expect(payloadsOf(some.taken)).to.deep.equal([{ total: 50 }]);
    expect(reserved.taken.map(({ type }) => type)).to.deep.equal(['$schedule.set']);
  });

  it('that are added to an old log get all of it, or begin where they are told', async () => {
    const store = memory();
    const first = await createBus({ store });
    for (const n of upTo(1_200)) first.emit('a', n);
    await first.close();
    const [all, late] = [new TestSink('all'), new TestSink('late')];
    const { bus } = await open({ store, sinks: [all, { sink: late, from: 1_199 }] });
    await turnsUntil(() => all.taken.length === 1_200 && late.taken.length === 2);
    bus.emit('a', 1_200);
    await bus.close();
    expect(payloadsOf(all.taken)).to.deep.equal(upTo(1_201));
    expect(payloadsOf(late.taken)).to.deep.equal([1_198, 1_199, 1_200]);
  });

  for (const [how, answer] of [
    ['fails', (): Promise<void> => Promise.reject(new Error('no network'))],
    [
      'throws at once',
      (): Promise<void> => {
        throw new Error('no network');
      },
    ],
    ['hangs', (): Promise<void> => outage.promise],
  ] as const) {
    it(`that ${how} while 10,000 events are emitted disturbs nobody, and gets everything afterwards, once`, async () => {
      outage = createGate();
      const taken: StoredEvent[] = [];
      let isDown = true;
      const take = (events: readonly StoredEvent[]): void => void taken.push(...events);
      const write = (events: readonly StoredEvent[]): Promise<void> =>
        isDown ? answer().then(() => take(events)) : Promise.resolve(take(events));
      const sink = { name: 'bare', open: () => Promise.resolve(), write, close: () => Promise.resolve() };
      const { bus, clock, failed, sinks } = await open({ sinks: [sink] });
      let heard = 0;
      bus.on('a', () => void heard++);
      for (const n of upTo(10_000)) {
        bus.emit('a', n);
        if (n % 1_000 === 0) await turn();
      }
      expect(heard).to.equal(10_000);
      await bus.flush();
      await bus.settled();
      const books = bus.metrics();
      expect([books.stored, books.waiting, books.unstored, books.refused]).to.deep.equal([10_000, 0, 0, 0]);
      await clock.advance(120_000);
      expect(failed.map(([type]) => type)).to.deep.equal(['$bus.sink.failed']);
      expect(sinks()[0]).to.deep.include({ status: 'failing', position: 0, written: 0 });
      expect(sinks()[0]!.lag.events).to.equal(10_000);
      expect(sinks()[0]!.lag.ms).to.be.at.least(120_000);
      expect(bus.health().notices[0]).to.include('sink bare is 10000 positions behind');
      isDown = false;
      outage.open();
      await passUntil(clock, () => sinks()[0]!.lag.events === 0);
      expect(bus.health().notices).to.deep.equal([]);
      expect(payloadsOf(taken)).to.deep.equal(upTo(10_000));
      expect(sinks()[0]!.written).to.equal(10_000);
      await bus.close();
    });
  }

  it('that do not open are tried again, and nobody waits for them', async () => {
    const sink = new TestSink();
    let tries = 0;
    sink.opening = () => {
      if (++tries < 4) throw new Error('no route');
    };
    const { bus, clock, failed } = await open({ sinks: [sink] });
    await bus.publish('a', 1);
    expect(sink.taken).to.have.length(0);
    await passUntil(clock, () => sink.taken.length === 1);
    expect(tries).to.equal(4);
    expect(failed).to.have.length(1);
    await bus.close();
  });

  it('have true figures while they do not open, and what they have not got is kept for them', async () => {
    const store = memory();
    const first = await open({ store, sinks: [new TestSink('old')] });
    for (const n of upTo(100)) first.bus.emit('a', n);
    await first.bus.close();
    const [old, added] = [new TestSink('old'), new TestSink('added')];
    old.opening = added.opening = () => Promise.reject(new Error('no route'));
    const retention = { rules: [{ match: 'a', keepCount: 0 }], firstSweepAtMost: 1 };
    const { bus, clock, sinks } = await open({ store, sinks: [old, added], retention, closeTimeout: 100 });
    await bus.publish('a', 100);
    await clock.advance(2_000);
    const [ofOld, ofAdded] = sinks();
    expect(ofOld).to.deep.include({ status: 'failing', position: 100, lag: { events: 1, ms: 2_000 } });
    expect(ofAdded).to.deep.include({ status: 'failing', position: 0 });
    expect(ofAdded!.lag.events).to.equal(101);
    expect(ofAdded!.lag.ms).to.be.at.least(2_000);
    const { floors } = (await bus.retention.preview()).heldBack;
    expect(floors.map(({ name }) => name)).to.include.members(['sink/added']);
    expect((await bus.retention.enforce()).removed.events).to.equal(0);
    await warningsOf(() => bus.close());
    await store.open();
    expect((await store.document('checkpoints', 'sink/old'))!.value).to.have.property('position', 100);
    expect((await store.document('checkpoints', 'sink/added'))!.value).to.have.property('position', 0);
  });

  it('that close their bus, which would wait for them, are told so at once; flush does not wait for them', async () => {
    const sink = new TestSink();
    const codes: unknown[] = [];
    const { bus } = await open({ sinks: [sink] });
    sink.answer = async ([event]) => {
      if (event!.type !== 'a') return;
      codes.push((await rejectionOf(bus.close())).code);
      bus.emit('b', 1);
      await bus.flush();
    };
    bus.emit('a', 1);
    await turnsUntil(() => sink.taken.length === 2);
    expect(codes).to.deep.equal(['WOULD_DEADLOCK']);
    const { events } = await bus.query({ type: 'b' });
    expect(events[0]).to.include({ correlationId: events[0]!.id });
    expect(events[0]).not.to.have.property('causationId');
    await bus.close();
  });

  it('may have the longest name whose checkpoint has room', async () => {
    const name = 'é'.repeat(125);
    const sink = new TestSink();
    const { bus, store } = await open({ sinks: [{ sink, name }] });
    await bus.publish('a', 1);
    await bus.close();
    await store.open();
    expect((await store.document('checkpoints', `sink/${name}`))!.value).to.have.property('position', 1);
  });

  it('go on behind their checkpoint, which is never ahead of what they took', async () => {
    const store = memory();
    const sink = new TestSink();
    let left = 2;
    sink.answer = (events) => {
      expect(events.length).to.be.at.most(500);
      if (left-- <= 0) throw new Error('gone');
    };
    const { bus, clock } = await open({ store, sinks: [{ sink, name: 'x' }], closeTimeout: 100 });
    for (const n of upTo(2_000)) bus.emit('a', n);
    await bus.flush();
    // It reads a slice of real time per turn, which no clock of a test hurries.
    await turnsUntil(() => left < 0);
    await clock.advance(5_000);
    const taken = sink.taken.length;
    expect(taken).to.be.greaterThan(0).and.lessThan(2_000);
    const warnings = await warningsOf(() => bus.close());
    expect(warnings.map(({ code }) => code)).to.deep.equal(['SINK_BEHIND']);
    await store.open();
    const { value } = (await store.document('checkpoints', 'sink/x'))!;
    expect(value).to.have.property('position', taken);
    sink.answer = () => undefined;
    const again = await open({ store, sinks: [{ sink, name: 'x' }] });
    await again.bus.close();
    expect(payloadsOf(sink.taken)).to.deep.equal(upTo(2_000));
  });

  it('that fail to close do not make closing fail: a warning says so', async () => {
    const sink = new TestSink();
    sink.close = () => Promise.reject(new Error('port busy'));
    const { bus } = await open({ sinks: [{ sink, name: 'x' }] });
    const warnings = await warningsOf(() => bus.close());
    expect(warnings.map(({ message }) => message)).to.deep.equal(['sink `x` did not close: port busy']);
  });

  it('that hang do not make closing fail', async () => {
    const sink = new TestSink();
    sink.answer = () => new Promise(() => undefined);
    const { bus, clock } = await open({ sinks: [sink], closeTimeout: 1_000 });
    bus.emit('a', 1);
    const warnings = await warningsOf(async () => {
      let closed = false;
      const report = bus.close().finally(() => (closed = true));
      await passUntil(clock, () => closed);
      expect(await report).to.deep.equal({ cut: 0, stillRunning: 0, unstored: 0 });
    });
    expect(warnings[0]!.message).to.include('sink `test` is 1 positions behind');
  });

  it('that use up their attempts are left alone until the next start', async () => {
    const sink = new TestSink();
    sink.answer = () => {
      throw new Error('never');
    };
    const { bus, clock, failed, sinks } = await open({ sinks: [{ sink, retry: 3 }] });
    bus.emit('a', 1);
    await clock.advance(60_000);
    expect(sinks()[0]).to.deep.include({ status: 'failed', failures: 3 });
    expect(failed).to.have.length(1);
    expect(bus.health().notices[0]).to.include('left alone');
    await warningsOf(() => bus.close());
  });

  it('of which one fails leave the others alone', async () => {
    const [good, bad] = [new TestSink('good'), new TestSink('bad')];
    bad.answer = () => Promise.reject(new Error('no'));
    const { bus } = await open({ sinks: [bad, good] });
    for (const n of upTo(100)) bus.emit('a', n);
    await bus.flush();
    await turnsUntil(() => good.taken.length === 100);
    await warningsOf(() => bus.close());
  });

  it('that are stores survive a store that fails before and after it wrote', async () => {
    const copy = new FlakyStore();
    copy.faults.push({ before: trouble() }, { after: trouble() }, undefined, {
      after: new TelltaleError('STORE_FAILED', 'eio'),
    });
    const { bus, clock, sinks } = await open({ sinks: [copy] });
    for (const n of upTo(100)) {
      bus.emit('a', n);
      await clock.advance(200);
    }
    await passUntil(clock, () => sinks()[0]!.lag.events === 0);
    await bus.close();
    await copy.open();
    expect(payloadsOf(await logged(copy))).to.deep.equal(upTo(100));
  });

  it('that refuse one event keep it as a dead letter and go on', async () => {
    const copy = memory({ maxEventBytes: 2_048 });
    const { bus, sinks } = await open({ sinks: [{ sink: copy, name: 'small' }] });
    await bus.publish('a', 1);
    await bus.publish('a', 'x'.repeat(4_000));
    await bus.publish('a', 3);
    await turnsUntil(() => sinks()[0]!.lag.events === 0);
    expect(sinks()[0]).to.deep.include({ status: 'running', refused: 1 });
    expect(payloadsOf(await logged(copy))).to.deep.equal([1, 3]);
    const [letter] = await bus.deadLetters.list();
    expect(letter).to.deep.include({ recipient: 'sink/small', position: 2 });
    expect(letter!.error.code).to.equal('PAYLOAD_TOO_LARGE');
    await bus.close();
  });

  it('hold retention back until they have got it, and are told what was removed all the same', async () => {
    const store = memory();
    const sink = new TestSink();
    sink.answer = () => Promise.reject(new Error('down'));
    const retention = { rules: [{ match: 'a', keepCount: 0 }], firstSweepAtMost: 1 };
    const { bus, clock } = await open({ store, sinks: [sink], retention, closeTimeout: 100 });
    await bus.publish('a', 1);
    await clock.advance(2_000);
    const plan = await bus.retention.preview();
    expect(plan.heldBack.floors).to.have.nested.property('[0].name', 'sink/test');
    expect((await bus.retention.enforce(plan)).removed.events).to.equal(0);
    await warningsOf(() => bus.close());
    await store.open();
    await store.remove([{ from: 1, to: 1 }], 'by hand');
    const again = await open({ store, sinks: [sink] });
    await turnsUntil(() => again.failed.length > 0);
    expect(again.failed).to.deep.equal([['$bus.sink.missed', { name: 'test', positions: 1, count: 1 }]]);
    await again.bus.close();
  });

  it('catch up after a restart, over real files', async () => {
    const folder = await mkdtemp(join(quickFolder(), 'telltale-sinks-'));
    const [log, copy] = [join(folder, 'log'), join(folder, 'copy')];
    const first = await createBus({ store: jsonFile(log) });
    for (const n of upTo(1_000)) first.emit('a', n);
    await first.close();
    for (let i = 0; i < 2; i++) {
      const bus = await createBus({ store: jsonFile(log), sinks: [jsonFile(copy)] });
      bus.emit('b', i);
      await bus.close();
    }
    const copied = jsonFile(copy);
    await copied.open();
    expect(payloadsOf(await logged(copied))).to.deep.equal([...upTo(1_000), 0, 1]);
    await copied.close();
    await rm(folder, { recursive: true });
  });

  it('are refused by name where the options make no sense', async () => {
    const store = memory();
    const sink = new TestSink();
    const wrong: unknown[] = [
      { sinks: [sink] },
      { store, sinks: sink },
      { store, sinks: [{}] },
      { store, sinks: [null] },
      { store, sinks: [{ sink: 5 }] },
      { store, sinks: [{ sink, colour: 'red' }] },
      { store, sinks: [{ sink, name: '' }] },
      { store, sinks: [sink, sink] },
      { store, sinks: [store] },
      { store, sinks: [{ sink, pattern: [] }] },
      { store, sinks: [{ sink, retry: -1 }] },
      { store, sinks: [{ sink, retry: 'x' }] },
      { store, sinks: [{ sink, retry: null }] },
      { store, sinks: [{ sink, name: 'é'.repeat(126) }] },
      { store, sinks: [jsonFile('/nowhere', { readOnly: true })] },
    ];
    for (const options of wrong) {
      const error = await rejectionOf(createBus(options as BusOptions));
      expect(error.code, JSON.stringify(error.message)).to.equal('INVALID_OPTION');
    }
    const codeOf = async (given: object): Promise<string> =>
      (await rejectionOf(createBus({ store, sinks: [{ sink, ...given }] }))).code;
    expect(await codeOf({ pattern: 'a..b' })).to.equal('INVALID_PATTERN');
    expect(await codeOf({ where: { 'payload.a': { $x: 1 } } })).to.equal('INVALID_FILTER');
    expect(await codeOf({ from: 'yesterday' })).to.equal('INVALID_PLACE');
  });

  it('are no consumers: nobody lists them as such, removes their checkpoint or takes their name', async () => {
    const { bus, clock } = await open({ sinks: [new TestSink('s2')] });
    await bus.publish('a', 1);
    const consumer = bus.consume('c', 'a', () => undefined);
    await consumer.caughtUp();
    await clock.advance(5_000);
    expect((await bus.consumers.list()).map(({ name }) => name)).to.deep.equal(['c']);
    const error = await rejectionOf(bus.consumers.remove('sink/s2'));
    expect(error).to.include({ code: 'INVALID_OPTION' });
    expect(error.message).to.match(/`sink\/s2` is a sink/);
    expect(() => bus.consume('sink/s2', 'a', () => undefined)).to.throw(TelltaleError, /does not begin with `sink\/`/);
    await bus.close();
  });
});
