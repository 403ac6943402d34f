import { expect } from 'chai';
import { map } from 'rxjs';
import { createVirtualClock } from '../../lib/clock.ts';
import { createBus, memory, type Bus } from '../../lib/index.ts';
import type { StoredEvent } from '../../lib/plugin.ts';
import { createTestBus } from '../../lib/testing.ts';
import { expectBalanced } from '../support/balance.ts';
import { codeOf } from '../support/code-of.ts';
import { FlakyStore } from '../support/flaky-store.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate, turn, turnsUntil, warningsOf } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** A bus whose log holds `count` events `a` with payloads from 1, a second apart. */
async function startWith(count: number, options: Parameters<typeof createTestBus>[0] = {}) {
  const test = await createTestBus(options);
  for (const payload of numbers(1, count)) {
    await test.bus.publish('a', payload, { entity: `n/${payload}`, id: `id-${payload}` });
    await test.clock.advance(1_000);
  }
  return test;
}

async function settled(bus: Bus): Promise<void> {
  await bus.flush();
  await bus.settled();
}

describe('on with from', () => {
  refuseUnhandledRejections();

  it('tells what is stored, then what comes, once and in order', async () => {
    const { bus } = await startWith(3);
    const seen: unknown[] = [];
    bus.on('a', ({ payload }, { position }) => void seen.push([payload, position]), { from: 'earliest' });
    for (const payload of [4, 5]) bus.emit('a', payload);
    await settled(bus);
    bus.emit('b', 'another type');
    bus.emit('a', 6);
    await settled(bus);
    expect(seen).to.deep.equal([...numbers(1, 5).map((n) => [n, n]), [6, 7]]);
    await bus.close();
  });

  it('begins at every kind of place, inclusive; times are those of the store', async () => {
    const { bus, clock } = await startWith(5);
    const start = clock.now() - 5_000;
    const seenFrom = async (from: NonNullable<Parameters<typeof bus.on>[2]>['from']): Promise<unknown> => {
      const seen: unknown[] = [];
      const undo = bus.on('a', ({ payload }) => void seen.push(payload), { from: from! });
      await settled(bus);
      undo();
      return seen;
    };
    expect(await seenFrom(4)).to.deep.equal([4, 5]);
    expect(await seenFrom({ position: 5 })).to.deep.equal([5]);
    expect(await seenFrom(9)).to.deep.equal([]);
    expect(await seenFrom('latest')).to.deep.equal([5]);
    expect(await seenFrom({ eventId: 'id-3' })).to.deep.equal([3, 4, 5]);
    expect(await seenFrom(new Date(start + 3_000))).to.deep.equal([4, 5]);
    expect(await seenFrom({ time: start + 2_999.5 })).to.deep.equal([4, 5]);
    expect(await seenFrom({ time: start - 1 })).to.deep.equal([1, 2, 3, 4, 5]);
    expect(await seenFrom({ ago: '2s' })).to.deep.equal([4, 5]);
    await bus.close();
  });

  it('waits for a time that is still to come', async () => {
    const { bus, clock } = await startWith(2);
    const seen: unknown[] = [];
    bus.on('a', ({ payload }) => void seen.push(payload), { from: { time: clock.now() + 1_500 } });
    await bus.publish('a', 3);
    await clock.advance(2_000);
    await bus.publish('a', 4);
    await settled(bus);
    expect(seen).to.deep.equal([4]);
    await bus.close();
  });

  it('is settled when it has handled what was emitted, and what came of that', async () => {
    const { bus } = await startWith(100);
    const seen: unknown[] = [];
    bus.on('a', ({ payload }) => void bus.emit('b', payload), { from: 1 });
    bus.on('b', async ({ payload }) => void seen.push(await payload), { from: 1 });
    bus.emit('a', 101);
    await bus.settled();
    expect(seen).to.deep.equal(numbers(1, 101));
    await bus.close();
  });

  it('never tells what is transient, and tells in `immediate` what is stored, not before', async () => {
    const store = new FlakyStore();
    const gate = createGate();
    const bus = await createBus({ store });
    const seen: unknown[] = [];
    bus.on('**', ({ payload }) => void seen.push(payload), { from: 'earliest' });
    await settled(bus);
    store.gate = gate.promise;
    bus.emit('a', 'never', { transient: true });
    bus.emit('a', 'stored');
    await turn();
    expect(seen).to.deep.equal([]);
    gate.open();
    await settled(bus);
    expect(seen).to.deep.equal(['stored']);
    await bus.close();
  });

  it('is the context of what its handlers emit', async () => {
    const { bus, ofType } = await startWith(1);
    bus.on(
      'a',
      async (_, context) => {
        await turn();
        bus.emit('from-bus', null);
        context.emit('from-context', null);
      },
      { from: 1 },
    );
    await settled(bus);
    for (const type of ['from-bus', 'from-context'])
      expect(ofType(type)[0]).to.include({ causationId: 'id-1', correlationId: 'id-1' });
    await bus.close();
  });

  it('finds a loop through the log: it is refused by `maxChain`, and reported without', async () => {
    const bounded = await createBus({ store: memory(), maxChain: 5 });
    let handled = 0;
    const again = async (_: unknown, context: { emit(type: string, payload: unknown): unknown }): Promise<void> => {
      if (++handled < 1_200) context.emit('a', null);
    };
    const warnings = await warningsOf(async () => {
      bounded.on('a', again, { from: 1 });
      await bounded.publish('a', null);
      await settled(bounded);
      await bounded.close();
    });
    expect(handled).to.equal(5);
    expect(warnings[0]!.message).to.contain('maxChain is 5');
    // Time stands still: however slow the machine, it is all within a second.
    const bus = await createBus({ store: memory(), clock: createVirtualClock() });
    const loops: unknown[] = [];
    bus.on('$bus.loop.suspected', ({ payload }) => void loops.push((payload as { cycle: unknown }).cycle));
    handled = 0;
    bus.on('a', again, { from: 1 });
    await bus.publish('a', null);
    await turnsUntil(() => handled === 1_200);
    expect(loops).to.deep.equal([['a']]);
    await bus.close();
  });

  it('does not inherit the context it was made in', async () => {
    const { bus, ofType } = await startWith(1);
    bus.withContext({ correlationId: 'other' }, () => bus.on('a', () => void bus.emit('b', null), { from: 1 }));
    await settled(bus);
    expect(ofType('b')[0]).to.include({ correlationId: 'id-1' });
    await bus.close();
  });

  it('filters by the payload as it is stored and tells it in its current version', async () => {
    const store = memory();
    const old = await createBus({ store });
    for (const name of ['Ada', 'Bob']) await old.publish('user.made', { name });
    await old.close();
    const bus = await createBus({ store });
    bus.schemas.register('user.made', 2, undefined, {
      upcast: (payload) => ({ first: (payload as { name: string }).name }),
    });
    const seen: unknown[] = [];
    bus.on('user.made', ({ payload, schemaVersion }) => void seen.push([payload, schemaVersion]), {
      from: 1,
      where: { 'payload.name': 'Bob' },
    });
    await settled(bus);
    expect(seen).to.deep.equal([[{ first: 'Bob' }, 2]]);
    await bus.close();
  });

  it('runs one handler at a time, and what it has no time for waits in the log', async () => {
    const { bus } = await startWith(5, { mailbox: { max: 1 } });
    const gates = numbers(1, 5).map(() => createGate());
    const seen: unknown[] = [];
    bus.on(
      'a',
      async ({ payload }) => {
        seen.push(payload);
        await gates[(payload as number) - 1]!.promise;
      },
      { from: 1 },
    );
    await turnsUntil(() => seen.length === 1);
    await turn();
    expect(bus.metrics().subscriptions.find(({ pattern }) => pattern === 'a')).to.deep.include({
      routed: 1,
      running: 1,
      queued: 0,
      order: 'position',
    });
    for (const gate of gates) gate.open();
    await settled(bus);
    expect(seen).to.deep.equal(numbers(1, 5));
    const figures = bus.metrics().subscriptions.find(({ pattern }) => pattern === 'a')!;
    expect(figures).to.deep.include({ routed: 5, handled: 5, dropped: 0 });
    expectBalanced(figures);
    await bus.close();
  });

  it('goes on with other keys while one is busy, within its mailbox', async () => {
    const { bus } = await startWith(0);
    for (const payload of ['slow', 'slow', 'quick', 'quick']) await bus.publish('a', payload);
    const gate = createGate();
    const seen: unknown[] = [];
    const handler = async ({ payload }: { readonly payload: unknown }): Promise<void> => {
      if (payload === 'slow') await gate.promise;
      seen.push(payload);
    };
    bus.on('a', handler, { from: 1, key: 'payload', mailbox: { max: 2 } });
    await turnsUntil(() => seen.length === 2);
    expect(seen).to.deep.equal(['quick', 'quick']);
    gate.open();
    await settled(bus);
    expect(seen).to.have.length(4);
    expectBalanced(bus.metrics().subscriptions.find(({ pattern }) => pattern === 'a')!);
    await bus.close();
  });

  it('holds its lane for retries, and a letter names the position of what fails for good', async () => {
    const { bus, clock } = await startWith(3);
    const seen: unknown[] = [];
    const warnings = await warningsOf(async () => {
      bus.on(
        'a',
        ({ payload }, { attempt }) => {
          seen.push([payload, attempt]);
          if (payload === 2) throw new Error('boom');
        },
        { from: 2, retry: { attempts: 2, delay: 100 } },
      );
      await turn();
      await clock.advance(1_000);
      await settled(bus);
    });
    expect(seen).to.deep.equal([
      [2, 1],
      [2, 2],
      [3, 1],
    ]);
    const [letter] = await bus.deadLetters.list();
    expect(letter).to.include({ reason: 'handler-failed', position: 2, recipient: 'a', attempts: 2 });
    expect(warnings).to.have.length(1);
    await bus.close();
  });

  it('ends by its undo, its signal and when the bus closes', async () => {
    const { bus } = await startWith(1);
    const seen: string[] = [];
    const aborting = new AbortController();
    const undo = bus.on('a', () => void seen.push('undone'), { from: 2 });
    bus.on('a', () => void seen.push('aborted'), { from: 2, signal: aborting.signal });
    bus.on('a', () => void seen.push('closed'), { from: 2 });
    await settled(bus);
    undo();
    aborting.abort();
    await bus.publish('a', 2);
    await settled(bus);
    expect(seen).to.deep.equal(['closed']);
    expect(bus.metrics().removed).to.include({ subscriptions: 2 });
    await bus.close();
  });

  it('lets the handlers that run finish when the bus closes', async () => {
    const { bus } = await startWith(3);
    const gate = createGate();
    const seen: unknown[] = [];
    bus.on(
      'a',
      async ({ payload }) => {
        await gate.promise;
        seen.push(payload);
      },
      { from: 1 },
    );
    await turnsUntil(() => bus.metrics().subscriptions.some(({ running }) => running === 1));
    const closing = bus.close();
    await turn();
    gate.open();
    expect(await closing).to.include({ cut: 0, stillRunning: 0 });
    expect(seen).to.deep.equal([1]);
  });

  it('survives a log that cannot be read for a while, and says so', async () => {
    const clock = createVirtualClock();
    const store = new UnreadableStore();
    const bus = await createBus({ store, clock });
    const said: unknown[] = [];
    bus.on('$bus.store.failed', ({ payload }) => void said.push((payload as { code: string }).code));
    for (const payload of [1, 2]) await bus.publish('a', payload);
    const seen: unknown[] = [];
    store.failures = 2;
    bus.on('a', ({ payload }) => void seen.push(payload), { from: 1 });
    await turn();
    expect(seen).to.deep.equal([]);
    await clock.advance(1_000);
    await settled(bus);
    expect(seen).to.deep.equal([1, 2]);
    expect(said[0]).to.equal('STORE_UNAVAILABLE');
    await bus.close();
  });

  it('reports what it cannot begin from or read, and ends', async () => {
    const { bus } = await startWith(1);
    const said: unknown[] = [];
    bus.on('$bus.stream.failed', ({ payload }) => void said.push((payload as { error: { code: string } }).error.code));
    bus.on('a', () => undefined, { from: { eventId: 'nobody' } });
    bus.on('a', () => undefined, { from: { checkpoint: 'nobody' } });
    await turnsUntil(() => said.length > 0);
    await settled(bus);
    expect(said[0]).to.equal('INVALID_PLACE');
    expect(bus.metrics().subscriptions.map(({ pattern }) => pattern)).not.to.include('a');
    await bus.close();
  });

  it('finds the event it begins at, although that is still being written', async () => {
    const store = new FlakyStore();
    const gate = createGate();
    const bus = await createBus({ store });
    store.gate = gate.promise;
    const { id } = bus.emit('a', 1);
    const seen: unknown[] = [];
    bus.on('a', ({ payload }) => void seen.push(payload), { from: { eventId: id } });
    await turn();
    gate.open();
    await settled(bus);
    expect(seen).to.deep.equal([1]);
    await bus.close();
  });

  it('misses nothing that is emitted after `latest`', async () => {
    const { bus } = await startWith(1);
    const seen: unknown[] = [];
    bus.on('a', ({ payload }) => void seen.push(payload), { from: 'latest' });
    for (const payload of [2, 3]) bus.emit('a', payload);
    await settled(bus);
    expect(seen).to.deep.equal([1, 2, 3]);
    await bus.close();
  });

  it('refuses what has no meaning with it', async () => {
    const { bus } = await startWith(0);
    const on = (options: object) => codeOf(() => bus.on('a', () => undefined, options));
    expect(on({ from: 'never' })).to.equal('INVALID_PLACE');
    expect(on({ from: -1 })).to.equal('INVALID_PLACE');
    expect(on({ from: { time: 'yesterday' } })).to.equal('INVALID_TIME');
    expect(on({ from: { ago: 'long' } })).to.equal('INVALID_DURATION');
    for (const more of [{ group: 'g' }, { mailbox: { overflow: 'wait' } }, { replay: 'only' }])
      expect(on({ from: 1, ...more }), JSON.stringify(more)).to.equal('INVALID_OPTION');
    expect(codeOf(() => bus.iterate('a', { from: 1, mailbox: { max: 1 } }))).to.equal('INVALID_OPTION');
    await bus.close();
  });

  it('needs a store', async () => {
    const bus = await createBus();
    expect(codeOf(() => bus.on('a', () => undefined, { from: 1 }))).to.equal('STORE_REQUIRED');
    expect(codeOf(() => bus.observe('a', { from: 1 }))).to.equal('STORE_REQUIRED');
    expect(codeOf(() => bus.iterate('a', { from: 1 }))).to.equal('STORE_REQUIRED');
    expect(await rejectionOf(bus.once('a', { from: 1 }))).to.include({ code: 'STORE_REQUIRED' });
    await bus.close();
  });
});

