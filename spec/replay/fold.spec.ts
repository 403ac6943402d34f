import { expect } from 'chai';
import { createBus, defineEvents, memory, type Place } from '../../lib/index.ts';
import { createTestBus } from '../../lib/testing.ts';
import { codeOf } from '../support/code-of.ts';
import { FlakyStore } from '../support/flaky-store.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate, turn } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';
import { z } from 'zod';

const sum = (total: number, { payload }: { readonly payload: unknown }): number => total + (payload as number);

const list = (into: number[], { payload }: { readonly payload: unknown }): number[] => {
  into.push(payload as number);
  return into;
};

const failing = (total: number, event: { readonly payload: unknown }): number => {
  if (event.payload === 4) throw new Error('boom');
  return sum(total, event);
};

/** Takes 50 µs. */
const busy = (total: number, event: { readonly payload: unknown }): number => {
  for (const end = performance.now() + 0.05; performance.now() < end;);
  return sum(total, event);
};

/** An account with a deposit every second, and another one. */
async function startAccount() {
  const test = await createTestBus();
  const start = test.clock.now();
  for (const amount of [1, 2, 4, 8]) {
    await test.bus.publish('deposit.made', amount, { entity: 'account/1', id: `id-${amount}` });
    await test.bus.publish('deposit.made', 1_000, { entity: 'account/2' });
    await test.clock.advance(1_000);
  }
  return { ...test, start };
}

describe('fold', () => {
  refuseUnhandledRejections();

  it('rebuilds a state from the events of an entity, of a filter, a pattern or a correlation', async () => {
    const { bus } = await startAccount();
    expect(await bus.fold(0, sum, { entity: 'account/1' })).to.equal(15);
    expect(await bus.fold(0, sum, { where: { payload: { $lt: 5 } } })).to.equal(7);
    expect(await bus.fold(0, sum, { pattern: 'withdrawal.*' })).to.equal(0);
    expect(await bus.fold(0, sum, { type: 'deposit.made', entity: 'account/2' })).to.equal(4_000);
    expect(await bus.fold(0, sum, { correlationId: 'id-4' })).to.equal(4);
    expect(await bus.fold(100, sum)).to.equal(4_115);
    await bus.close();
  });

  it('gives the past with `until`: a time is the event’s own, and inclusive like every place', async () => {
    const { bus, start } = await startAccount();
    const until = (place: Place) => bus.fold(0, sum, { entity: 'account/1', until: place });
    expect(await until(new Date(start + 2_000))).to.equal(7);
    expect(await until({ time: start + 1_999 })).to.equal(3);
    expect(await until({ ago: 2_500 })).to.equal(3);
    expect(await until(3)).to.equal(3);
    expect(await until({ eventId: 'id-4' })).to.equal(7);
    expect(await until('latest')).to.equal(15);
    expect(await bus.fold(0, sum, { entity: 'account/1', from: 3, until: 5 })).to.equal(6);
    await bus.close();
  });

  it('goes by the event’s own time, not by that of the store', async () => {
    const { bus, start } = await startAccount();
    await bus.publish('deposit.made', 16, { entity: 'account/1', time: start });
    expect(await bus.fold(0, sum, { entity: 'account/1', until: new Date(start + 1_000) })).to.equal(19);
    await bus.close();
  });

  it('sees what was emitted before it, also while that is being written', async () => {
    const store = new FlakyStore();
    const bus = await createBus({ store });
    const gate = createGate();
    store.gate = gate.promise;
    bus.emit('deposit.made', 16);
    const folded = bus.fold(0, sum);
    await turn();
    gate.open();
    expect(await folded).to.equal(16);
    await bus.close();
  });

  it('calls a function for the initial state, once a fold', async () => {
    const { bus } = await startAccount();
    for (let i = 0; i < 2; i++)
      expect(await bus.fold(() => [], list, { entity: 'account/1' })).to.deep.equal([1, 2, 4, 8]);
    await bus.close();
  });

  it('shows events in their current version, with position and revision', async () => {
    const store = memory();
    const old = await createBus({ store });
    await old.publish('user.made', { name: 'Ada' }, { entity: 'user/1' });
    await old.close();
    const bus = await createBus({
      store,
      events: defineEvents({
        'user.made': {
          version: 2,
          schema: z.object({ first: z.string() }),
          upcast: { 1: (payload) => ({ first: (payload as { name: string }).name }) },
        },
      }),
    });
    const seen = await bus.fold(
      [] as unknown[],
      (all, { payload, position, revision }) => [...all, payload, position, revision],
      {
        entity: 'user/1',
      },
    );
    expect(seen).to.deep.equal([{ first: 'Ada' }, 1, 1]);
    await bus.close();
  });

  it('tells where a reducer failed', async () => {
    const { bus } = await startAccount();
    const error = await rejectionOf(bus.fold(0, failing, { entity: 'account/1' }));
    expect(error).to.include({ code: 'HANDLER_FAILED' });
    expect(error.details).to.deep.equal({ position: 5, eventId: 'id-4', type: 'deposit.made' });
    expect((error.cause as Error).message).to.equal('boom');
    expect(error.message).to.contain('at position 5: boom');
    await bus.close();
  });

  it('refuses a reducer that answers with a Promise', async () => {
    const { bus } = await startAccount();
    const late = bus.fold<unknown>(0, async () => Promise.reject(new Error('unseen')));
    expect(await rejectionOf(late)).to.include({ code: 'INVALID_OPTION' });
    await bus.close();
  });

  it('refuses bad input', async () => {
    const { bus } = await startAccount();
    const refused = async (...given: unknown[]): Promise<unknown> =>
      (await rejectionOf((bus.fold as (...given: unknown[]) => Promise<unknown>)(...given))).code;
    expect(await refused(0, 'no function')).to.equal('INVALID_OPTION');
    expect(await refused(0, sum, 'options')).to.equal('INVALID_QUERY');
    expect(await refused(0, sum, { to: 3 })).to.equal('INVALID_QUERY');
    expect(await refused(0, sum, { until: 'never' })).to.equal('INVALID_PLACE');
    expect(await refused(0, sum, { until: { eventId: 'nobody' } })).to.equal('INVALID_PLACE');
    expect(await refused(0, sum, { from: 5, until: 3 })).to.equal('INVALID_QUERY');
    expect(await refused(0, sum, { pattern: 'a..b' })).to.equal('INVALID_PATTERN');
    expect(await refused(0, sum, { where: { payload: { $no: 1 } } })).to.equal('INVALID_FILTER');
    expect(await refused(0, sum, { signal: AbortSignal.abort() })).to.equal('ABORTED');
    const named = await rejectionOf(bus.fold(0, sum, { until: { eventId: 'nobody' } }));
    expect(named.message).to.contain('`until`');
    await bus.close();
    const bare = await createBus();
    expect(await rejectionOf(bare.fold(0, sum))).to.include({ code: 'STORE_REQUIRED' });
    await bare.close();
    expect(codeOf(() => bare.emit('a', 1))).to.equal('BUS_CLOSED');
  });

  it('lets the event loop turn while it works', async () => {
    const bus = await createBus({ store: memory() });
    for (let i = 0; i < 2_000; i++) bus.emit('a', i);
    await bus.flush();
    let turns = 0;
    let running = true;
    const count = (): void => {
      turns++;
      if (running) setImmediate(count);
    };
    setImmediate(count);
    expect(await bus.fold(0, busy)).to.equal((1_999 * 2_000) / 2);
    running = false;
    // 2,000 events of 50 µs are 100 ms; with a turn for every 6 ms or so.
    expect(turns).to.be.above(6);
    await bus.close();
  });
});
