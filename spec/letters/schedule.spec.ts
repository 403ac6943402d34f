import { expect } from 'chai';
import { createBus } from '../../lib/bus.ts';
import { createVirtualClock, type VirtualClock } from '../../lib/clock.ts';
import { memory } from '../../plugins/memory/index.ts';
import { turnsUntil } from '../support/turns.ts';
import { quietBus } from './quiet-bus.ts';

const nothing = (): void => undefined;

const SECOND = 1_000;
const MINUTE = 60 * SECOND;

// A round is several reads long: it needs some turns of the event loop behind the timer.
const minutes = async (clock: VirtualClock, count: number): Promise<void> => {
  for (let i = 0; i < count * 6; i++) {
    await clock.advance(10 * SECOND);
    for (let turns = 0; turns < 10; turns++) await clock.advance(0);
  }
};

describe('deadLetters.retry in the background', () => {
  it('tries a letter again when its time has come, with growing pauses, and closes it', async () => {
    const { bus, clock } = await quietBus({ deadLetters: { retry: { every: '1m' } } });
    const started = clock.now();
    const calls: number[] = [];
    bus.on('a', () => {
      calls.push(Math.floor((clock.now() - started) / MINUTE));
      if (calls.length < 4) throw new Error('no');
    });
    bus.emit('a', null);
    await minutes(clock, 20);
    // The first at once, then after one minute, two, and four.
    expect(calls).to.deep.equal([0, 1, 3, 7]);
    const [letter] = await bus.deadLetters.list({ state: 'closed' });
    expect(letter).to.include({ retries: 3 });
  });

  it('abandons a letter when its attempts are used up, and says why', async () => {
    const { bus, clock } = await quietBus({ deadLetters: { retry: { every: '1m', attempts: 2 } } });
    let calls = 0;
    bus.on('a', () => {
      throw new Error(`failure ${++calls}`);
    });
    bus.emit('a', null);
    await minutes(clock, 30);
    expect(calls).to.equal(3);
    expect(await bus.deadLetters.list()).to.deep.equal([]);
    const [letter] = await bus.deadLetters.list({ state: 'abandoned' });
    expect(letter!.history.map(({ what }) => what)).to.deep.equal(['retried', 'retried', 'abandoned']);
    expect(letter!.history.at(-1)).to.deep.include({ reason: 'failed in 2 retries' });
    expect(letter!.history.at(-1)!.error).to.include({ message: 'failure 3' });
  });

  it('leaves an abandoned letter to whoever asks for it', async () => {
    const { bus, clock } = await quietBus({ deadLetters: { retry: { every: '1m', attempts: 1 } } });
    let broken = true;
    bus.on('a', () => {
      if (broken) throw new Error('no');
    });
    bus.emit('a', null);
    await minutes(clock, 3);
    broken = false;
    await minutes(clock, 10);
    expect(await bus.deadLetters.list({ state: 'abandoned' })).to.have.length(1);
    expect(await bus.deadLetters.retry({ state: 'abandoned' })).to.include({ closed: 1 });
    expect(await bus.deadLetters.list({ state: 'closed' })).to.have.length(1);
  });

  it('waits for a subscription without counting that as an attempt', async () => {
    const { bus, clock } = await quietBus({ deadLetters: { retry: { every: '1m', attempts: 1 } } });
    const undo = bus.on('a', () => {
      throw new Error('no');
    });
    bus.emit('a', 7);
    undo();
    await minutes(clock, 5);
    expect((await bus.deadLetters.list())[0]).to.deep.include({ state: 'open', history: [] });
    const seen: unknown[] = [];
    bus.on('a', ({ payload }) => void seen.push(payload));
    await minutes(clock, 2);
    expect(seen).to.deep.equal([7]);
  });

  it('goes on after a restart where it was', async () => {
    const store = memory();
    const deadLetters = { retry: { every: '1m', attempts: 3 } } as const;
    const first = await quietBus({ store, deadLetters });
    first.bus.on('a', () => {
      throw new Error('no');
    });
    first.bus.emit('a', null);
    await minutes(first.clock, 4);
    await first.bus.close();
    const { bus, clock } = await quietBus({ store, deadLetters });
    await clock.advance(5 * MINUTE);
    const before = await bus.deadLetters.list();
    expect(before[0]).to.include({ retries: 2 });
    bus.on('a', () => {
      throw new Error('no');
    });
    await minutes(clock, 10);
    expect((await bus.deadLetters.list({ state: 'abandoned' }))[0]).to.include({ retries: 3 });
  });

  it('leaves alone what was refused, and what its filter leaves out', async () => {
    const given = [undefined, { 'payload.recipient': 'b' }];
    for (const where of given) {
      const { bus, clock } = await quietBus({ deadLetters: { retry: { every: '1m', ...(where && { where }) } } });
      bus.on('b', () => {
        throw new Error('no');
      });
      bus.emit('b', null);
      expect(() => bus.emit('a', NaN)).to.throw();
      await minutes(clock, 2);
      const letters = await bus.deadLetters.list();
      expect(letters.map(({ eventType, retries }) => [eventType, retries])).to.have.deep.members([
        ['a', 0],
        ['b', 1],
      ]);
    }
  });

  it('abandons at once what can never be delivered', async () => {
    const { bus, clock, store } = await quietBus({ deadLetters: { retry: true } });
    bus.on('a', () => {
      throw new Error('no');
    });
    bus.emit('a', null);
    await bus.flush();
    await store.remove([{ from: 1, to: 1 }], 'test');
    await minutes(clock, 2);
    const [letter] = await bus.deadLetters.list({ state: 'abandoned' });
    expect(letter!.history[0]!.reason).to.include('removed from the log');
  });

  it('goes on without a handler that does not end, gives it nothing more meanwhile, and notes how it ends', async () => {
    const { bus, clock } = await quietBus({ deadLetters: { retry: { every: '1m', concurrency: 1 } } });
    let mode: 'throws' | 'waits' = 'throws';
    const begun: unknown[] = [];
    let release = nothing;
    bus.on('a', async ({ payload }) => {
      if (mode === 'throws') throw new Error('no');
      begun.push(payload);
      await new Promise<void>((resolve) => (release = resolve));
    });
    const others: unknown[] = [];
    bus.on('b', ({ payload }) => {
      if (mode === 'throws') throw new Error('no');
      others.push(payload);
    });
    for (const [type, payload] of [
      ['a', 1],
      ['a', 2],
      ['b', 3],
      ['b', 4],
    ] as const)
      bus.emit(type, payload);
    await bus.settled();
    mode = 'waits';
    await minutes(clock, 10);
    expect({ begun, others }).to.deep.equal({ begun: [1], others: [3, 4] });
    expect(bus.metrics().subscriptions.find(({ pattern }) => pattern === 'a')).to.include({ queued: 0, running: 1 });
    release();
    await minutes(clock, 2);
    expect(begun).to.deep.equal([1, 2]);
    const closed = await bus.deadLetters.list({ state: 'closed' });
    expect(closed.filter(({ eventType }) => eventType === 'a')).to.have.length(1);
    release();
  });

  it('begins no round while one is under way', async () => {
    const deadLetters = { retry: { every: '1m', concurrency: 1 } } as const;
    const { bus, clock } = await quietBus({ deadLetters, closeTimeout: '1h' });
    let mode: 'throws' | 'waits' = 'throws';
    let running = 0;
    let release = nothing;
    bus.on('a', async () => {
      if (mode === 'throws') throw new Error('no');
      running++;
      await new Promise<void>((resolve) => (release = resolve));
      running--;
    });
    bus.emit('a', 1);
    bus.emit('a', 2);
    await bus.settled();
    mode = 'waits';
    await minutes(clock, 10);
    expect(running).to.equal(1);
    expect(bus.metrics().subscriptions.find(({ pattern }) => pattern === 'a')).to.include({ queued: 0 });
    release();
    await turnsUntil(() => running === 1);
    release();
  });

  it('tries again for subscriptions with a filter, and for those that read the log', async () => {
    const { bus, clock } = await quietBus({ deadLetters: { retry: { every: '1m' } } });
    const broken = new Set(['filtered', 'following']);
    const handled: string[] = [];
    const failOnce = (name: string) => (): void => {
      if (broken.delete(name)) throw new Error('no');
      handled.push(name);
    };
    bus.on('a', failOnce('filtered'), { where: { 'payload.n': 1 } });
    bus.on('a.*', failOnce('following'), { from: 'earliest' });
    bus.emit('a', { n: 1 });
    bus.emit('a.b', { n: 2 });
    await minutes(clock, 3);
    expect(handled.toSorted()).to.deep.equal(['filtered', 'following']);
    expect(await bus.deadLetters.list()).to.deep.equal([]);
  });

  it('spends no place of a round on letters nobody listens for', async () => {
    const { bus, clock } = await quietBus({ deadLetters: { retry: { every: '1m', limit: 1 } } });
    const undo = bus.on('a', () => {
      throw new Error('no');
    });
    let broken = true;
    bus.on('b', () => {
      if (broken) throw new Error('no');
    });
    bus.emit('a', null);
    bus.emit('b', null);
    undo();
    broken = false;
    await minutes(clock, 2);
    expect((await bus.deadLetters.list()).map(({ eventType }) => eventType)).to.deep.equal(['a']);
  });

  it('stops when the bus closes, and leaves no timer behind', async () => {
    const clock = createVirtualClock();
    let timers = 0;
    const after = (ms: number, fn: () => void): (() => void) => {
      timers++;
      const cancel = clock.after(ms, fn);
      return () => {
        timers--;
        cancel();
      };
    };
    const deadLetters = { retry: { every: '1m' } } as const;
    const bus = await createBus({ store: memory(), clock: { ...clock, after }, deadLetters });
    expect(timers).to.equal(1);
    await bus.close();
    expect(timers).to.equal(0);
  });
});
