import { expect } from 'chai';
import type { TelltaleError } from '../../lib/errors.ts';
import { createTestBus } from '../../lib/testing.ts';
import { memory } from '../../plugins/memory/index.ts';
import { logged } from '../support/logged.ts';
import { createGate, turn, turnsUntil } from '../support/turns.ts';

const fail = (): never => {
  throw new Error('no');
};

describe('an effect that nobody awaits', () => {
  it('is waited for by settled and close, emits as its handler does, and is stored', async () => {
    const store = memory();
    const { bus } = await createTestBus({ store });
    const gate = createGate();
    bus.on('a', (_, { effect }) => {
      void effect('x', async () => {
        await gate.promise;
        bus.emit('b', null);
        return 1;
      });
    });
    bus.emit('a', null);
    await turn();
    let isSettled = false;
    void bus.settled().then(() => (isSettled = true));
    const closed = bus.close();
    await turn();
    await turn();
    expect(isSettled).to.equal(false);
    gate.open();
    expect(await closed).to.include({ cut: 0, stillRunning: 0 });
    await store.open();
    expect((await logged(store, true)).map(({ type }) => type)).to.deep.equal(['a', 'b', '$effect.done']);
  });

  it('counts as still running where the bus can wait no longer', async () => {
    const { bus, clock } = await createTestBus({ store: memory(), closeTimeout: 100 });
    bus.on('a', (_, { effect }) => void effect('x', () => new Promise(() => undefined)));
    bus.on('b', (_, { effect }) => effect('x', () => new Promise(() => undefined)));
    bus.emit('a', null);
    bus.emit('b', null);
    await turn();
    const closed = bus.close();
    await clock.advance(10_000);
    expect(await closed).to.include({ stillRunning: 2 });
  });

  it('reports its failure once, which does not end the process', async () => {
    const { bus } = await createTestBus({ store: memory() });
    const said: unknown[] = [];
    bus.on('$bus.effect.failed', ({ payload }) => said.push(payload));
    bus.on('a', (_, { effect }) => void effect('x', () => Promise.reject(new Error('lost?'))));
    const { id } = bus.emit('a', null);
    await bus.settled();
    expect(said).to.have.length(1);
    expect(said[0]).to.deep.include({ recipient: 'on:a', name: 'x', eventId: id, eventType: 'a' });
    expect(said[0]).to.have.nested.property('error.message', 'lost?');
  });

  it('warns where nobody listens to the report', async () => {
    const { bus } = await createTestBus({ store: memory() });
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    bus.on('a', (_, { effect }) => void effect('x', () => Promise.reject(new Error('lost?'))));
    bus.emit('a', null);
    expect((await warned).message).to.match(/^effect `x`, which nobody awaits, failed: lost\?/);
  });

  it('is not what is awaited, returned or caught: that failure is the handler’s', async () => {
    const { bus } = await createTestBus({ store: memory() });
    const said: string[] = [];
    bus.on('$bus.*.failed', ({ type }) => said.push(type));
    bus.on('a', (_, { effect }) => effect('returned', fail));
    bus.on('a', async (_, { effect }) => {
      await effect('awaited', fail);
    });
    bus.on('a', (_, { effect }) => Promise.all([effect('one of several', fail), effect('another', () => 1)]));
    bus.on('a', (_, { effect }) => void effect('caught', fail).catch(() => undefined));
    bus.emit('a', null);
    await bus.settled();
    await turnsUntil(() => said.length > 0);
    expect(new Set(said)).to.deep.equal(new Set(['$bus.handler.failed']));
  });
});

describe('effects that wait for each other', () => {
  it('are refused at once', async () => {
    const { bus } = await createTestBus({ store: memory() });
    const codes: unknown[] = [];
    bus.on('a', async (_, { effect }) => {
      const inTurn = (first: string, second: string): Promise<unknown> =>
        effect(first, async () => {
          await turn();
          return effect(second, () => 1);
        });
      const outcomes = await Promise.allSettled([inTurn('x', 'y'), inTurn('y', 'z'), inTurn('z', 'x')]);
      for (const outcome of outcomes)
        codes.push(outcome.status === 'rejected' ? (outcome.reason as TelltaleError).code : 'fine');
    });
    bus.emit('a', null);
    await bus.settled();
    expect(codes).to.deep.equal(['WOULD_DEADLOCK', 'WOULD_DEADLOCK', 'WOULD_DEADLOCK']);
  });

  it('may share one that ends by itself', async () => {
    const { bus } = await createTestBus({ store: memory() });
    let answer: unknown;
    let runs = 0;
    bus.on('a', async (_, { effect }) => {
      const shared = (): Promise<number> => effect('shared', () => turn().then(() => ++runs));
      answer = await Promise.all([effect('x', shared), effect('y', shared), shared()]);
    });
    bus.emit('a', null);
    await bus.settled();
    expect(answer).to.deep.equal([1, 1, 1]);
  });
});
