import { expect } from 'chai';
import { memory, type AnyEvents, type Bus, type StoredEvent } from '../../lib/index.ts';
import type { ConsumeTerms } from '../../lib/consuming-api.ts';
import { createTestBus } from '../../lib/testing.ts';
import { viewOfShared } from '../support/shared-views.ts';
import { createGate, turn, turnsUntil } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

interface Work {
  readonly k: string;
  readonly n: number;
}

const options = { key: 'payload.k', onFailure: 'skip-key', retry: false } as ConsumeTerms<AnyEvents, 'a', undefined>;

async function startWith(count: number, keyOf: (n: number) => string, given: Parameters<typeof createTestBus>[0] = {}) {
  const { bus, clock } = await createTestBus(given);
  for (const type of ['$bus.handler.failed', '$bus.consumer.**']) bus.on(type, () => undefined);
  const batch = bus.batch();
  for (let n = 1; n <= count; n++) batch.add('a', { k: keyOf(n), n });
  await batch.commit();
  return { bus, clock };
}

const oneBad = (n: number): string => (n === 1 ? 'bad' : `k${n % 50}`);

const workOf = ({ payload }: StoredEvent): Work => payload as Work;

/** A handler that fails for the first event while `isBad`. */
function failFirst() {
  const state = { isBad: true, calls: 0, seen: [] as number[] };
  const handler = (event: StoredEvent): void => {
    const { n } = workOf(event);
    if (n === 1) state.calls++;
    if (n === 1 && state.isBad) throw new Error('bad');
    state.seen.push(n);
  };
  return { state, handler };
}

const lettersOf = async (bus: Bus): Promise<number> => (await bus.deadLetters.list()).length;
const noticesOf = (bus: Bus): string => bus.health().notices.join('\n');

describe("a consumer with `onFailure: 'skip-key'`", () => {
  refuseUnhandledRejections();

  it('works on past one bad key, however many events of others there are', async () => {
    const { bus } = await startWith(4_000, oneBad);
    let handled = 0;
    const handler = async (event: StoredEvent): Promise<void> => {
      if (workOf(event).k === 'bad') throw new Error('bad');
      await turn();
      handled++;
    };
    const consumer = bus.consume('c', 'a', handler, options);
    const end = (): boolean => handled === 3_999 || consumer.status === 'paused';
    while (!end()) await turn();
    await bus.settled();
    expect([consumer.status, handled, consumer.position]).to.deep.equal(['running', 3_999, 0]);
    expect(noticesOf(bus)).to.contain('1 key waits behind the event at position 1');
    await bus.close();
  });

  it('pauses where all that it has room for waits behind the bad key, says so, and goes on when its letter is discarded', async () => {
    const { bus } = await startWith(1_500, () => 'bad');
    const { state, handler } = failFirst();
    const consumer = bus.consume('c', 'a', handler, options);
    await turnsUntil(() => consumer.status === 'paused');
    expect(String(consumer.error)).to.contain('all 1,000 events').and.contain('1 key waits');
    expect(noticesOf(bus)).to.contain('paused');
    consumer.resume();
    await turnsUntil(() => consumer.status === 'paused');
    expect(await bus.deadLetters.discard({})).to.include({ discarded: 1 });
    await turnsUntil(() => consumer.status === 'running');
    await consumer.caughtUp();
    expect([state.seen.length, state.seen[0]]).to.deep.equal([1_499, 2]);
    await bus.close();
  });

  it('frees the key when its letter is discarded, and when it is closed', async () => {
    for (const how of ['discard', 'retry'] as const) {
      const { bus } = await startWith(6, (n) => `k${n % 2}`);
      const { state, handler } = failFirst();
      const consumer = bus.consume('c', 'a', handler, options);
      await bus.settled();
      expect([state.seen, await lettersOf(bus)]).to.deep.equal([[2, 4, 6], 1]);
      state.isBad = false;
      await bus.deadLetters[how]({ recipient: 'consumer:c' });
      await turnsUntil(() => consumer.position >= 6);
      expect(state.seen).to.deep.equal(how === 'discard' ? [2, 4, 6, 3, 5] : [2, 4, 6, 1, 3, 5]);
      const { taken, handled, skipped } = bus.metrics().consumers[0]!;
      expect([taken, handled, skipped]).to.deep.equal(how === 'discard' ? [6, 5, 1] : [6, 6, 0]);
      expect([noticesOf(bus), await lettersOf(bus)]).to.deep.equal(['', 0]);
      await bus.close();
    }
  });

  it('opens no second letter when it is tried again, nor after a restart', async () => {
    const store = memory();
    await store.open();
    const view = () => viewOfShared(store, { shared: false });
    const { state, handler } = failFirst();
    const { bus } = await startWith(3, (n) => `k${n % 2}`, { store: view() });
    const consumer = bus.consume('c', 'a', handler, options);
    await bus.settled();
    consumer.resume();
    await bus.settled();
    expect([state.calls, await lettersOf(bus)]).to.deep.equal([2, 1]);
    await consumer.stop();
    bus.consume('c', 'a', handler, options);
    await bus.settled();
    expect([state.calls, await lettersOf(bus)]).to.deep.equal([3, 1]);
    await bus.close();
    const { bus: next } = await createTestBus({ store: view() });
    next.on('$bus.handler.failed', () => undefined);
    const again = next.consume('c', 'a', handler, options);
    await next.settled();
    expect([state.calls, await lettersOf(next)]).to.deep.equal([4, 1]);
    await next.deadLetters.discard({});
    await turnsUntil(() => again.position >= 3);
    expect(state.seen.filter((n) => n === 3)).to.deep.equal([3]);
    await next.close();
  });

  it('says how far beyond it has come, behind an event that failed and behind one that is slow', async () => {
    const { bus } = await startWith(10_100, oneBad);
    const failing = bus.consume('failing', 'a', failFirst().handler, options);
    const gate = createGate();
    const slow = bus.consume('slow', 'a', (event) => (workOf(event).k === 'bad' ? gate.promise : undefined), options);
    while (failing.status !== 'paused' || !noticesOf(bus).includes('consumer slow')) await turn();
    expect(String(failing.error)).to.contain('10,000 positions beyond the first event that failed');
    expect(slow.status).to.equal('running');
    expect(noticesOf(bus)).to.contain('consumer slow: waits for the event at position 1');
    gate.open();
    await slow.caughtUp();
    expect(noticesOf(bus)).to.not.contain('consumer slow');
    await bus.close();
  }).timeout(20_000);
});

