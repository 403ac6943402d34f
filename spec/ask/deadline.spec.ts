import { expect } from 'chai';
import { createBus } from '../../lib/bus.ts';
import { createVirtualClock, type Clock } from '../../lib/clock.ts';
import type { TelltaleError } from '../../lib/errors.ts';
import { createTestBus } from '../../lib/testing.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate, turn } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

const never = (): Promise<never> => new Promise(() => undefined);
const stopsWith = (signal: AbortSignal, error: () => unknown): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(error())));

describe('the deadline of an ask', () => {
  refuseUnhandledRejections();

  it('is 5 s, or what was asked for', async () => {
    const { bus, clock } = await createTestBus();
    bus.answer('job', never);
    const outcomes: string[] = [];
    const watch = async (name: string, asked: Promise<unknown>): Promise<void> => {
      outcomes.push(`${name}: ${(await rejectionOf(asked)).message}`);
    };
    void watch('default', bus.ask('job', 1));
    void watch('short', bus.ask('job', 1, { timeout: '1s' }));
    await clock.advance(999);
    expect(outcomes).to.deep.equal([]);
    await clock.advance(1);
    expect(outcomes).to.deep.equal(['short: no answer within 1000 ms to `job`']);
    await clock.advance(3_999);
    expect(outcomes).to.have.length(1);
    await clock.advance(1);
    expect(outcomes).to.have.length(2);
    expect(bus.metrics().asks).to.deep.equal({ asked: 2, answered: 0, failed: 2, waiting: 0, late: 0 });
  });

  it('is told to the answerer, and aborts its signal when it has passed', async () => {
    const { bus, clock } = await createTestBus();
    const seen: unknown[] = [];
    bus.answer('job', async (_, context) => {
      seen.push(context.deadline! - clock.now());
      const { signal } = context;
      seen.push(signal === context.signal, signal.aborted);
      signal.addEventListener('abort', () => seen.push((signal.reason as TelltaleError).code));
      await never();
    });
    bus.on('plain', (_, { deadline }) => void seen.push(deadline));
    bus.emit('plain', 1);
    const asked = bus.ask('job', 1, { timeout: 300 });
    await clock.advance(300);
    expect((await rejectionOf(asked)).code).to.equal('TIMEOUT');
    expect(seen).to.deep.equal([undefined, 300, true, false, 'TIMEOUT']);
  });

  it('is handed on: a nested ask has the smaller rest', async () => {
    const { bus, clock } = await createTestBus();
    const rests: number[] = [];
    bus.answer('outer', async (_, { ask }) => {
      await new Promise<void>((resolve) => clock.after(400, resolve));
      return ask('inner', 1);
    });
    bus.answer('inner', async (_, { deadline, ask }) => {
      rests.push(deadline! - clock.now());
      return ask('innermost', 1, { timeout: 50 });
    });
    bus.answer('innermost', (_, { deadline }) => {
      rests.push(deadline! - clock.now());
      return never();
    });
    const asked = bus.ask('outer', 1, { timeout: 1_000 });
    const outcome = rejectionOf(asked);
    await clock.advance(440);
    expect(rests).to.deep.equal([600, 50]);
    await clock.advance(10);
    const { code, cause } = await outcome;
    expect(code).to.equal('ASK_FAILED');
    expect((cause as TelltaleError).cause).to.include({ code: 'TIMEOUT' });
  });

  it('says where the time of the question above was the shorter one', async () => {
    const { bus, clock } = await createTestBus();
    let inner: Promise<TelltaleError> | undefined;
    bus.answer('outer', (_, { ask }) => {
      inner = rejectionOf(ask('inner', 1));
      return never();
    });
    bus.answer('inner', never);
    const outer = rejectionOf(bus.ask('outer', 1, { timeout: 100 }));
    await clock.advance(100);
    expect((await outer).message).to.equal('no answer within 100 ms to `outer`');
    expect((await inner)?.message).to.equal(
      'no answer within what was left of the deadline of the question above to `inner`',
    );
  });

  it('is over for what an answerer asks after its asker has given up, and no matter once it has answered', async () => {
    const { bus, clock } = await createTestBus();
    const gate = createGate();
    const codes: string[] = [];
    bus.answer('inner', async () => {
      await new Promise<void>((resolve) => clock.after(500, resolve));
      return 'fine';
    });
    bus.answer('slow', async (_, { ask }) => {
      await gate.promise;
      codes.push((await rejectionOf(ask('inner', 1))).message);
    });
    bus.answer('quick', ({ payload }, { ask }) => {
      if (payload === 2) return 'quick';
      void gate.promise.then(async () => codes.push(String(await ask('inner', 1))));
      void gate.promise.then(async () => codes.push(String(await ask('quick', 2))));
      return 'quick';
    });
    void bus.ask('slow', 1, { timeout: 100 });
    void bus.ask('quick', 1, { timeout: 100 });
    await clock.advance(200);
    gate.open();
    await clock.advance(500);
    expect(codes.toSorted()).to.deep.equal(['fine', 'quick', 'the question above was given up before one to `inner`']);
  });

  it('counts and reports a late answer by name, and a late failure with its error', async () => {
    const { bus, clock } = await createTestBus();
    const gate = createGate();
    const reports: unknown[] = [];
    bus.on('$bus.ask.late', ({ payload }) => void reports.push(payload));
    bus.answer('good', async () => {
      await gate.promise;
      return 1;
    });
    bus.answer('bad', async () => {
      await gate.promise;
      throw new Error('broken');
    });
    void bus.ask('good', 1, { timeout: 10 });
    void bus.ask('bad', 1, { timeout: 10 });
    await clock.advance(10);
    gate.open();
    await turn();
    expect(bus.metrics().asks).to.deep.equal({ asked: 2, answered: 0, failed: 2, waiting: 0, late: 2 });
    expect(reports).to.have.length(2);
    expect(reports[0]).to.include({ address: 'good', type: 'good', count: 1 });
    expect(reports[0]).to.have.property('eventId').that.is.a('string');
    expect(reports[1]).to.have.nested.property('error.message', 'broken');
  });

  it('does not call it late where an answerer stops because it was told to', async () => {
    const { bus, clock } = await createTestBus();
    bus.answer('job', (_, { signal }) => stopsWith(signal, () => signal.reason));
    bus.answer('fetch', (_, { signal }) => {
      const abortError = Object.assign(new Error('stopped'), { name: 'AbortError' });
      return stopsWith(signal, () => abortError);
    });
    void bus.ask('job', 1, { timeout: 10 });
    void bus.ask('fetch', 1, { timeout: 10 });
    await clock.advance(10);
    await turn();
    expect(bus.metrics().asks).to.include({ failed: 2, late: 0 });
  });

  it('does not begin what nobody waits for any more', async () => {
    const { bus, clock } = await createTestBus();
    const gate = createGate();
    const begun: unknown[] = [];
    bus.answer(
      'job',
      async ({ payload }) => {
        begun.push(payload);
        await gate.promise;
      },
      { concurrency: 1 },
    );
    const first = bus.ask('job', 1);
    void bus.ask('job', 2, { timeout: 10 });
    const third = bus.ask('job', 3);
    await clock.advance(10);
    gate.open();
    await Promise.all([first, third]);
    expect(begun).to.deep.equal([1, 3]);
  });

  it('may be cut short by a signal, whose reason is the cause', async () => {
    const { bus } = await createTestBus();
    const controller = new AbortController();
    let inside: AbortSignal | undefined;
    bus.answer('job', (_, { signal }) => {
      inside = signal;
      return never();
    });
    const asked = bus.ask('job', 1, { signal: controller.signal });
    const reason = new Error('enough');
    controller.abort(reason);
    const error = await rejectionOf(asked);
    expect([error.code, error.cause]).to.deep.equal(['ABORTED', reason]);
    expect(inside?.aborted).to.equal(true);
    const late = await rejectionOf(bus.ask('job', 1, { signal: controller.signal }));
    expect([late.code, late.cause]).to.deep.equal(['ABORTED', reason]);
    expect(bus.metrics().asks).to.include({ asked: 2, failed: 2, waiting: 0 });
  });

  it('leaves no listener on the signal', async () => {
    const { bus } = await createTestBus();
    const { signal } = new AbortController();
    let listeners = 0;
    const add = signal.addEventListener.bind(signal);
    const remove = signal.removeEventListener.bind(signal);
    signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
    signal.removeEventListener = (...args: Parameters<typeof remove>) => (listeners--, remove(...args));
    bus.answer('job', () => 1);
    await bus.ask('job', 1, { signal });
    for await (const _ of bus.askStream('job', 1, { signal }));
    for await (const _ of bus.askEach('job', [1, 2], { signal }));
    expect(listeners).to.equal(0);
  });

  it('is a timer for all that wait, and none is left behind', async () => {
    let timers = 0;
    const clock = createVirtualClock();
    const wait: Clock['wait'] = (ms, fn) => {
      timers++;
      const cancel = clock.wait(ms, fn);
      return () => {
        timers--;
        cancel();
      };
    };
    const bus = await createBus({ clock: { ...clock, wait } });
    const gate = createGate();
    bus.answer('job', () => gate.promise, { concurrency: 1_000 });
    const asked = Array.from({ length: 1_000 }, (_, i) => bus.ask('job', i));
    expect(timers).to.equal(1);
    gate.open();
    await Promise.all(asked);
    await turn();
    expect(timers).to.equal(0);
  });
});

