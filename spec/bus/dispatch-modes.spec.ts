import { expect } from 'chai';
import fc from 'fast-check';
import { createTestBus } from '../../lib/testing.ts';
import { memory } from '../../plugins/memory/index.ts';
import { FlakyStore } from '../support/flaky-store.ts';
import { logged } from '../support/logged.ts';
import { stall } from '../support/stall.ts';
import { turn } from '../support/turn.ts';

describe('dispatch: immediate', () => {
  it('dispatches conditional publishes, batches and callers’ ids when they are stored, holding nobody back', async () => {
    const { bus, events } = await createTestBus();
    const conditional = bus.publish('conditional', null, { entity: 'x/1', expect: 'none' });
    const batch = bus.batch().add('batched', 1).add('batched', 2).commit();
    bus.emit('own-id', null, { id: 'mine' });
    bus.emit('plain', null);
    expect(events.map(({ type }) => type)).to.deep.equal(['plain']);
    await Promise.all([conditional, batch]);
    expect(events.map(({ type }) => type)).to.deep.equal(['plain', 'conditional', 'batched', 'batched', 'own-id']);
  });

  it('never dispatches a duplicate or what was refused', async () => {
    const { bus, events } = await createTestBus();
    await bus.publish('a', 1, { id: 'one' });
    await bus.publish('a', 1, { id: 'one' });
    await bus.publish('a', 2, { id: 'one' }).catch(() => undefined);
    await bus.publish('a', 3, { entity: 'x/1', expect: 7 }).catch(() => undefined);
    expect(events.map(({ payload }) => payload)).to.deep.equal([1]);
  });
});

describe('dispatch: committed', () => {
  it('delivers nothing before it is stored, then everything in position order', async () => {
    const store = new FlakyStore();
    const { bus, events } = await createTestBus({ store, dispatch: 'committed' });
    const open = stall(store);
    bus.emit('a', null);
    await bus.publish('never', null, { entity: 'x/1', expect: 3, signal: AbortSignal.abort() }).catch(() => undefined);
    const publish = bus.publish('b', null);
    await turn();
    expect(events).to.deep.equal([]);
    open();
    const receipt = await publish;
    expect(events.map(({ type }) => type)).to.deep.equal(['a', 'b']);
    expect(receipt.position).to.equal(2);
  });

  it('keeps the place of transient events behind what is still being stored', async () => {
    const { bus, events } = await createTestBus({ dispatch: 'committed' });
    bus.emit('a', null);
    bus.emit('token', 1, { transient: true });
    bus.emit('b', null);
    bus.emit('token', 2, { transient: true });
    await bus.settled();
    expect(events.map(({ type, payload }) => [type, payload])).to.deep.equal([
      ['a', null],
      ['token', 1],
      ['b', null],
      ['token', 2],
    ]);
  });

  it('takes 50,000 transient events behind one stored event (a chain of closures once overflowed the stack)', async () => {
    const { bus } = await createTestBus({ dispatch: 'committed' });
    let seen = 0;
    bus.on('token', () => void seen++);
    bus.emit('a', null);
    for (let i = 0; i < 50_000; i++) bus.emit('token', i, { transient: true });
    await bus.settled();
    expect(seen).to.equal(50_000);
  });

  it('gives handlers the position at once', async () => {
    const { bus } = await createTestBus({ dispatch: 'committed' });
    const positions: (number | undefined)[] = [];
    bus.on('a', (_, context) => void positions.push(context.position));
    bus.emit('a', null);
    await bus.settled();
    expect(positions).to.deep.equal([1]);
  });

  it('makes dispatch order and position order coincide, whatever is emitted how (property)', async () => {
    const step = fc.constantFrom('emit', 'publish', 'own-id', 'batch', 'conditional', 'nested', 'turn');
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const store = memory();
        const { bus, events } = await createTestBus({ store, dispatch: 'committed' });
        bus.on('nested', () => void bus.emit('child', null));
        for (const [i, how] of steps.entries()) {
          if (how === 'emit') bus.emit('emit', i);
          if (how === 'publish') void bus.publish('publish', i);
          if (how === 'own-id') bus.emit('own', i, { id: `own-${i}` });
          if (how === 'batch') void bus.batch().add('batch', i).add('batch', i).commit();
          if (how === 'conditional') void bus.publish('conditional', i, { entity: `x/${i}`, expect: 'none' });
          if (how === 'nested') bus.emit('nested', i);
          if (how === 'turn') await turn();
        }
        await bus.settled();
        await bus.flush();
        expect(events.map(({ id }) => id)).to.deep.equal((await logged(store)).map(({ id }) => id));
      }),
      { numRuns: 60 },
    );
  });
});
