import { expect } from 'chai';
import fc from 'fast-check';
import { createBus } from '../../lib/bus.ts';
import { createVirtualClock } from '../../lib/clock.ts';
import { createTestBus } from '../../lib/testing.ts';
import { createGate, turn, turnsUntil } from '../support/turns.ts';
import { codeOf } from '../support/code-of.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

describe('the order of delivery', () => {
  refuseUnhandledRejections();

  it('has delivered to every subscriber before `emit` returns on an idle bus', async () => {
    const { bus } = await createTestBus();
    const seen: string[] = [];
    for (const name of ['first', 'second', 'third']) bus.on('task.created', () => void seen.push(name));
    bus.emit('task.created', {});
    expect(seen).to.deep.equal(['first', 'second', 'third']);
  });

  it('delivers breadth-first: what a handler emits follows the current event to every subscriber', async () => {
    const { bus } = await createTestBus();
    const seen: string[] = [];
    bus.on('a', () => {
      bus.emit('b', 1);
      bus.emit('c', 1);
      seen.push('1:a');
    });
    bus.on('b', () => {
      bus.emit('d', 1);
      seen.push('1:b');
    });
    bus.on('**', ({ type }) => void seen.push(`2:${type}`));
    bus.emit('a', 1);
    expect(seen).to.deep.equal(['1:a', '2:a', '1:b', '2:b', '2:c', '2:d']);
  });

  it('shows every subscriber the same order, whatever handlers emit in between', async () => {
    const plan = fc.array(fc.array(fc.nat({ max: 3 }), { maxLength: 2 }), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(plan, fc.nat({ max: 3 }), async (children, hops) => {
        const { bus, events } = await createTestBus();
        const seen: string[][] = [[], [], []];
        for (const list of seen) bus.on('**', ({ id }) => void list.push(id));
        // Some emit at once, some in the middle of what others do.
        bus.on('**', (event, { emit }) => {
          const [depth, index] = event.payload as [number, number];
          const next = depth > 3 ? [] : (children[index % children.length] ?? []);
          const go = (): void => next.forEach((child) => emit('step', [depth + 1, child]));
          return index % 2 === 1 ? wait(hops).then(go) : go();
        });
        for (const index of children.keys()) bus.emit('step', [0, index]);
        await bus.settled();
        const dispatched = events.map(({ id }) => id);
        expect(seen).to.deep.equal([dispatched, dispatched, dispatched]);
      }),
      { numRuns: 40 },
    );
  });

  it('yields to the event loop after 256 events of a chain inside handlers', async () => {
    const bus = await createBus({ clock: createVirtualClock() });
    let delivered = 0;
    bus.on('step', () => {
      if (++delivered < 1_000) bus.emit('step', null);
    });
    bus.emit('step', null);
    // The one that was delivered at once, and 256 behind it.
    expect(delivered).to.equal(257);
    const others: number[] = [];
    for (let i = 0; i < 3; i++) {
      await turn();
      others.push(delivered);
    }
    expect(others).to.deep.equal([513, 769, 1_000]);
  });

  it('yields to the event loop when a chain inside handlers has taken 4 ms', async () => {
    const clock = createVirtualClock();
    let now = 0;
    const bus = await createBus({ clock: { ...clock, monotonic: () => now } });
    let delivered = 0;
    bus.on('step', () => {
      now += 1;
      if (++delivered < 20) bus.emit('step', null);
    });
    bus.emit('step', null);
    expect(delivered).to.equal(6);
    await turn();
    expect(delivered).to.equal(11);
  });

  it('keeps an event emitted while a chain has yielded behind what waits', async () => {
    const bus = await createBus({ clock: createVirtualClock() });
    const seen: unknown[] = [];
    bus.on('step', ({ payload }) => {
      seen.push(payload);
      if ((payload as number) < 400) bus.emit('step', (payload as number) + 1);
    });
    bus.emit('step', 1);
    bus.emit('step', 'late');
    expect(seen).to.have.length(257).and.not.include('late');
    await turnsUntil(() => seen.length === 401);
    expect(seen.indexOf('late')).to.equal(258);
  });

  it('lets a chain grow to 100,000 events without recursion', async () => {
    const bus = await createBus({ clock: createVirtualClock() });
    let delivered = 0;
    let last: string | undefined;
    bus.on('step', (event, { emit }) => {
      last = event.causationId;
      if (++delivered < 100_000) emit('step', null);
    });
    const first = bus.emit('step', null);
    await bus.settled();
    expect(delivered).to.equal(100_000);
    expect(last).to.be.a('string').and.not.equal(first.id);
  });

  it('reports a loop once, naming the cycle of types', async () => {
    const { bus, clock } = await createTestBus();
    const reports: unknown[] = [];
    bus.on('$bus.loop.suspected', ({ payload }) => void reports.push(payload));
    let left = 6_000;
    const hop = (to: string) => () => void (left-- > 0 && bus.emit(to, null));
    bus.on('ping', hop('pong'));
    bus.on('pong', hop('rest'));
    bus.on('rest', hop('ping'));
    for (const type of ['ping', 'pong', 'rest']) bus.emit(type, null);
    await clock.advance(2_000);
    await bus.settled();
    expect(left).to.be.lessThan(0);
    expect(reports).to.have.length(1);
    expect(reports[0]).to.deep.include({ cycle: ['ping', 'pong', 'rest'] });
  });

  it('says nothing of a long chain that takes its time', async () => {
    const { bus, clock } = await createTestBus();
    const reports: unknown[] = [];
    bus.on('$bus.loop.suspected', ({ payload }) => void reports.push(payload));
    let left = 3_000;
    bus.on('step', async (_, { emit }) => {
      if (left-- % 500 === 0) await new Promise<void>((resolve) => clock.after(1_001, resolve));
      if (left > 0) emit('step', null);
    });
    bus.emit('step', null);
    for (let i = 0; i < 10; i++) await clock.advance(1_001);
    expect(left).to.equal(0);
    expect(reports).to.deep.equal([]);
  });

  it('refuses what is deeper than `maxChain` with CAUSATION_TOO_DEEP', async () => {
    const { bus, ofType } = await createTestBus({ maxChain: 3 });
    const codes: string[] = [];
    bus.on('step', (_, { emit }) => {
      if (ofType('step').length < 3) emit('step', null);
      else codes.push(codeOf(() => emit('step', null)));
    });
    bus.emit('step', null);
    expect(ofType('step')).to.have.length(3);
    expect(codes).to.deep.equal(['CAUSATION_TOO_DEEP']);
  });
});

