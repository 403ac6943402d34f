import { expect } from 'chai';
import fc from 'fast-check';
import type { Metrics } from '../../lib/index.ts';
import { TelltaleError } from '../../lib/errors.ts';
import type { SubscriptionFigures } from '../../lib/router/subscription-figures.ts';
import { createTestBus, type TestBus } from '../../lib/testing.ts';
import { FlakyStore } from '../support/flaky-store.ts';
import { leastMs } from '../support/least-ms.ts';
import { turn } from '../support/turn.ts';

function mustBalance(metrics: Metrics<SubscriptionFigures>): void {
  const { offered, accepted, refused, stored, waiting, transient, unstored, subscriptions } = metrics;
  const books = { offered, accepted, refused, stored, waiting, transient, unstored };
  expect(offered, JSON.stringify(books)).to.equal(accepted + refused);
  expect(accepted, JSON.stringify(books)).to.equal(stored + waiting + transient + unstored);
  for (const value of Object.values(books)) expect(value).to.be.at.least(0);
  for (const one of subscriptions) {
    const { routed, handled, failed, running, queued, dropped, cancelled } = one;
    expect(routed, JSON.stringify(one)).to.equal(handled + failed + running + queued + dropped + cancelled);
  }
}

const faults: Readonly<Record<string, object | undefined>> = {
  fine: undefined,
  before: { before: new Error('busy') },
  after: { after: new Error('lost') },
  stop: { before: new TelltaleError('STORE_FAILED', 'fsync: EIO') },
};

/** Handlers of every kind, each of which looks at the books from inside. */
function subscribe({ bus, clock }: TestBus<Record<string, unknown>>): void {
  const look = (): void => mustBalance(bus.metrics());
  bus.on('$bus.**', look);
  bus.on('a', look);
  bus.on('a', () => {
    throw new Error('no');
  });
  bus.on('a', () => new Promise<void>((resolve) => void clock.after(50, resolve)), { mailbox: { max: 3 } });
  bus.on('a', () => new Promise<void>((resolve) => void clock.after(20, resolve)), {
    concurrency: 2,
    mailbox: { max: 2, overflow: 'drop-oldest' },
  });
  bus.on('chain', ({ payload }) => {
    look();
    if ((payload as number) > 0) bus.emit('chain', (payload as number) - 1);
  });
}

const actions: Readonly<Record<string, (bus: TestBus<Record<string, unknown>>['bus'], n: number) => unknown>> = {
  emit: (bus, n) => bus.emit('a', n),
  transient: (bus, n) => bus.emit('a', n, { transient: true }),
  own: (bus, n) => bus.emit('a', n % 3, { id: `own-${n % 5}` }),
  publish: (bus, n) => bus.publish('a', n),
  conditional: (bus, n) => bus.publish('a', n, { entity: `x/${n % 2}`, expect: n % 3 }),
  aborted: (bus, n) => {
    const abort = new AbortController();
    const publish = bus.publish('a', n, { signal: abort.signal });
    abort.abort();
    return publish;
  },
  refused: (bus) => bus.emit('a', new Date()),
  dropped: (bus) => bus.emit('quiet', null),
  unnamed: (bus) => bus.publish('not a type', null),
  batch: (bus, n) => bus.batch().add('a', n).add('chain', 2).commit(),
  discarded: (bus, n) => bus.batch().add('a', n).discard(),
  chain: (bus) => bus.emit('chain', 3),
  undo: (bus) => bus.on('a', () => new Promise(() => undefined))(),
};

describe('bus.metrics', () => {
  it('balances at every moment, whatever happens (property)', async function () {
    this.timeout(60_000);
    const step = fc.record({
      action: fc.constantFrom(...Object.keys(actions)),
      wait: fc.constantFrom('none', 'none', 'turn', 'time'),
    });
    const setup = fc.record({
      dispatch: fc.constantFrom<'immediate' | 'committed'>('immediate', 'committed'),
      onStoreFailure: fc.constantFrom<'refuse' | 'live'>('refuse', 'live'),
      faults: fc.array(fc.constantFrom(...Object.keys(faults)), { maxLength: 8 }),
      backlog: fc.integer({ min: 2, max: 20 }),
      stored: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(setup, fc.array(step, { maxLength: 40 }), async (given, steps) => {
        const store = new FlakyStore();
        store.faults.push(...given.faults.map((name) => faults[name]));
        const test = await createTestBus({
          ...(given.stored ? { store } : { store: undefined as never }),
          dispatch: given.stored ? given.dispatch : 'immediate',
          onStoreFailure: given.onStoreFailure,
          backlog: { events: given.backlog },
          ingress: { max: 5 },
          closeTimeout: 100,
          admit: [(event) => (event.type === 'quiet' ? null : event)],
        });
        const { bus, clock } = test;
        const failures: unknown[] = [];
        bus.on('$bus.handler.failed', ({ payload }) => {
          const { error } = payload as { error: { name: string; message: string } };
          if (error.name === 'AssertionError') failures.push(error.message);
        });
        subscribe(test);
        for (const [n, { action, wait }] of steps.entries()) {
          await new Promise<void>((resolve) => {
            try {
              const outcome = actions[action]!(bus, n);
              if (outcome instanceof Promise) outcome.catch(() => undefined);
            } catch (error) {
              if (!(error instanceof TelltaleError)) failures.push(error);
            }
            mustBalance(bus.metrics());
            resolve();
          });
          if (wait === 'turn') await turn();
          if (wait === 'time') await clock.advance(30);
          mustBalance(bus.metrics());
        }
        const closing = bus.close().catch(() => undefined);
        for (let i = 0; i < 20; i++) {
          await clock.advance(50);
          mustBalance(bus.metrics());
        }
        await closing;
        mustBalance(bus.metrics());
        expect(bus.metrics().waiting).to.equal(0);
        expect(failures).to.deep.equal([]);
      }),
      { numRuns: 150 },
    );
  });

  it('counts what was dispatched, and what nobody heard', async () => {
    const { bus } = await createTestBus({ store: undefined as never });
    bus.emit('a', null);
    expect(bus.metrics()).to.include({ dispatched: 1, unheard: 0 });
  });

  it('shows queue depths and drops by type of transient events', async () => {
    const { bus } = await createTestBus();
    bus.on('token', () => new Promise(() => undefined), { mailbox: { max: 1 } });
    for (let i = 0; i < 5; i++) bus.emit('token', i, { transient: true });
    const { subscriptions, transientDropped } = bus.metrics();
    expect(transientDropped).to.deep.equal({ token: 3 });
    expect(subscriptions.find(({ pattern }) => pattern === 'token')).to.include({ queued: 1, running: 1, dropped: 3 });
  });

  it('keeps sane histograms of dispatch, handling and storing', async () => {
    const { bus, clock } = await createTestBus();
    bus.on('a', () => new Promise<void>((resolve) => void clock.after(40, resolve)));
    bus.emit('a', null);
    await clock.advance(100);
    await bus.flush();
    const { dispatch, handle, store } = bus.metrics().latencies;
    expect(handle).to.deep.include({ count: 1, minMs: 40, maxMs: 40, meanMs: 40, p50Ms: 40, p99Ms: 40 });
    expect(dispatch.count).to.equal(1);
    expect(store.count).to.equal(1);
  });

  it('costs less than a millisecond with a thousand subscriptions', async () => {
    const { bus } = await createTestBus();
    for (let i = 0; i < 1_000; i++) bus.on(`a.b${i}`, () => undefined);
    for (let i = 0; i < 20; i++) bus.metrics();
    expect(leastMs(() => bus.metrics(), 10)).to.be.lessThan(10);
  });
});
