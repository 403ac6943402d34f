import { expect } from 'chai';
import type { Bus } from '../../lib/api.ts';
import { createTestBus } from '../../lib/testing.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate, turn } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

const never = (): Promise<never> => new Promise(() => undefined);

/** Counts upwards; what happened to it is in `state`. */
function addCounter(bus: Bus, upTo = Infinity) {
  const state = { yielded: 0, ended: 'no', aborted: false };
  bus.answer('count', async function* (_, { signal }) {
    signal.addEventListener('abort', () => (state.aborted = true));
    try {
      while (state.yielded < upTo) yield ++state.yielded;
    } finally {
      state.ended = 'yes';
    }
  });
  return state;
}

async function collect<Value>(parts: AsyncIterable<Value>): Promise<Value[]> {
  const all: Value[] = [];
  for await (const part of parts) all.push(part);
  return all;
}

describe('askStream', () => {
  refuseUnhandledRejections();

  it('gives the parts in order, and ends', async () => {
    const { bus } = await createTestBus();
    addCounter(bus, 100);
    expect(await collect(bus.askStream('count', 1))).to.deep.equal(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(bus.metrics().asks).to.deep.equal({ asked: 1, answered: 1, failed: 0, waiting: 0, late: 0 });
  });

  it('takes any async iterable, also a promised one; a plain answer is one part', async () => {
    const { bus } = await createTestBus();
    const parts: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => {
        let n = 0;
        return { next: async () => (n < 2 ? { value: n++, done: false } : { value: undefined, done: true }) };
      },
    };
    bus.answer('iterable', () => parts);
    bus.answer('promised', async () => parts);
    bus.answer('plain', () => [1, 2]);
    bus.answer('empty', async function* () {});
    for (const type of ['iterable', 'promised']) expect(await collect(bus.askStream(type, 1))).to.deep.equal([0, 1]);
    expect(await collect(bus.askStream('plain', 1))).to.deep.equal([[1, 2]]);
    expect(await collect(bus.askStream('empty', 1))).to.deep.equal([]);
    expect(await bus.ask('empty', 1)).to.deep.equal([]);
  });

  it('tells what went wrong before the first part with the first part, and then has ended', async () => {
    const { bus } = await createTestBus();
    bus.answer('count', () => 1, { where: { payload: 1 } });
    for (const [type, payload, code] of [
      ['nobody', 1, 'ASK_NO_ANSWERER'],
      ['count', 2, 'ASK_NO_ANSWERER'],
      ['count', () => 1, 'PAYLOAD_NOT_PLAIN'],
    ] as const) {
      const parts = bus.askStream(type, payload);
      expect((await rejectionOf(parts.next())).code).to.equal(code);
      expect(await parts.next()).to.deep.equal({ value: undefined, done: true });
    }
    expect(bus.metrics().asks).to.include({ asked: 3, failed: 3, waiting: 0 });
  });

  it('gives what came before an error, then the error', async () => {
    const { bus } = await createTestBus();
    bus.answer('tokens', async function* () {
      yield 'a';
      yield 'b';
      throw new RangeError('out of tokens');
    });
    const got: unknown[] = [];
    const asked = (async () => {
      for await (const part of bus.askStream('tokens', 1)) got.push(part);
    })();
    const error = await rejectionOf(asked);
    expect(got).to.deep.equal(['a', 'b']);
    expect(error.code).to.equal('ASK_FAILED');
    expect(error.cause).to.be.instanceOf(RangeError);
  });

  it('refuses a part that is not plain data, and ends the answerer', async () => {
    const { bus } = await createTestBus();
    let ended = false;
    bus.answer('tokens', async function* () {
      try {
        yield 1;
        yield new Date();
      } finally {
        ended = true;
      }
    });
    const parts = bus.askStream('tokens', 1);
    await parts.next();
    expect((await rejectionOf(parts.next())).cause).to.include({ code: 'PAYLOAD_NOT_PLAIN' });
    expect(ended).to.equal(true);
  });

  it('lets the answerer run no more than 16 parts ahead', async () => {
    const { bus } = await createTestBus();
    const state = addCounter(bus);
    const parts = bus.askStream('count', 1);
    await turn();
    expect(state.yielded).to.equal(16);
    for (let i = 1; i <= 5; i++) expect(await parts.next()).to.deep.equal({ value: i, done: false });
    await turn();
    expect(state.yielded).to.equal(21);
    await parts.return!();
    expect(await parts.next()).to.deep.equal({ value: undefined, done: true });
  });

  it('ends the answerer where the loop is left: its signal is aborted and its `return` called', async () => {
    const { bus } = await createTestBus();
    const state = addCounter(bus);
    for await (const part of bus.askStream('count', 1)) if (part === 20) break;
    await turn();
    expect(state).to.include({ ended: 'yes', aborted: true });
    expect(state.yielded).to.be.at.most(38);
    expect(bus.metrics().asks).to.include({ failed: 1, waiting: 0, late: 0 });
    await bus.settled();
  });

  it('ends at once an iterable that waits for something that never comes', async () => {
    const { bus, clock } = await createTestBus();
    let returned = 0;
    bus.answer('feed', () => ({
      [Symbol.asyncIterator]: () => ({
        next: never,
        return: async () => {
          returned++;
          return { value: undefined, done: true };
        },
      }),
    }));
    const asked = rejectionOf(bus.askStream('feed', 1, { timeout: 100 }).next());
    await clock.advance(100);
    expect((await asked).code).to.equal('TIMEOUT');
    expect(returned).to.equal(1);
  });

  // It was lost: the question had been given up, and nobody awaited the end of its parts.
  it('reports as late what an iterable throws when it is told to end', async () => {
    const { bus, clock } = await createTestBus();
    const late: unknown[] = [];
    bus.on('$bus.ask.late', ({ payload }) => void late.push(payload));
    const failing = { next: never, return: () => Promise.reject(new Error('the file would not close')) };
    bus.answer('feed', () => ({ [Symbol.asyncIterator]: () => failing }));
    const asked = rejectionOf(bus.askStream('feed', 1, { timeout: 100 }).next());
    await clock.advance(100);
    expect((await asked).code).to.equal('TIMEOUT');
    expect(bus.metrics().asks.late).to.equal(1);
    expect(late).to.have.nested.property('[0].error.message', 'the file would not close');
  });

  it('has a timeout for the first part and for the time between two, while the reader waits', async () => {
    const { bus, clock } = await createTestBus();
    const gates = [createGate(), createGate(), createGate()];
    bus.answer('slow', async function* () {
      for (const [i, gate] of gates.entries()) {
        await gate.promise;
        yield i;
      }
    });
    const parts = bus.askStream('slow', 1, { timeout: 100 });
    let next = parts.next();
    for (const gate of gates.slice(0, 2)) {
      await clock.advance(90);
      gate.open();
      expect((await next).done).to.equal(false);
      next = parts.next();
    }
    const last = rejectionOf(next);
    await clock.advance(99);
    expect(bus.metrics().asks.waiting).to.equal(1);
    await clock.advance(1);
    expect((await last).code).to.equal('TIMEOUT');
    gates[2]!.open();
  });

  it('gives a slow reader all the time it takes', async () => {
    const { bus, clock } = await createTestBus();
    addCounter(bus, 40);
    const parts = bus.askStream('count', 1, { timeout: 100 });
    let count = 0;
    for (let part = await parts.next(); !part.done; part = await parts.next()) {
      count++;
      await clock.advance(1_000);
    }
    expect(count).to.equal(40);
  });

  it('ends one that is never read when its time is over', async () => {
    const { bus, clock } = await createTestBus();
    const state = addCounter(bus);
    const parts = bus.askStream('count', 1);
    await clock.advance(5_000);
    expect(state).to.include({ yielded: 16, ended: 'yes' });
    expect(bus.metrics().asks.waiting).to.equal(0);
    for (let i = 0; i < 16; i++) expect((await parts.next()).done).to.equal(false);
    expect((await rejectionOf(parts.next())).code).to.equal('TIMEOUT');
  });

  it('is never longer than the question above', async () => {
    const { bus, clock } = await createTestBus();
    const state = addCounter(bus);
    bus.answer('outer', async () => {
      const parts = bus.askStream('count', 1);
      await parts.next();
      await never();
    });
    const outer = rejectionOf(bus.ask('outer', 1, { timeout: 50 }));
    await clock.advance(50);
    expect((await outer).code).to.equal('TIMEOUT');
    await turn();
    expect(state.ended).to.equal('yes');
    expect(bus.metrics().asks.waiting).to.equal(0);
  });

  it('stops with its signal', async () => {
    const { bus } = await createTestBus();
    const state = addCounter(bus);
    const controller = new AbortController();
    const parts = bus.askStream('count', 1, { signal: controller.signal });
    await parts.next();
    await turn();
    controller.abort();
    for (let i = 0; i < 16; i++) await parts.next();
    expect((await rejectionOf(parts.next())).code).to.equal('ABORTED');
    await turn();
    expect(state.ended).to.equal('yes');
  });

  it('is collected by ask, up to 10,000 parts', async () => {
    const { bus } = await createTestBus();
    const state = addCounter(bus, 3);
    expect(await bus.ask('count', 1)).to.deep.equal([1, 2, 3]);
    expect(state.ended).to.equal('yes');
    const { bus: other } = await createTestBus();
    const endless = addCounter(other);
    const error = await rejectionOf(other.ask('count', 1));
    expect(error.code).to.equal('MAILBOX_FULL');
    expect(error.message).to.contain('askStream');
    await turn();
    expect(endless).to.include({ yielded: 10_001, ended: 'yes' });
  });

  it('gives parts to several that read at once, each once', async () => {
    const { bus } = await createTestBus();
    addCounter(bus, 3);
    const parts = bus.askStream('count', 1);
    const read = await Promise.all([1, 2, 3, 4].map(() => parts.next()));
    expect(read.map(({ value }) => value)).to.deep.equal([1, 2, 3, undefined]);
  });

  it('keeps the context of the request in the answerer, part after part', async () => {
    const { bus, ofType } = await createTestBus();
    bus.answer('tokens', async function* ({ payload }) {
      for (let i = 0; i < 3; i++) {
        await turn();
        bus.emit('token.made', payload);
        yield i;
      }
    });
    bus.on('go', async ({ payload }) => void (await collect(bus.askStream('tokens', payload))));
    const roots = [1, 2].map((n) => bus.emit('go', n));
    await bus.settled();
    for (const { payload, causationId } of ofType('token.made'))
      expect(causationId).to.equal(roots[Number(payload) - 1]!.id);
    expect(ofType('token.made')).to.have.length(6);
  });
});