describe('once, observe and iterate with from', () => {
  refuseUnhandledRejections();

  it('once: the first event from there on, stored or to come', async () => {
    const { bus } = await startWith(3);
    expect((await bus.once('a', { from: 2 })).payload).to.equal(2);
    const next = bus.once('b', { from: 1 });
    bus.emit('b', 'came');
    expect((await next).payload).to.equal('came');
    expect(bus.metrics().subscriptions.filter(({ pattern }) => pattern !== '**')).to.deep.equal([]);
    await bus.close();
  });

  it('once: rejects where there is no such place, when its time is over and when the bus closes', async () => {
    const { bus, clock } = await startWith(1);
    // Of the last one, what is stored in between would be passed over without a word.
    for (const from of [{ eventId: 'nobody' }, 1_000])
      expect(await rejectionOf(bus.once('a', { from }))).to.include({ code: 'INVALID_PLACE' });
    expect(await rejectionOf(bus.once('a', { from: { nowhere: 1 } as never }))).to.include({ code: 'INVALID_PLACE' });
    const late = rejectionOf(bus.once('b', { from: 1, timeout: 100 }));
    await clock.advance(100);
    expect(await late).to.include({ code: 'TIMEOUT' });
    const never = rejectionOf(bus.once('b', { from: 1 }));
    await bus.close();
    expect(await never).to.include({ code: 'BUS_CLOSED' });
  });

  it('once of a handler’s context reads the log too', async () => {
    const { bus } = await startWith(1);
    const found: unknown[] = [];
    bus.on('b', async (_, { once }) => void found.push((await once('a', { from: 'earliest' })).payload));
    bus.emit('b', null);
    await settled(bus);
    expect(found).to.deep.equal([1]);
    await bus.close();
  });

  it('observe: each subscriber reads from there on by itself, and completes when the bus closes', async () => {
    const { bus } = await startWith(2);
    const seen: unknown[] = [];
    const source = bus.observe('a', { from: 1, where: { payload: { $gt: 1 } } }).pipe(map(({ payload }) => payload));
    source.subscribe({ next: (payload) => seen.push(payload), complete: () => seen.push('end') });
    await settled(bus);
    await bus.publish('a', 3);
    source.subscribe((payload) => void seen.push(`second ${String(payload)}`));
    await settled(bus);
    expect(seen).to.have.members([2, 3, 'second 2', 'second 3']);
    await bus.close();
    expect(seen.at(-1)).to.equal('end');
  });

  it('observe: hands an unknown place to the error callback', async () => {
    const { bus } = await startWith(1);
    const errors: unknown[] = [];
    bus
      .observe('a', { from: { eventId: 'nobody' } })
      .subscribe({ error: (error) => errors.push((error as { code: string }).code) });
    await turnsUntil(() => errors.length > 0);
    expect(errors).to.deep.equal(['INVALID_PLACE']);
    await bus.close();
  });

  it('iterate: reads as it is asked, misses nothing however slow, and ends with the bus', async () => {
    const { bus } = await startWith(2);
    const iterator = bus.iterate('a', { from: 1 });
    for (const payload of numbers(3, 2_500)) bus.emit('a', payload);
    await bus.flush();
    const seen: unknown[] = [];
    for await (const event of iterator) {
      seen.push(event.payload);
      if (seen.length === 1_000) for (const payload of numbers(2_501, 5_000)) bus.emit('a', payload);
      if (seen.length === 5_000) void bus.close();
    }
    expect(seen).to.deep.equal(numbers(1, 5_000));
  });

  it('iterate: ends by break, by its signal, and at once for a reader that waits', async () => {
    const { bus } = await startWith(2);
    for await (const { payload } of bus.iterate('a', { from: 1 })) {
      expect(payload).to.equal(1);
      break;
    }
    const aborting = new AbortController();
    const waiting = bus.iterate('a', { from: 3, signal: aborting.signal }).next();
    aborting.abort();
    expect(await waiting).to.deep.equal({ value: undefined, done: true });
    const iterator = bus.iterate('a', { from: 3 });
    const next = iterator.next();
    await iterator.return!();
    expect((await next).done).to.equal(true);
    await bus.close();
  });

  it('iterate: the first read rejects where there is no such place', async () => {
    const { bus } = await startWith(1);
    const iterator = bus.iterate('a', { from: { checkpoint: 'nobody' } });
    await turn();
    expect(await rejectionOf(iterator.next())).to.include({ code: 'INVALID_PLACE' });
    expect((await iterator.next()).done).to.equal(true);
    await bus.close();
  });

  it('gives the event with its place in the log', async () => {
    const { bus } = await startWith(1);
    const event = (await bus.once('a', { from: 1 })) as StoredEvent;
    expect(event).to.include({ position: 1, revision: 1 });
    await bus.close();
  });
});

// oxlint-disable eslint/no-underscore-dangle -- the fault lies in what a store brings
/** A store that cannot be read the next so many times. */
class UnreadableStore extends FlakyStore {
  failures = 0;

  protected override async _read(...asked: Parameters<FlakyStore['_read']>): ReturnType<FlakyStore['_read']> {
    if (this.failures-- > 0) throw new Error('not now');
    return super._read(...asked);
  }
}