describe('a dead letter of a consumer', () => {
  refuseUnhandledRejections();

  it('is open again when its consumer stops while it is tried', async () => {
    const { bus } = await startWith(1, () => 'k');
    const gate = createGate();
    let calls = 0;
    const handler = async (): Promise<void> => {
      if (++calls > 1) await gate.promise;
      throw new Error('bad');
    };
    const consumer = bus.consume('c', 'a', handler, options);
    await bus.settled();
    const report = bus.deadLetters.retry({});
    await turnsUntil(() => calls === 2);
    const stopped = consumer.stop();
    gate.open();
    await stopped;
    expect(await report).to.include({ closed: 0, failed: 0, skipped: 1 });
    expect(await lettersOf(bus)).to.equal(1);
    await bus.close();
  });

  it('is for that consumer alone, whatever patterns and consumers are called', async () => {
    const { bus } = await startWith(1, () => 'k');
    let isBad = true;
    const seen: string[] = [];
    const fails = (who: string) => (): void => {
      if (isBad) throw new Error('bad');
      seen.push(who);
    };
    const consumer = bus.consume('a', 'a', fails('consumer'), { retry: false });
    bus.on('a', fails('subscription'));
    bus.emit('a', { k: 'k', n: 2 });
    await bus.settled();
    expect(await lettersOf(bus)).to.equal(3);
    isBad = false;
    expect(await bus.deadLetters.retry({ recipient: 'a' })).to.include({ closed: 1 });
    expect(seen).to.deep.equal(['subscription']);
    await consumer.stop();
    const { impossible, failures } = await bus.deadLetters.retry({ recipient: 'consumer:a' });
    expect([impossible, failures[0]!.error.code]).to.deep.equal([2, 'RETRY_IMPOSSIBLE']);
    expect(failures[0]!.error.message).to.contain('consumer `a` does not run');
    await bus.consume('a', 'a', fails('consumer'), { from: 'latest' }).started;
    expect(await bus.deadLetters.retry({})).to.include({ closed: 2 });
    expect(seen).to.deep.equal(['subscription', 'consumer', 'consumer']);
    await bus.close();
  });
});
