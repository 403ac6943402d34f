/* oxlint-disable unicorn/no-thenable -- thenables that misbehave are what is tried here */
import { expect } from 'chai';
import { runInNewContext } from 'node:vm';
import type { TelltaleEvent } from '../../lib/event/event.ts';
import { createTestBus } from '../../lib/testing.ts';
import { createGate, turn, warningsOf } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

type Report = { readonly pattern: string; readonly count: number; readonly error: { readonly message: string } };

/** Everything a handler can do wrong. None of it may end up unhandled. */
const failures: Readonly<Record<string, () => unknown>> = {
  'throws an Error': () => {
    throw new Error('boom');
  },
  'throws undefined': () => raise(undefined),
  'throws null': () => raise(null),
  'throws a symbol': () => raise(Symbol('boom')),
  'throws a BigInt': () => raise(1n),
  'throws a frozen object without prototype': () => raise(Object.freeze(Object.create(null))),
  'throws an Error whose getters throw': () =>
    raise(
      Object.defineProperties(new Error('x'), {
        message: { get: () => raise(new Error('message')) },
        stack: { get: () => raise(new Error('stack')) },
        name: { get: () => raise(new Error('name')) },
      }),
    ),
  'throws an Error whose message no payload may hold': () => raise(new Error('\0 and \ud800')),
  'throws an Error whose fields are no text': () =>
    raise(Object.assign(new Error('x'), { name: 1n, stack: () => undefined, code: Symbol('code') })),
  'throws a revoked proxy': () => raise(revoked()),
  rejects: async () => {
    throw new Error('boom');
  },
  'rejects with undefined': () => Promise.reject(undefined),
  'rejects with a revoked proxy': () => Promise.reject(revoked()),
  'rejects after a turn': () => turn().then(() => raise(new Error('boom'))),
  'answers a thenable that rejects': () => ({ then: (_: unknown, reject: (error: unknown) => void) => reject('no') }),
  'answers a thenable that throws': () => ({ then: () => raise(new Error('boom')) }),
  'answers a thenable that rejects twice and throws': () => ({
    then(resolve: (value: unknown) => void, reject: (error: unknown) => void) {
      reject(new Error('first'));
      reject(new Error('second'));
      resolve('third');
      raise(new Error('fourth'));
    },
  }),
  'answers an object whose `then` getter throws': () =>
    Object.defineProperty({}, 'then', { get: () => raise(new Error('boom')) }),
  'answers an object whose `then` getter throws the second time': () => {
    let reads = 0;
    return Object.defineProperty({}, 'then', { get: () => (reads++ === 0 ? () => undefined : raise(new Error('2'))) });
  },
  'answers a Promise of another realm that rejects': () =>
    runInNewContext('Promise.reject(new Error("from elsewhere"))') as unknown,
  'answers a Promise with a `then` of its own that throws': () =>
    Object.assign(Promise.reject(new Error('boom')), { then: () => raise(new Error('then')) }),
  'answers an instance of a subclass of Promise that rejects': () =>
    new (class Own<T> extends Promise<T> {})((_, no) => no(1)),
  'answers a function with a `then` that rejects': () =>
    Object.assign(() => undefined, { then: (_: unknown, reject: (error: unknown) => void) => reject('no') }),
};

