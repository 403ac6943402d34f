import { expect } from 'chai';
import { createTestBus } from '../../lib/testing.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate, turn } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

describe('a bus that closes', () => {
  refuseUnhandledRejections();

  it('rejects what was asked from outside, and lets the answerer finish', async () => {
    const { bus } = await createTestBus();
    const gate = createGate();
    let finished = false;
    bus.answer('job', async () => {
      await gate.promise;
      finished = true;
    });
    const asked = rejectionOf(bus.ask('job', 1));
    const closed = bus.close();
    const error = await asked;
    expect([error.code, error.message]).to.deep.equal(['BUS_CLOSED', 'the bus was closed before `job` was answered']);
    expect(finished).to.equal(false);
    gate.open();
    expect(await closed).to.deep.equal({ cut: 0, stillRunning: 0, unstored: 0 });
    expect(finished).to.equal(true);
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