describe('an ask that comes back to itself', () => {
  refuseUnhandledRejections();

  it('is ASK_CYCLE at once: to oneself, and through others', async () => {
    const { bus } = await createTestBus();
    bus.answer('self', (_, { ask }) => ask('self', 1));
    bus.answer('a', () => bus.ask('b', 1));
    bus.answer('b', (_, { ask }) => ask('c', 1));
    bus.answer('c', () => bus.record('tool', {}, () => bus.ask('a', 1)));
    const own = (await rejectionOf(bus.ask('self', 1))).cause as TelltaleError;
    expect([own.code, own.message]).to.deep.equal([
      'ASK_CYCLE',
      'asked `self` while it is being answered: self → self would wait for itself',
    ]);
    let error: unknown = await rejectionOf(bus.ask('a', 1));
    for (let i = 0; i < 3; i++) error = (error as TelltaleError).cause;
    expect(error).to.include({ code: 'ASK_CYCLE' });
    expect((error as TelltaleError).message).to.contain('a → b → c → a');
    expect(bus.metrics().asks.waiting).to.equal(0);
  });

  it('is no cycle where an event lies between, or the same type is asked one after the other', async () => {
    const { bus } = await createTestBus();
    let asked = 0;
    bus.answer('leaf', () => 1);
    bus.answer('twice', async (_, { ask }) => Number(await ask('leaf', 1)) + Number(await ask('leaf', 1)));
    bus.answer('root', (_, { emit }) => void (asked++ === 0 && emit('go', 1)));
    bus.on('go', (_, { ask }) => ask('root', 1));
    expect(await bus.ask('twice', 1)).to.equal(2);
    await bus.ask('root', 1);
    await bus.settled();
    expect(asked).to.equal(2);
  });

  it('does not concern a subscription that only hears the request', async () => {
    const { bus } = await createTestBus();
    const heard: unknown[] = [];
    bus.answer('job', () => 'answer');
    bus.on('job', async ({ payload }, { ask, deadline }) => {
      if (payload === 1) heard.push(await ask('job', 2), deadline);
    });
    await bus.ask('job', 1);
    await bus.settled();
    expect(heard).to.deep.equal(['answer', undefined]);
  });
});
