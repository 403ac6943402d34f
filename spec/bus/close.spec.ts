import { getEventListeners } from 'node:events';
import { expect } from 'chai';
import { bufferTime, map, mergeMap } from 'rxjs';
import sinon from 'sinon';
import type { DeadLetter } from '../../lib/store/letter.ts';
import type { StoreSupports } from '../../lib/store/port.ts';
import { createTestBus } from '../../lib/testing.ts';
import { memory } from '../../plugins/memory/index.ts';
import { codeOf } from '../support/code-of.ts';
import { FlakyStore } from '../support/flaky-store.ts';
import { logged } from '../support/logged.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate, turn } from '../support/turns.ts';

async function lettersOf(store: ReturnType<typeof memory>): Promise<readonly DeadLetter[]> {
  await store.open();
  const events = await logged(store, true);
  return events.filter(({ type }) => type === '$dead-letter.opened').map(({ payload }) => payload as DeadLetter);
}

class SyncingStore extends FlakyStore {
  override readonly supports: StoreSupports = { ...new FlakyStore().supports, durability: 'os', operations: ['sync'] };
}

describe('bus.close', () => {
  it('refuses events from outside at once', async () => {
    const { bus } = await createTestBus();
    const closing = bus.close();
    expect(codeOf(() => bus.emit('a', null))).to.equal('BUS_CLOSED');
    expect((await rejectionOf(bus.publish('a', null))).code).to.equal('BUS_CLOSED');
    expect(codeOf(() => bus.batch().add('a', null))).to.equal('BUS_CLOSED');
    expect(bus.metrics()).to.include({ offered: 3, refused: 3 });
    expect(await closing).to.deep.equal({ cut: 0, stillRunning: 0, unstored: 0 });
    expect(codeOf(() => bus.emit('a', null))).to.equal('BUS_CLOSED');
  });

  it('lets running handlers finish, emit and publish, and stores that', async () => {
    const store = memory();
    const { bus, clock } = await createTestBus({ store });
    const seen: string[] = [];
    bus.on('a', async (_, context) => {
      await new Promise<void>((resolve) => void clock.after(100, resolve));
      bus.emit('b', null);
      await context.publish('c', null);
      seen.push('done');
    });
    bus.on('b', () => void seen.push('b'));
    bus.emit('a', null);
    const closing = bus.close();
    await clock.advance(100);
    expect(await closing).to.deep.equal({ cut: 0, stillRunning: 0, unstored: 0 });
    expect(seen).to.deep.equal(['b', 'done']);
    await store.open();
    expect((await logged(store)).map(({ type }) => type)).to.deep.equal(['a', 'b', 'c']);
  });

  it('is the same promise every time, and a second bus can open the store after it', async () => {
    const store = memory();
    const { bus } = await createTestBus({ store });
    const close = sinon.spy(store, 'close');
    const reports = await Promise.all([bus.close(), bus.close()]);
    expect(reports[0]).to.equal(reports[1]);
    expect(close.callCount).to.equal(1);
    expect(await bus.close()).to.equal(reports[0]);
    const again = await createTestBus({ store });
    await again.bus.publish('a', null);
  });

  it('happens at the end of an `await using` block', async () => {
    const { bus } = await createTestBus();
    {
      await using scoped = bus;
      scoped.emit('a', null);
    }
    expect(bus.health().status).to.equal('closed');
  });

  describe('inside a handler', () => {
    for (const verb of ['close', 'flush', 'settled'] as const) {
      it(`${verb} rejects with WOULD_DEADLOCK, also when the bus is closing already`, async () => {
        const { bus, clock } = await createTestBus();
        const codes: string[] = [];
        bus.on('a', async () => {
          codes.push((await rejectionOf(bus[verb]())).code);
          await new Promise<void>((resolve) => void clock.after(50, resolve));
          codes.push((await rejectionOf(bus[verb]())).code);
        });
        bus.emit('a', null);
        await turn();
        const closing = bus.close();
        await clock.advance(50);
        await closing;
        expect(codes).to.deep.equal(['WOULD_DEADLOCK', 'WOULD_DEADLOCK']);
      });
    }

    it('a timer may close the bus once the handler has ended, within withContext and record too', async () => {
      for (const around of ['plain', 'withContext', 'record'] as const) {
        const { bus } = await createTestBus();
        let closed: Promise<unknown> | undefined;
        // A real one: it carries the context it was set in.
        const later = (): void => void setImmediate(() => void (closed = bus.close()));
        bus.on('a', () => {
          if (around === 'plain') later();
          if (around === 'withContext') bus.withContext({ metadata: { userId: 'u' } }, later);
          if (around === 'record') bus.record('tool', null, later);
        });
        bus.emit('a', null);
        await turn();
        expect(await closed).to.deep.equal({ cut: 0, stillRunning: 0, unstored: 0 });
      }
    });
  });

  it('lets pipelines give out what they hold, to handlers that are still there', async () => {
    const store = memory();
    const { bus } = await createTestBus({ store });
    const sums: unknown[] = [];
    bus.pipeline('sum', 'n', (source) =>
      source.pipe(
        bufferTime(60_000),
        map((events) => ({ type: 'sum', payload: events.length })),
      ),
    );
    bus.on('sum', ({ payload }) => void sums.push(payload));
    for (const n of [1, 2, 3]) bus.emit('n', n);
    await bus.close();
    expect(sums).to.deep.equal([3]);
    await store.open();
    expect((await logged(store)).map(({ type }) => type)).to.deep.equal(['n', 'n', 'n', 'sum']);
  });

  it('waits for what a pipeline is still working on', async () => {
    const { bus, clock } = await createTestBus();
    const seen: unknown[] = [];
    bus.pipeline('slow', 'n', (source) =>
      source.pipe(
        mergeMap(async ({ payload }) => {
          await new Promise<void>((resolve) => void clock.after(500, resolve));
          return { type: 'slow', payload };
        }),
      ),
    );
    bus.on('slow', ({ payload }) => void seen.push(payload));
    bus.emit('n', 1);
    const closing = bus.close();
    await clock.advance(500);
    await closing;
    expect(seen).to.deep.equal([1]);
  });

  it('completes observables and iterators, rejects once', async () => {
    const { bus } = await createTestBus();
    const completed = sinon.spy();
    bus.observe('a').subscribe({ complete: completed });
    const read: unknown[] = [];
    const iterated = (async () => {
      for await (const { payload } of bus.iterate('a')) read.push(payload);
    })();
    const once = rejectionOf(bus.once('never'));
    bus.emit('a', 1);
    await bus.close();
    await iterated;
    expect(completed.callCount).to.equal(1);
    expect(read).to.deep.equal([1]);
    expect((await once).code).to.equal('BUS_CLOSED');
  });

  it('leaves no listener on the signals of its subscriptions', async () => {
    const { bus } = await createTestBus();
    const { signal } = new AbortController();
    bus.on('a', () => undefined, { signal });
    bus.observe('a', { signal }).subscribe();
    void bus.once('a', { signal }).catch(() => undefined);
    expect(getEventListeners(signal, 'abort')).to.have.length(1);
    await bus.close();
    expect(getEventListeners(signal, 'abort')).to.have.length(0);
  });

  describe('when its time is over', () => {
    it('cuts what is queued and what still runs, reports it, and keeps all of it as dead letters', async () => {
      const store = memory();
      const { bus, clock } = await createTestBus({ store, closeTimeout: '2s' });
      const aborted = sinon.spy();
      bus.on('a', (_, { signal }) => {
        signal.addEventListener('abort', aborted);
        return new Promise(() => undefined);
      });
      const ids = [1, 2, 3].map((n) => bus.emit('a', n).id);
      bus.emit('b', null);
      const closing = bus.close();
      await clock.advance(1_999);
      expect(aborted.callCount).to.equal(0);
      await clock.advance(1);
      expect(await closing).to.deep.equal({ cut: 2, stillRunning: 1, unstored: 0 });
      expect(aborted.callCount).to.equal(1);
      const letters = await lettersOf(store);
      expect(letters.map(({ eventId }) => eventId)).to.have.members(ids);
      for (const { reason, recipient, position, error } of letters) {
        expect({ reason, recipient }).to.deep.equal({ reason: 'cut', recipient: 'a' });
        expect(position).to.be.within(1, 3);
        expect(error.code).to.equal('BUS_CLOSED');
      }
    });

    it('opens one letter for what waits for its next attempt, which tells what went wrong', async () => {
      const store = memory();
      const { bus, clock } = await createTestBus({ store, closeTimeout: 1_000 });
      bus.on('$bus.**', () => undefined);
      bus.on('a', () => Promise.reject(new Error('no')), { retry: { attempts: 10, delay: 400 } });
      for (const n of [1, 2, 3]) bus.emit('a', n);
      const closing = bus.close();
      for (let i = 0; i < 10; i++) {
        await clock.advance(100);
        await turn();
      }
      expect(await closing).to.deep.equal({ cut: 2, stillRunning: 1, unstored: 0 });
      const letters = (await lettersOf(store)).map(({ position, reason, error }) => [position, reason, error.message]);
      expect(letters).to.have.deep.members([
        [1, 'handler-failed', 'no'],
        [2, 'cut', 'the bus was closed while the event waited for `a`'],
        [3, 'cut', 'the bus was closed while the event waited for `a`'],
      ]);
      expect((await lettersOf(store)).find(({ position }) => position === 1)!.attempts).to.be.above(1);
    });

    it('opens no second letter for a handler that fails after it was cut', async () => {
      const store = new FlakyStore();
      const { bus, clock } = await createTestBus({ store, closeTimeout: 1_000 });
      bus.on('$bus.**', () => undefined);
      // It takes some turns to stop, and so do the letters on their way into the log.
      bus.on('a', async (_, { signal }) => {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        for (let i = 0; i < 3; i++) await turn();
        throw new Error('no');
      });
      await bus.publish('a', 1);
      const written = createGate();
      store.gate = written.promise;
      const closing = bus.close();
      await clock.advance(1_000);
      for (let i = 0; i < 6; i++) await turn();
      written.open();
      await closing;
      expect((await lettersOf(store)).map(({ reason }) => reason)).to.deep.equal(['cut']);
    });

    it('cuts what waits to be dispatched as well', async () => {
      const store = memory();
      const { bus, clock } = await createTestBus({ store, closeTimeout: 1_000 });
      bus.on('a', () => new Promise(() => undefined), { mailbox: { max: 1, overflow: 'wait' } });
      const ids = [1, 2, 3, 4].map((n) => bus.emit('a', n).id);
      const closing = bus.close();
      await clock.advance(1_000);
      expect(await closing).to.deep.equal({ cut: 3, stillRunning: 1, unstored: 0 });
      expect((await lettersOf(store)).map(({ eventId }) => eventId)).to.have.members(ids);
    });

    it('gives up a store that does not answer, and says what is not stored', async () => {
      const store = new FlakyStore();
      const { bus, clock } = await createTestBus({ store, closeTimeout: 1_000 });
      store.gate = new Promise(() => undefined);
      const lost = rejectionOf(bus.publish('a', 1));
      bus.emit('a', 2);
      const closing = rejectionOf(bus.close());
      await clock.advance(5_000);
      const error = await closing;
      expect(error.code).to.equal('STORE_FAILED');
      expect(error.message).to.include('2 accepted events are not stored').and.include('within 1000 ms');
      expect(error.details).to.deep.equal({ cut: 0, stillRunning: 0, unstored: 2 });
      expect((await lost).code).to.equal('STORE_CLOSED');
      expect(bus.metrics()).to.include({ waiting: 0, unstored: 2 });
    });

    it('rejects a flush that waits', async () => {
      const store = new FlakyStore();
      const { bus, clock } = await createTestBus({ store, closeTimeout: 1_000 });
      store.gate = new Promise(() => undefined);
      bus.emit('a', 1);
      const flush = rejectionOf(bus.flush());
      const closing = rejectionOf(bus.close());
      await clock.advance(5_000);
      expect((await flush).message).to.include('1 events are not stored');
      await closing;
    });
  });

  it('syncs what was accepted before it closes the store', async () => {
    const store = new SyncingStore();
    const { bus } = await createTestBus({ store });
    bus.emit('a', 1);
    await bus.close();
    expect(store.calls).to.deep.equal(['append', 'appended', 'sync', 'close']);
  });

  it('aborts the signal of every subscription', async () => {
    const { bus } = await createTestBus();
    const signals: AbortSignal[] = [];
    bus.on('a', (_, { signal }) => void signals.push(signal));
    bus.on('a', async (_, { signal }) => void signals.push(signal), { group: 'g' });
    bus.emit('a', 1);
    expect(signals.map(({ aborted }) => aborted)).to.deep.equal([false, false]);
    await bus.close();
    expect(signals.map(({ aborted }) => aborted)).to.deep.equal([true, true]);
  });

  it('leaves nothing to flush behind it', async () => {
    const { bus } = await createTestBus();
    bus.emit('a', 1);
    await bus.close();
    await bus.flush();
  });

  it('reports every error together, and closes all the same', async () => {
    const store = new FlakyStore();
    const { bus } = await createTestBus({ store });
    store.faults.push({ before: new Error('disk is full') });
    store.failToClose = true;
    bus.emit('a', 1);
    const error = await rejectionOf(bus.close());
    expect(error.message).to.include('disk is full').and.include('still busy');
    expect(error.cause).to.be.instanceOf(AggregateError);
    expect(bus.health().status).to.equal('closed');
  });

  it('tells the last of what was summed up', async () => {
    const { bus } = await createTestBus();
    const counts: unknown[] = [];
    bus.on('$bus.handler.failed', ({ payload }) => void counts.push((payload as { count: number }).count));
    bus.on('a', () => {
      throw new Error('no');
    });
    for (let i = 0; i < 5; i++) bus.emit('a', i);
    await bus.close();
    expect(counts).to.deep.equal([1, 4]);
  });
});