describe('subscribing during a dispatch', () => {
  refuseUnhandledRejections();

  it('shows a subscription added by a handler the next event that is dispatched', async () => {
    const { bus } = await createTestBus();
    const seen: string[] = [];
    bus.on('a', () => {
      bus.emit('b', null);
      if (seen.length === 0) bus.on('**', ({ type }) => void seen.push(type));
    });
    bus.emit('a', null);
    expect(seen).to.deep.equal(['b']);
  });

  it('does not call a subscription removed by a handler any more', async () => {
    const { bus } = await createTestBus();
    let called = 0;
    const undo: (() => void)[] = [];
    bus.on('a', () => undo[0]!());
    undo.push(bus.on('a', () => void called++));
    bus.emit('a', null);
    bus.emit('a', null);
    expect(called).to.equal(0);
  });

  it('counts what was queued for a removed subscription as cancelled and lets its handler finish', async () => {
    const { bus, clock } = await createTestBus();
    let handled = 0;
    let aborted = false;
    const gate = createGate();
    const undo = bus.on('a', async (_, { signal }) => {
      signal.addEventListener('abort', () => (aborted = true));
      await gate.promise;
      handled++;
    });
    for (let i = 0; i < 5; i++) bus.emit('a', null);
    const [figures] = bus.metrics().subscriptions.filter(({ pattern }) => pattern === 'a');
    expect(figures).to.deep.include({ routed: 5, running: 1, queued: 4 });
    undo();
    undo();
    expect(aborted).to.equal(true);
    const leaving = bus.metrics().subscriptions.find(({ pattern }) => pattern === 'a');
    expect(leaving).to.deep.include({ routed: 5, running: 1, queued: 0, cancelled: 4 });
    let settled = false;
    const settling = bus.settled().then(() => (settled = true));
    await clock.advance(0);
    expect(settled, 'a handler is still running').to.equal(false);
    gate.open();
    await settling;
    expect(handled).to.equal(1);
    expect(bus.metrics().subscriptions.map(({ pattern }) => pattern)).to.deep.equal(['**']);
    expect(bus.metrics().removed).to.deep.equal({
      subscriptions: 1,
      routed: 5,
      handled: 1,
      failed: 0,
      dropped: 0,
      cancelled: 4,
    });
  });

  it('forgets a synchronous subscription that removes itself, its books summed up', async () => {
    const { bus } = await createTestBus();
    for (let i = 0; i < 3; i++) {
      const undo = bus.on('a', () => {
        undo();
      });
      bus.emit('a', null);
    }
    expect(bus.metrics().subscriptions.map(({ pattern }) => pattern)).to.deep.equal(['**']);
    expect(bus.metrics().removed).to.deep.include({ subscriptions: 3, routed: 3, handled: 3, cancelled: 0 });
  });

  it('waits on closing for a handler whose subscription has been removed', async () => {
    const { bus, ofType } = await createTestBus();
    const undo = bus.on('a', async (_, { emit }) => {
      undo();
      await turn();
      emit('b', null);
    });
    bus.emit('a', null);
    await bus.close();
    expect(ofType('b')).to.have.length(1);
    expect(bus.metrics()).to.deep.include({ stored: 2, refused: 0 });
  });

  it('gives a member that joins a group during a dispatch the next event, not the current one', async () => {
    const { bus } = await createTestBus();
    const seen: unknown[] = [];
    const never = new Promise(() => undefined);
    bus.on('a', ({ payload }) => {
      if (payload === 2) bus.on('a', (event) => void seen.push(event.payload), { group: 'g' });
    });
    bus.on('a', async () => never, { group: 'g' });
    // The old member is busy, so that the new one has more credit from the moment it is there.
    for (const payload of [1, 2, 3]) bus.emit('a', payload);
    expect(seen).to.deep.equal([3]);
  });
});

async function wait(turns: number): Promise<void> {
  for (let i = 0; i < turns; i++) await Promise.resolve();
}