describe('isolation of handlers', () => {
  refuseUnhandledRejections();

  for (const [what, fail] of Object.entries(failures)) {
    it(`counts, reports and keeps the event when a handler ${what}; nobody else notices`, async () => {
      const { bus } = await createTestBus();
      const reports: Report[] = [];
      const others: string[] = [];
      bus.on('$bus.handler.failed', ({ payload }) => void reports.push(payload as Report));
      bus.on('a', () => void others.push('before'));
      bus.on('a', fail, { where: { source: 'main' } });
      bus.on('a', () => void others.push('after'));
      bus.emit('a', null);
      expect(others).to.deep.equal(['before', 'after']);
      await bus.settled();
      await turn();
      expect(reports).to.have.length(1);
      expect(reports[0]).to.deep.include({ pattern: 'a', count: 1 });
      expect(reports[0]!.error.message).to.be.a('string');
      const failed = bus.metrics().subscriptions.filter((figures) => figures.failed > 0);
      expect(failed).to.have.length(1);
      expect(failed[0]).to.deep.include({ routed: 1, handled: 0, failed: 1, running: 0 });
      await bus.flush();
      const [letter] = await bus.deadLetters.list();
      expect(letter).to.deep.include({ reason: 'handler-failed', recipient: 'a', attempts: 1, position: 1 });
      bus.emit('a', null);
      expect(others).to.have.length(4);
    });
  }

  it('takes a handler whose thenable resolves twice, or throws after it has resolved, as handled once', async () => {
    const { bus } = await createTestBus();
    bus.on('a', () => ({
      then(resolve: (value: unknown) => void) {
        resolve(1);
        resolve(2);
        throw new Error('too late');
      },
    }));
    bus.emit('a', null);
    await bus.settled();
    expect(bus.metrics().subscriptions.at(-1)).to.deep.include({ handled: 1, failed: 0, running: 0 });
  });

  it('counts and reports a failed transient event, and writes it nowhere', async () => {
    const { bus } = await createTestBus();
    const reports: unknown[] = [];
    bus.on('$bus.handler.failed', ({ payload }) => void reports.push(payload));
    bus.on('a', () => raise(new Error('boom')));
    bus.emit('a', null, { transient: true });
    await bus.flush();
    expect(reports).to.have.length(1);
    expect(await bus.deadLetters.list()).to.deep.equal([]);
    expect(bus.metrics().stored).to.equal(0);
  });

  it('lets a handler that never settles hold up only itself', async () => {
    const { bus, ofType } = await createTestBus();
    bus.on('a', () => ({ then: () => undefined }));
    let other = 0;
    bus.on('a', () => void other++);
    for (let i = 0; i < 3; i++) bus.emit('a', null);
    await turn();
    expect(other).to.equal(3);
    expect(ofType('a')).to.have.length(3);
  });

  for (const [what, key] of Object.entries({
    throws: () => raise(new Error('boom')),
    'answers a BigInt': () => 1n,
    'answers a cycle': () => {
      const cycle: unknown[] = [];
      cycle.push(cycle);
      return cycle;
    },
    'answers an object whose toJSON throws': () => ({ toJSON: () => raise(new Error('boom')) }),
    rejects: async () => raise(new Error('boom')),
  }) as [string, (event: TelltaleEvent) => unknown][]) {
    for (const group of [undefined, 'pool']) {
      it(`fails the event when a key function ${what}${group ? ', in a group too' : ''}`, async () => {
        const { bus } = await createTestBus();
        const reports: unknown[] = [];
        bus.on('$bus.handler.failed', ({ payload }) => void reports.push(payload));
        const seen: unknown[] = [];
        bus.on('a', () => seen.push('called'), { key, ...(group && { group }) });
        bus.on('a', () => seen.push('other'));
        bus.emit('a', null);
        await turn();
        expect(seen).to.deep.equal(['other']);
        expect(reports).to.have.length(1);
        const [figures] = bus.metrics().subscriptions.filter(({ order }) => order === 'key');
        expect(figures).to.deep.include({ routed: 1, failed: 1, running: 0, queued: 0 });
        bus.emit('a', null);
        expect(seen).to.have.length(2);
      });
    }
  }

  it('never makes an unhandled rejection of what a handler publishes or waits for and does not await', async () => {
    const { bus } = await createTestBus();
    const failed: unknown[] = [];
    bus.on('$bus.publish.failed', ({ payload }) => void failed.push(payload));
    bus.on('a', (_, context) => {
      void context.publish('b', 1n);
      void bus.publish('b', new Map());
      void context.once('never');
      void bus.once('never');
    });
    bus.emit('a', null);
    await bus.settled();
    await bus.close();
    await turn();
    expect(failed).to.have.length(2);
  });
});

describe('reports of failed handlers', () => {
  refuseUnhandledRejections();

  it('are coalesced: one at once, then one a second with a count', async () => {
    const { bus, clock } = await createTestBus();
    const reports: Report[] = [];
    bus.on('$bus.handler.failed', ({ payload }) => void reports.push(payload as Report));
    bus.on('a', () => raise(new Error('boom')));
    for (let i = 0; i < 50; i++) bus.emit('a', i);
    expect(reports.map(({ count }) => count)).to.deep.equal([1]);
    await clock.advance(1_000);
    expect(reports.map(({ count }) => count)).to.deep.equal([1, 49]);
  });

  it('are one process warning per subscription where nobody listens', async () => {
    const { bus } = await createTestBus();
    const warnings = await warningsOf(async () => {
      bus.on('a', () => raise(new Error('first')));
      bus.on('a', async () => raise(new Error('second')));
      for (let i = 0; i < 5; i++) bus.emit('a', null);
      await bus.settled();
      await turn();
    });
    expect(warnings.map(({ message }) => /first|second/.exec(message)?.[0])).to.have.members(['first', 'second']);
    expect(warnings[0]).to.deep.include({ code: 'HANDLER_FAILED' });
  });

  it('are not made for failures while handling the bus’s own events, which are only counted', async () => {
    const { bus, clock } = await createTestBus();
    let heard = 0;
    const warnings = await warningsOf(async () => {
      bus.on('$bus.**', () => raise(new Error(`report ${++heard}`)));
      bus.on('$bus.handler.failed', async () => raise(new Error('too')));
      bus.on('a', () => raise(new Error('boom')));
      bus.emit('a', null);
      await clock.advance(3_000);
    });
    expect(heard).to.equal(1);
    expect(warnings).to.deep.equal([]);
    const failed = bus.metrics().subscriptions.map((figures) => figures.failed);
    expect(failed).to.deep.equal([0, 1, 1, 1]);
    await bus.flush();
    const letters = await bus.deadLetters.list();
    expect(letters.map(({ eventType }) => eventType)).to.deep.equal(['a']);
  });

  it('make no letters of letters when a handler of letters fails', async () => {
    const { bus } = await createTestBus();
    let heard = 0;
    bus.on('$bus.handler.failed', () => undefined);
    bus.on('$dead-letter.opened', () => raise(new Error(`letter ${++heard}`)));
    bus.on('a', () => raise(new Error('boom')));
    bus.emit('a', null);
    await bus.settled();
    await bus.flush();
    expect(heard).to.equal(1);
    expect(await bus.deadLetters.list()).to.have.length(1);
  });

  it('refuses to let users emit the bus’s own types', async () => {
    const { bus } = await createTestBus();
    expect(() => bus.emit('$bus.handler.failed', null))
      .to.throw()
      .with.property('code', 'RESERVED_TYPE');
  });
});

