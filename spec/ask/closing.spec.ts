import { expect } from 'chai';
import { createTestBus } from '../../lib/testing.ts';
import { memory } from '../../plugins/memory/index.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate, turn } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

describe('a bus that closes', () => {
  refuseUnhandledRejections();

  it('answers what was asked from outside, as far as its answerers finish', async () => {
    const { bus } = await createTestBus();
    const gate = createGate();
    const receive = async (payload: unknown): Promise<unknown> => {
      await gate.promise;
      return payload;
    };
    bus.answer('job', ({ payload }) => receive(payload), { concurrency: 1 });
    const actor = bus.actor('worker', {
      initial: 0,
      receive: async (_state, { payload }, { answer }) => answer(await receive(payload)),
    });
    const asked = [1, 2, 3].flatMap((n) => [bus.ask('job', n), actor.ask('job', n)]);
    const closed = bus.close();
    expect((await rejectionOf(bus.ask('job', 4))).code).to.equal('BUS_CLOSED');
    gate.open();
    expect(await closed).to.deep.equal({ cut: 0, stillRunning: 0, unstored: 0 });
    expect(await Promise.all(asked)).to.deep.equal([1, 1, 2, 2, 3, 3]);
    expect(bus.metrics().asks).to.include({ answered: 6, waiting: 0 });
  });

  it('answers with facts that are stored', async () => {
    const { bus } = await createTestBus({ store: memory() });
    const counter = bus.actor('counter', {
      initial: 0,
      receive: (n, _, { answer }) => {
        answer(n + 1);
        return { type: 'counted' };
      },
      apply: (n) => n + 1,
    });
    const asked = Array.from({ length: 20 }, () => counter.ask('count', null));
    await turn();
    await bus.close();
    expect(await Promise.all(asked)).to.deep.equal(Array.from({ length: 20 }, (_, i) => i + 1));
  });

  it('rejects what was asked from outside and is not answered when the time to end is over', async () => {
    const { bus, clock } = await createTestBus({ closeTimeout: 100 });
    bus.answer('job', () => new Promise(() => undefined));
    const asked = rejectionOf(bus.ask('job', 1, { timeout: '1m' }));
    const closed = bus.close();
    await clock.advance(100);
    const error = await asked;
    expect([error.code, error.message]).to.deep.equal(['BUS_CLOSED', 'the bus was closed before `job` was answered']);
    expect(await closed).to.include({ stillRunning: 1 });
    expect(bus.metrics().asks).to.include({ asked: 1, failed: 1, waiting: 0 });
  });

  it('answers what its running handlers ask', async () => {
    const { bus } = await createTestBus();
    const gate = createGate();
    let answer: unknown;
    bus.answer('job', async ({ payload }) => {
      await turn();
      return payload;
    });
    bus.on('go', async (_, { ask }) => {
      await gate.promise;
      answer = await ask('job', 'inside');
    });
    bus.emit('go', 1);
    const closed = bus.close();
    gate.open();
    await closed;
    expect(answer).to.equal('inside');
    expect((await rejectionOf(bus.ask('job', 1))).code).to.equal('BUS_CLOSED');
  });

  it('ends every stream and leaves nothing behind, however it was used', async () => {
    const { bus } = await createTestBus();
    const ended: string[] = [];
    bus.answer('count', async function* () {
      try {
        for (let n = 0; ; n++) yield n;
      } finally {
        ended.push('count');
      }
    });
    const read = bus.askStream('count', 1);
    await read.next();
    const unread = bus.askStream('count', 1);
    await bus.close();
    expect(ended).to.deep.equal(['count', 'count']);
    for (const parts of [read, unread]) {
      const rest = (async () => {
        for await (const part of parts) expect(part).to.be.a('number');
      })();
      expect((await rejectionOf(rest)).code).to.equal('BUS_CLOSED');
    }
    expect(bus.metrics().asks.waiting).to.equal(0);
  });

  it('tells askers what it cuts when the time to end is over, and opens no letters for it', async () => {
    const { bus, clock } = await createTestBus({ closeTimeout: 100 });
    bus.answer('hang', () => new Promise(() => undefined), { concurrency: 1 });
    let outcome: Promise<unknown> | undefined;
    bus.on('go', (_, { ask }) => {
      outcome = Promise.all([ask('hang', 1), ask('hang', 2, { store: true })].map(rejectionOf));
      return outcome;
    });
    bus.emit('go', 1, { transient: true });
    const closed = bus.close();
    await clock.advance(100);
    expect(await closed).to.include({ cut: 1, stillRunning: 2 });
    expect(await outcome).to.have.deep.nested.property('[0].code', 'BUS_CLOSED');
    expect(await outcome).to.have.deep.nested.property('[1].code', 'BUS_CLOSED');
    expect(bus.metrics().asks.waiting).to.equal(0);
    expect(bus.metrics().deadLetters).to.equal(0);
  });

  it('is not held up by asking nothing, and refuses answerers afterwards', async () => {
    const { bus } = await createTestBus();
    await bus.close();
    expect(() => bus.answer('job', () => 1))
      .to.throw()
      .with.property('code', 'BUS_CLOSED');
  });
});
