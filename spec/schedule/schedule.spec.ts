import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Bus } from '../../lib/api.ts';
import { createBus } from '../../lib/bus.ts';
import { createVirtualClock, type VirtualClock } from '../../lib/clock.ts';
import { TelltaleError } from '../../lib/errors.ts';
import { defineEvents, transient } from '../../lib/event/define-events.ts';
import type { TelltaleEvent } from '../../lib/event/event.ts';
import type { BusOptions } from '../../lib/options.ts';
import type { Store } from '../../lib/store/port.ts';
import { createTestBus } from '../../lib/testing.ts';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { memory } from '../../plugins/memory/index.ts';
import { z } from 'zod';
import { FlakyStore } from '../support/flaky-store.ts';
import { logged } from '../support/logged.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { turn } from '../support/turns.ts';

const MINUTE = 60_000;
const DAY = 86_400_000;

const unavailable = (): TelltaleError => new TelltaleError('STORE_UNAVAILABLE', 'no answer');
const typesOf = (events: readonly TelltaleEvent[]): string[] => events.map(({ type }) => type);

interface Opened {
  readonly bus: Bus;
  readonly clock: VirtualClock;
  readonly heard: readonly TelltaleEvent[];
}

async function openWith(kind: 'a store' | 'no store'): Promise<Opened> {
  const clock = createVirtualClock();
  const bus = await createBus({ clock, ...(kind === 'a store' && { store: memory() }) });
  const heard: TelltaleEvent[] = [];
  bus.on('**', (event) => void heard.push(event));
  return { bus, clock, heard };
}

const noA = (): null => null;

/** Real files answer when they please. */
async function advanceUntil(clock: VirtualClock, condition: () => boolean, ms = 0): Promise<void> {
  while (!condition()) await clock.advance(ms);
}

/** A bus on a store that others had before, and what it emits. */
async function reopened(store: Store, clock: VirtualClock, options: Partial<BusOptions> = {}) {
  const bus = await createBus({ ...options, store, clock });
  const heard: TelltaleEvent[] = [];
  bus.on('**', (event) => void heard.push(event));
  return { bus, heard };
}