describe('retry', () => {
  refuseUnhandledRejections();

  it('tries again with backoff, telling the attempt, and keeps the event as a letter only at the end', async () => {
    const { bus, clock } = await createTestBus();
    const attempts: number[] = [];
    bus.on('$bus.handler.failed', () => undefined);
    bus.on(
      'a',
      (_, context) => {
        attempts.push(context.attempt);
        // What a handler writes to its context changes nothing.
        context = Object.assign(context, { attempt: 0 });
        throw new Error('boom');
      },
      { retry: { attempts: 3, delay: 100, factor: 3, jitter: 0 } },
    );
    bus.emit('a', null);
    await clock.advance(99);
    expect(attempts).to.deep.equal([1]);
    await clock.advance(1);
    expect(attempts).to.deep.equal([1, 2]);
    await clock.advance(299);
    expect(attempts).to.deep.equal([1, 2]);
    expect(await bus.deadLetters.list()).to.deep.equal([]);
    await clock.advance(1);
    expect(attempts).to.deep.equal([1, 2, 3]);
    await bus.flush();
    expect(await bus.deadLetters.list()).to.have.length(1);
  });

  it('holds its lane while it waits; other keys go on', async () => {
    const { bus, clock } = await createTestBus();
    const seen: string[] = [];
    bus.on(
      'a',
      ({ payload }, { attempt }) => {
        seen.push(`${String(payload)}${attempt}`);
        if (payload === 'x' && attempt === 1) throw new Error('boom');
      },
      { key: (event) => String(event.payload).toLowerCase(), retry: { attempts: 2, delay: 100, jitter: 0 } },
    );
    for (const payload of ['x', 'X', 'y']) bus.emit('a', payload);
    await clock.advance(0);
    expect(seen).to.deep.equal(['x1', 'y1']);
    await clock.advance(100);
    expect(seen).to.deep.equal(['x1', 'y1', 'x2', 'X1']);
  });

  it('ends at once when the subscription is removed; the event becomes a letter', async () => {
    const { bus, clock } = await createTestBus();
    let attempts = 0;
    bus.on('$bus.handler.failed', () => undefined);
    const undo = bus.on(
      'a',
      () => {
        attempts++;
        throw new Error('boom');
      },
      { retry: { attempts: 5, delay: '10s', jitter: 0 } },
    );
    bus.emit('a', null);
    await clock.advance(1);
    undo();
    await bus.settled();
    await clock.advance(60_000);
    expect(attempts).to.equal(1);
    await bus.flush();
    expect(await bus.deadLetters.list()).to.have.length(1);
  });

  it('keeps the cause over all attempts', async () => {
    const { bus, clock, ofType } = await createTestBus();
    bus.on(
      'a',
      async (_, { attempt }) => {
        await Promise.resolve();
        if (attempt < 3) throw new Error('boom');
        bus.emit('b', null);
      },
      { retry: { attempts: 3, delay: 10 } },
    );
    const { id } = bus.emit('a', null);
    await clock.advance(1_000);
    expect(ofType('b')[0]).to.deep.include({ causationId: id, correlationId: id });
  });
});

describe('a subscription’s signal', () => {
  refuseUnhandledRejections();

  it('is aborted when the subscription is removed', async () => {
    const { bus } = await createTestBus();
    const gate = createGate();
    const signals: AbortSignal[] = [];
    const undo = bus.on('a', async (_, { signal }) => {
      signals.push(signal);
      await gate.promise;
      signals.push(signal);
    });
    bus.emit('a', null);
    expect(signals[0]!.aborted).to.equal(false);
    undo();
    expect(signals[0]!.aborted).to.equal(true);
    gate.open();
    await turn();
    expect(signals).to.have.length(2);
  });
});

// What only hostile code does.
function raise(thrown: unknown): never {
  // oxlint-disable-next-line typescript/only-throw-error -- the point of it
  throw thrown;
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