describe('bus.schedule', () => {
  for (const kind of ['a store', 'no store'] as const) {
    describe(`on a bus with ${kind}`, () => {
      const open = openWith.bind(undefined, kind);

      it('emits once when the time has come, with what was said of it', async () => {
        const { bus, clock, heard } = await open();
        const start = clock.now();
        const about = { entity: 'order/1', correlationId: 'c', metadata: { userId: 'u' } };
        const scheduled = await bus.schedule('order.overdue', { order: 1 }, { after: '30m', ...about });
        expect(scheduled.at).to.equal(start + 30 * MINUTE);
        await clock.advance(30 * MINUTE - 1);
        expect(heard).to.deep.equal([]);
        await clock.advance(1);
        await clock.advance(DAY);
        expect(heard).to.have.length(1);
        expect(heard[0]).to.deep.include({
          id: scheduled.event.id,
          type: 'order.overdue',
          payload: { order: 1 },
          time: start + 30 * MINUTE,
          entity: 'order/1',
          correlationId: 'c',
        });
        expect(heard[0]!.metadata).to.deep.include({
          userId: 'u',
          $schedule: { key: scheduled.key, at: scheduled.at },
        });
        expect(await bus.schedules.list()).to.deep.equal([]);
        expect(await scheduled.cancel()).to.equal(false);
      });

      it('takes a time as number, Date or ISO string, and emits what lies in the past at once', async () => {
        const { bus, clock, heard } = await open();
        const at = clock.now() + MINUTE;
        await bus.schedule('c', null, { at });
        await bus.schedule('d', null, { at: new Date(at).toISOString() });
        await bus.schedule('b', null, { at: new Date(at - 1) });
        await bus.schedule('a', null, { at: 0 });
        expect(await bus.schedules.list()).to.have.length(4);
        await clock.advance(0);
        await turn();
        expect(typesOf(heard)).to.deep.equal(['a']);
        await clock.advance(MINUTE);
        expect(typesOf(heard)).to.deep.equal(['a', 'b', 'c', 'd']);
      });

      it('is cancelled by its key or its handle, once', async () => {
        const { bus, clock, heard } = await open();
        const first = await bus.schedule('a', null, { after: '1m', key: 'x' });
        await bus.schedule('b', null, { after: '1m', key: 'y' });
        expect(await first.cancel()).to.equal(true);
        expect(await first.cancel()).to.equal(false);
        expect(await bus.schedules.cancel('y')).to.equal(true);
        expect(await bus.schedules.cancel('y')).to.equal(false);
        expect(await bus.schedules.cancel('nobody')).to.equal(false);
        await clock.advance(DAY);
        expect(heard).to.deep.equal([]);
      });

      it('replaces what waits under the same key, earlier and later', async () => {
        const { bus, clock, heard } = await open();
        const first = await bus.schedule('late', null, { after: '10m', key: 'x' });
        await bus.schedule('early', null, { after: '1m', key: 'x' });
        expect((await bus.schedules.list()).map(({ type }) => type)).to.deep.equal(['early']);
        expect(await first.cancel()).to.equal(false);
        await bus.schedule('later', null, { after: '5m', key: 'x' });
        await clock.advance(DAY);
        expect(typesOf(heard)).to.deep.equal(['later']);
      });

      it('emits two thousand in the order of their times', async () => {
        const { bus, clock, heard } = await open();
        const times = Array.from({ length: 2_000 }, (_, i) => (i * 7_919) % 2_000);
        await Promise.all(times.map((ms) => bus.schedule('tick', ms, { after: MINUTE + ms })));
        await clock.advance(MINUTE - 1);
        expect(heard).to.have.length(0);
        await clock.advance(10_000);
        expect(heard.map(({ payload }) => payload)).to.deep.equal(times.toSorted((a, b) => a - b));
        expect(await bus.schedules.list()).to.deep.equal([]);
      });

      it('comes after months, past what one timer can count, and when the wall clock jumps', async () => {
        const { bus, clock, heard } = await open();
        await bus.schedule('months', null, { after: '90d' });
        await clock.advance(90 * DAY - 1);
        expect(heard).to.deep.equal([]);
        await clock.advance(1);
        expect(typesOf(heard)).to.deep.equal(['months']);
        const start = clock.now() - clock.monotonic();
        let jumpMs = 0;
        clock.now = () => start + clock.monotonic() + jumpMs;
        await bus.schedule('forward', null, { after: '10d' });
        jumpMs = 10 * DAY;
        // A 64th of the way.
        await clock.advance((10 * DAY) / 64);
        expect(typesOf(heard)).to.deep.equal(['months', 'forward']);
        await bus.schedule('back', null, { after: '10m' });
        jumpMs -= 5 * MINUTE;
        await clock.advance(10 * MINUTE);
        expect(heard).to.have.length(2);
        await clock.advance(5 * MINUTE);
        expect(typesOf(heard)).to.deep.equal(['months', 'forward', 'back']);
      });

      it('belongs to the chain of the handler that scheduled it', async () => {
        const { bus, clock, heard } = await open();
        bus.on('order.placed', () => bus.schedule('order.overdue', null, { after: '1m' }));
        const order = bus.emit('order.placed', null, { metadata: { conversationId: 'k' } });
        await clock.advance(MINUTE);
        expect(heard[1]).to.deep.include({ type: 'order.overdue', causationId: order.id, correlationId: order.id });
        expect(heard[1]!.metadata.conversationId).to.equal('k');
      });

      it('refuses what cannot be emitted, without a letter that could be tried again', async () => {
        const { bus } = await open();
        const codes: unknown[] = [];
        const wrong: [string, unknown, object][] = [
          ['no type', null, { after: 1 }],
          ['a', () => 1, { after: 1 }],
          ['a', null, {}],
          ['a', null, { after: 1, at: 2 }],
          ['a', null, { at: 'tomorrow' }],
          ['a', null, { at: Number.NaN }],
          ['a', null, { after: 'soon' }],
          ['a', null, { after: -1 }],
          ['a', null, { after: 1, key: '' }],
          ['a', null, { after: 1, key: 'x'.repeat(257) }],
          ['a', null, { after: 1, time: 5 }],
          ['a', null, { after: 1, colour: 'red' }],
          ['$a', null, { after: 1 }],
        ];
        for (const [type, payload, options] of wrong)
          codes.push((await rejectionOf(bus.schedule(type, payload, options))).code);
        codes.push((await rejectionOf(bus.schedule('a', null, undefined as never))).code);
        expect(codes).to.deep.equal([
          'INVALID_TYPE',
          'PAYLOAD_NOT_PLAIN',
          'INVALID_OPTION',
          'INVALID_OPTION',
          'INVALID_TIME',
          'INVALID_TIME',
          'INVALID_DURATION',
          'INVALID_DURATION',
          'INVALID_OPTION',
          'INVALID_OPTION',
          'INVALID_OPTION',
          'INVALID_OPTION',
          'RESERVED_TYPE',
          'INVALID_OPTION',
        ]);
        expect(await bus.deadLetters.list()).to.deep.equal([]);
        await bus.close();
        expect((await rejectionOf(bus.schedule('a', null, { after: 1 }))).code).to.equal('BUS_CLOSED');
      });

      it('emits nothing while the bus closes and after', async () => {
        const { bus, clock, heard } = await open();
        await bus.schedule('a', null, { after: 1 });
        await bus.close();
        await clock.advance(DAY);
        expect(heard).to.deep.equal([]);
      });

      it('takes an unawaited refusal without ending the process', async () => {
        const { bus } = await open();
        void bus.schedule('no type', null, { after: 1 });
        await turn();
        expect(bus.metrics().rejectedPublishes).to.equal(1);
      });
    });
  }

  it('survives a restart, from a real log; what is overdue comes in order of its time', async () => {
    const folder = await mkdtemp(join(quickFolder(), 'telltale-schedule-'));
    const clock = createVirtualClock();
    const first = await createBus({ store: jsonFile(folder), clock });
    await first.schedule('second', null, { after: '2m' });
    await first.schedule('first', { n: 1 }, { after: '1m', key: 'k' });
    await first.schedule('never', null, { after: '1m', key: 'gone' });
    await first.schedules.cancel('gone');
    await first.schedule('tomorrow', null, { after: '1d' });
    await first.close();
    await clock.advance(10 * MINUTE);
    const { bus, heard } = await reopened(jsonFile(folder), clock);
    await advanceUntil(clock, () => heard.length === 2);
    expect(typesOf(heard)).to.deep.equal(['first', 'second']);
    await bus.flush();
    expect((await bus.schedules.list()).map(({ type }) => type)).to.deep.equal(['tomorrow']);
    await bus.close();
    const again = await reopened(jsonFile(folder), clock);
    await clock.advance(2 * DAY);
    await advanceUntil(clock, () => again.heard.length === 1);
    expect(typesOf(again.heard)).to.deep.equal(['tomorrow']);
    await again.bus.close();
    await rm(folder, { recursive: true });
  });

  it('is emitted once wherever the store fails', async () => {
    for (const fault of ['before', 'after'] as const)
      for (let nth = 0; nth < 3; nth++) {
        const store = new FlakyStore();
        const clock = createVirtualClock();
        const { bus } = await reopened(store, clock);
        bus.on('$bus.**', () => undefined);
        await bus.schedule('a', nth, { after: '1m', key: 'x' });
        store.faults.push(...Array.from({ length: nth }, () => undefined), { [fault]: unavailable() });
        await clock.advance(MINUTE);
        await clock.advance(10 * MINUTE);
        await bus.close();
        const again = await reopened(store, clock);
        await clock.advance(DAY);
        const stored = (await logged(store)).map(({ type, payload }) => [type, payload]);
        expect(stored, `${fault} ${nth}`).to.deep.equal([['a', nth]]);
        expect(await again.bus.schedules.list()).to.deep.equal([]);
      }
  });

  it('is emitted once where the process dies behind the store call, and where it dies before', async () => {
    for (const fault of ['before', 'after'] as const) {
      const store = new FlakyStore();
      const clock = createVirtualClock();
      const { bus } = await reopened(store, clock, { closeTimeout: 1 });
      bus.on('$bus.**', () => undefined);
      await bus.schedule('a', null, { after: '1m' });
      store.faults.push({ [fault]: new TelltaleError('STORE_FAILED', 'gone') });
      await clock.advance(MINUTE);
      let closed = false;
      bus
        .close()
        .catch(() => undefined)
        .finally(() => (closed = true));
      await advanceUntil(clock, () => closed, 1);
      const again = await reopened(store, clock);
      await clock.advance(MINUTE);
      expect(typesOf(await logged(store)), fault).to.deep.equal(['a']);
      expect(typesOf(again.heard), fault).to.deep.equal(fault === 'before' ? ['a'] : []);
    }
  });

  it('waits for a store that takes nothing, and then goes on in order', async () => {
    const store = new FlakyStore();
    const clock = createVirtualClock();
    const { bus, heard } = await reopened(store, clock, { backlog: { events: 2 } });
    bus.on('$bus.**', () => undefined);
    for (const type of ['a', 'b', 'c', 'd']) await bus.schedule(type, null, { after: '1m' });
    store.faults.push(...Array.from({ length: 6 }, () => ({ before: unavailable() })));
    await clock.advance(30 * MINUTE);
    expect(typesOf(heard)).to.deep.equal(['a', 'b', 'c', 'd']);
    expect(typesOf(await logged(store))).to.deep.equal(['a', 'b', 'c', 'd']);
    const books = bus.metrics();
    expect(books.offered).to.equal(books.accepted + books.refused);
    expect(books.accepted).to.equal(books.stored + books.waiting + books.transient + books.unstored);
  });

  it('is emitted by one of two processes, and cancelled for both', async () => {
    const store = memory();
    const clock = createVirtualClock();
    const one = await reopened(store, clock);
    const two = await reopened(asOfAnother(store), clock);
    await one.bus.schedule('a', 1, { after: '1m' });
    await one.bus.schedule('b', 2, { after: '1m', key: 'x' });
    await turn();
    expect(await two.bus.schedules.list()).to.have.length(2);
    expect(await two.bus.schedules.cancel('x')).to.equal(true);
    await clock.advance(10 * MINUTE);
    expect(typesOf(await logged(store))).to.deep.equal(['a']);
    expect(typesOf([...one.heard, ...two.heard])).to.deep.equal(['a']);
  });

  it('is brought up to date where the schema has moved on, and stored as it is then', async () => {
    const clock = createVirtualClock();
    const store = memory();
    const before = await createBus({ store, clock, events: defineEvents({ a: z.object({ n: z.number() }) }) });
    await before.schedule('a', { n: 1 }, { after: '1m' });
    await before.close();
    const events = defineEvents({
      a: { version: 2, schema: z.object({ m: z.number() }), upcast: { 1: ({ n }: { n: number }) => ({ m: n }) } },
    } as never);
    const { bus, heard } = await reopened(store, clock, { events });
    await clock.advance(MINUTE);
    expect(heard[0]).to.deep.include({ schemaVersion: 2, payload: { m: 1 } });
    await bus.close();
  });

  it('does not emit an id of the caller’s again that was emitted before', async () => {
    const { bus, clock, ofType } = await createTestBus({ store: memory() });
    await bus.schedule('a', 1, { after: '1m', id: 'mine', key: 'x' });
    await bus.schedule('a', 1, { after: '2m', id: 'mine', key: 'x' });
    await clock.advance(3 * MINUTE);
    const again = await bus.schedule('a', 1, { after: '1m', id: 'mine', key: 'x' });
    expect([again.duplicate, await again.cancel(), await bus.schedules.list()]).to.deep.equal([true, false, []]);
    await clock.advance(DAY);
    expect(ofType('a')).to.have.length(1);
  });

  it('gives up what the store refuses for good, says so, and goes on', async () => {
    const { bus, clock, ofType } = await createTestBus({ store: memory() });
    const said: unknown[] = [];
    bus.on('$bus.schedule.refused', ({ payload }) => void said.push(payload));
    await bus.schedule('a', 'this', { id: 'mine', after: '1m', key: 'x' });
    await bus.publish('a', 'other', { id: 'mine' });
    await bus.schedule('b', null, { after: '1m' });
    await clock.advance(MINUTE);
    expect(ofType('b')).to.have.length(1);
    expect(said).to.have.nested.property('[0].error.code', 'EVENT_CONFLICT');
    expect(await bus.schedules.list()).to.deep.equal([]);
    expect((await bus.deadLetters.list()).map(({ reason }) => reason)).to.deep.equal(['not-stored']);
  });

  it('refuses a transient event where there is a log', async () => {
    const { bus } = await createTestBus({ events: defineEvents({ token: transient(z.number()) }) });
    expect((await rejectionOf(bus.schedule('token', 1, { after: 1 }))).message).to.include('`token` is transient');
  });

  it('tells the stage that dropped it', async () => {
    const { bus } = await createTestBus({
      admit: [noA],
    });
    const scheduled = await bus.schedule('a', null, { after: 1 });
    expect([scheduled.dropped, await scheduled.cancel(), await bus.schedules.list()]).to.deep.equal(['noA', false, []]);
  });

  it('is captured by a replay, which cancels nothing either', async () => {
    const store = memory();
    const { bus, clock } = await createTestBus({ store });
    await bus.schedule('kept', null, { after: '1d', key: 'k' });
    await bus.publish('order.placed', null);
    const codes: unknown[] = [];
    const result = await bus.replay({
      into: async () => {
        const scheduled = await bus.schedule('order.overdue', null, { after: '1m' });
        codes.push(await scheduled.cancel());
        codes.push((await rejectionOf(bus.schedules.cancel('k'))).code);
      },
    }).finished;
    expect(typesOf(result.emitted)).to.deep.equal(['order.overdue']);
    expect(codes).to.deep.equal([false, 'REPLAY_CAPTURES']);
    await clock.advance(MINUTE);
    expect(await bus.count({ type: 'order.overdue' })).to.equal(0);
    expect(await bus.schedules.list()).to.have.length(1);
  });

  it('keeps what an open schedule needs from retention, and lets go what is done', async () => {
    const store = memory();
    const { bus, clock } = await createTestBus({ store, retention: { firstSweepAtMost: 1 } });
    await bus.schedule('done', null, { after: '1m' });
    await bus.schedule('open', null, { after: '90d' });
    await clock.advance(40 * DAY);
    const plan = await bus.retention.preview();
    expect(plan.heldBack).to.have.nested.property('schedules.events', 1);
    await bus.retention.enforce(plan);
    expect(typesOf(await logged(store, true))).to.deep.equal(['$schedule.set', 'done']);
    await clock.advance(60 * DAY);
    expect(typesOf(await logged(store))).to.deep.equal(['done', 'open']);
  });

  it('is emitted although a store in memory has dropped what set it', async () => {
    const { bus, clock, ofType } = await createTestBus({ store: memory({ capacity: 100 }) });
    await bus.schedule('later', { n: 1 }, { after: '1m' });
    for (let i = 0; i < 300; i++) bus.emit('noise', i);
    await bus.flush();
    await clock.advance(MINUTE);
    expect(ofType('later').map(({ payload }) => payload)).to.deep.equal([{ n: 1 }]);
  });

  it('ends with what is cleared away on purpose', async () => {
    const { bus, clock, ofType } = await createTestBus({ store: memory() });
    await bus.schedule('later', null, { after: '1m' });
    await bus.retention.clear({ confirm: 'memory' });
    expect(await bus.schedules.list()).to.deep.equal([]);
    await clock.advance(DAY);
    expect(ofType('later')).to.deep.equal([]);
  });
});

/** One log as another process has it. */
function asOfAnother(store: Store): Store {
  const own: Partial<Store> = {
    supports: { ...store.supports, shared: true },
    open: async () => undefined,
    close: async () => undefined,
  };
  return new Proxy(store, {
    get: (target, name) => {
      if (name in own) return own[name as keyof Store];
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}
