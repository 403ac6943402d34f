import { expect } from 'chai';
import { currentCause } from '../../lib/context.ts';
import type { ConsumerFigures } from '../../lib/delivery/terms.ts';
import type { ConsumeTerms } from '../../lib/consuming-api.ts';
import { createBus, isTelltaleError, memory, type AnyEvents, type Bus, type Letter } from '../../lib/index.ts';
import { createTestBus } from '../../lib/testing.ts';
import { FlakyStore } from '../support/flaky-store.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate, turn, turnsUntil, warningsOf } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

async function startWith(count: number, options: Parameters<typeof createTestBus>[0] = {}) {
  const test = await createTestBus(options);
  // Somebody listens, so that no warning is printed for what is meant to fail.
  for (const type of ['$bus.handler.failed', '$bus.consumer.**']) test.bus.on(type, () => undefined);
  for (const n of numbers(1, count)) await test.bus.publish('a', n, { entity: `n/${n % 3}` });
  return test;
}

const nothing = (): void => undefined;
const sumUp = (events: readonly { id: string }[], { emit }: { emit: Bus['emit'] }): void => {
  emit('sum', events.length, { metadata: { causes: events.map(({ id }) => id) } });
};
const booksOf = (bus: Bus): ConsumerFigures => bus.metrics().consumers[0]!;

function expectBalanced(bus: Bus): void {
  for (const figures of bus.metrics().consumers) {
    const { taken, handled, skipped, running, queued, returned } = figures;
    expect(handled + skipped + running + queued + returned, JSON.stringify(figures)).to.equal(taken);
  }
}

describe('consume', () => {
  refuseUnhandledRejections();

  it('tells what is stored, then what comes, and goes on behind its checkpoint', async () => {
    const { bus } = await startWith(3);
    const seen: unknown[] = [];
    const consumer = bus.consume('c', 'a', ({ payload }) => void seen.push(payload));
    await consumer.caughtUp();
    bus.emit('b', 'of no concern');
    bus.emit('a', 4);
    await bus.flush();
    await bus.settled();
    expect(seen).to.deep.equal([1, 2, 3, 4]);
    expect(consumer.position).to.equal(5);
    await consumer.stop();
    await bus.publish('a', 5);
    const again = bus.consume('c', 'a', ({ payload }) => void seen.push(payload));
    await again.caughtUp();
    expect(seen).to.deep.equal([1, 2, 3, 4, 5]);
    expectBalanced(bus);
    await bus.close();
  });

  it('begins at the earliest event, or at any place; a checkpoint counts more', async () => {
    const { bus, clock } = await startWith(5);
    const seenFrom = async (
      name: string,
      options: ConsumeTerms<AnyEvents, 'a', undefined> = {},
    ): Promise<unknown[]> => {
      const seen: unknown[] = [];
      const consumer = bus.consume(name, 'a', ({ payload }) => void seen.push(payload), options);
      await consumer.caughtUp();
      await consumer.stop();
      return seen;
    };
    expect(await seenFrom('one')).to.deep.equal([1, 2, 3, 4, 5]);
    expect(await seenFrom('one', { from: 'earliest' })).to.deep.equal([]);
    expect(await seenFrom('two', { from: 4 })).to.deep.equal([4, 5]);
    expect(await seenFrom('three', { from: 'latest' })).to.deep.equal([5]);
    expect(await seenFrom('four', { where: { payload: { $gt: 3 } } })).to.deep.equal([4, 5]);
    const ahead = bus.consume('ahead', 'a', () => undefined, { from: 1_000 });
    expect(await rejectionOf(ahead.started)).to.include({ code: 'INVALID_PLACE' });
    const late = bus.consume('five', 'a', () => undefined, { from: { eventId: 'nowhere' } });
    expect(await rejectionOf(late.started)).to.include({ code: 'INVALID_PLACE' });
    expect(late.status).to.equal('failed');
    const seen: unknown[] = [];
    const future = bus.consume('six', 'a', ({ payload }) => void seen.push(payload), {
      from: { time: clock.now() + 500 },
    });
    await bus.publish('a', 6);
    await clock.advance(1_000);
    await bus.publish('a', 7);
    await future.caughtUp();
    expect(seen).to.deep.equal([7]);
    await bus.close();
  });

  it('begins paused where it was paused at once, and refuses places and batches that are none', async () => {
    const { bus } = await startWith(2);
    const seen: unknown[] = [];
    const consumer = bus.consume('c', 'a', ({ payload }) => void seen.push(payload));
    consumer.pause();
    await consumer.started;
    for (let i = 0; i < 20; i++) await turn();
    expect([consumer.status, seen]).to.deep.equal(['paused', []]);
    for (const place of [null, 'x', -1, {}, { position: 'a' }])
      expect(await rejectionOf(consumer.rewind(place as never))).to.include({ code: 'INVALID_PLACE' });
    consumer.resume();
    await consumer.caughtUp();
    expect(seen).to.deep.equal([1, 2]);
    const other = bus.consume('d', 'a', nothing);
    other.pause();
    other.resume();
    await other.caughtUp();
    expect(() => bus.consume('e', 'a', nothing, { batch: [] as never }))
      .to.throw()
      .with.property('code', 'INVALID_OPTION');
    await bus.close();
  });

  it('writes its checkpoint at most every 200 ms, behind the log, and once more when it stops', async () => {
    const store = new FlakyStore();
    const { bus, clock } = await startWith(0, { store });
    const puts = (): string[] => store.calls.filter((call) => call.startsWith('put'));
    const consumer = bus.consume('c', 'a', () => undefined);
    await consumer.started;
    expect(puts()).to.deep.equal(['put naming 0']);
    for (const n of numbers(1, 50)) await bus.publish('a', n);
    await consumer.caughtUp();
    expect(puts().length).to.equal(1);
    await clock.advance(200);
    expect(puts().slice(1)).to.deep.equal(['put naming 50']);
    await clock.advance(10_000);
    expect(puts().length).to.equal(2);
    await bus.publish('a', 51);
    await consumer.caughtUp();
    await consumer.stop();
    expect(puts().slice(2)).to.deep.equal(['put naming 51']);
    const [document] = await store.listDocuments('checkpoints');
    expect(document!.value).to.include({ position: 51, at: clock.now() });
    await bus.close();
  });

  it('says once an hour that it lives, so that retention goes on waiting for it', async () => {
    const { bus, clock } = await startWith(1);
    const consumer = bus.consume('c', 'a', () => undefined);
    await consumer.caughtUp();
    await clock.advance(5 * 3_600_000);
    const [entry] = await bus.consumers.list();
    expect(clock.now() - entry!.at).to.be.below(3_600_001);
    await bus.close();
  });

  it('keeps order within a key and goes on with the others; its checkpoint waits for the slowest', async () => {
    const { bus } = await startWith(9);
    const gate = createGate();
    const seen: unknown[] = [];
    const consumer = bus.consume(
      'c',
      'a',
      async ({ payload, entity }) => {
        if (payload === 2) await gate.promise;
        seen.push(`${entity}:${String(payload)}`);
      },
      { key: 'entity' },
    );
    await turnsUntil(() => seen.length === 6);
    expect(seen.filter((text) => String(text).startsWith('n/2'))).to.deep.equal([]);
    expect(consumer.position).to.equal(1);
    expect(booksOf(bus)).to.include({ taken: 9, handled: 6, running: 1, queued: 2 });
    gate.open();
    await bus.settled();
    expect(seen.slice(6)).to.deep.equal(['n/2:2', 'n/2:5', 'n/2:8']);
    expect(consumer.position).to.equal(9);
    await bus.close();
  });

  it('runs as many handlers at once as it was told', async () => {
    const { bus } = await startWith(30);
    let running = 0;
    let most = 0;
    let wanted = 0;
    const handler = async (): Promise<void> => {
      most = Math.max(most, ++running);
      // However many turns it takes to begin them; what is one too many would begin behind that.
      await turnsUntil(() => most >= wanted);
      await turn();
      running--;
    };
    for (const [name, options, expected] of [
      ['one', {}, 1],
      ['keyed', { key: 'id' }, 16],
      ['four', { key: 'id', concurrency: 4 }, 4],
      ['loose', { concurrency: 7 }, 7],
    ] as const) {
      most = 0;
      wanted = expected;
      const consumer = bus.consume(name, 'a', handler, options);
      await consumer.caughtUp();
      expect(most, name).to.equal(expected);
    }
    await bus.close();
  });

  it('tells how far behind it is, in events and time', async () => {
    const { bus, clock } = await startWith(0);
    const gate = createGate();
    const consumer = bus.consume('c', 'a', () => gate.promise);
    expect(consumer.lag).to.deep.equal({ events: 0, ms: 0 });
    await bus.publish('a', 1);
    await clock.advance(3_000);
    await bus.publish('a', 2);
    await clock.advance(1_000);
    expect(consumer.lag).to.deep.equal({ events: 2, ms: 4_000 });
    expect((await bus.consumers.list())[0]!.lag).to.deep.equal({ events: 2, ms: 4_000 });
    expect(booksOf(bus).lag).to.deep.equal({ events: 2, ms: 4_000 });
    gate.open();
    await bus.settled();
    expect(consumer.lag).to.deep.equal({ events: 0, ms: 0 });
    await bus.close();
  });

  it('pauses and goes on', async () => {
    const { bus } = await startWith(2);
    const seen: unknown[] = [];
    const consumer = bus.consume('c', 'a', async ({ payload }) => void seen.push(payload));
    await consumer.caughtUp();
    consumer.pause();
    expect(consumer.status).to.equal('paused');
    await bus.publish('a', 3);
    await bus.settled();
    expect([seen, consumer.position, consumer.lag.events]).to.deep.equal([[1, 2], 2, 1]);
    consumer.resume();
    await bus.settled();
    expect(seen).to.deep.equal([1, 2, 3]);
    await bus.close();
  });

  it('reads no further than there is room: a slow handler makes it slow', async () => {
    const store = new FlakyStore();
    const { bus } = await startWith(0, { store });
    for (let i = 0; i < 40; i++) {
      const batch = bus.batch();
      for (let n = 0; n < 100; n++) batch.add('a', n);
      await batch.commit();
    }
    const gate = createGate();
    bus.consume('c', 'a', () => gate.promise);
    await turnsUntil(() => booksOf(bus).queued === 1_000);
    for (let i = 0; i < 20; i++) await turn();
    expect(booksOf(bus)).to.include({ taken: 1_001, running: 1, queued: 1_000 });
    gate.open();
    await bus.settled();
    expect(booksOf(bus)).to.include({ taken: 4_000, handled: 4_000 });
    await bus.close();
  });

  it('works no further than 10,000 positions beyond its checkpoint', async () => {
    const { bus } = await startWith(0);
    for (let i = 0; i < 110; i++) {
      const batch = bus.batch();
      for (let n = 0; n < 100; n++) batch.add('a', i * 100 + n);
      await batch.commit();
    }
    const gate = createGate();
    const handler = ({ payload }: { payload: unknown }): unknown => (payload === 5 ? gate.promise : undefined);
    const consumer = bus.consume('c', 'a', handler, { key: 'id' });
    await turnsUntil(() => booksOf(bus).taken >= 10_005);
    for (let i = 0; i < 20; i++) await turn();
    expect([booksOf(bus).taken, consumer.position, consumer.status]).to.deep.equal([10_005, 5, 'running']);
    gate.open();
    await bus.settled();
    expect(consumer.position).to.equal(11_000);
    await bus.close();
  });

  describe('where a handler fails', () => {
    it('tries again with growing pauses, then leaves the event out and keeps it as a dead letter', async () => {
      const { bus, clock } = await startWith(3);
      const attempts: unknown[] = [];
      const consumer = bus.consume('mailer', 'a', ({ payload }, { attempt }) => {
        attempts.push([payload, attempt]);
        if (payload === 2) throw new Error('no such address');
      });
      await clock.advance(1_000);
      await bus.flush();
      expect(attempts).to.deep.equal([
        [1, 1],
        [2, 1],
        [2, 2],
        [2, 3],
        [3, 1],
      ]);
      expect([consumer.status, consumer.position]).to.deep.equal(['running', 4]);
      const [letter] = await bus.deadLetters.list();
      expect(letter).to.include({ reason: 'handler-failed', recipient: 'consumer:mailer', attempts: 3, position: 2 });
      expect(booksOf(bus)).to.include({ taken: 3, handled: 2, skipped: 1 });
      await bus.close();
    });

    it('gives a dead letter that is tried again to that consumer alone', async () => {
      const { bus } = await startWith(2);
      let broken = true;
      const seen: unknown[] = [];
      const told: unknown[] = [];
      bus.on('a', () => void told.push('a plain subscription'));
      const handler = ({ payload }: { payload: unknown }): void => {
        if (broken) throw new Error('no');
        seen.push(payload);
      };
      const consumer = bus.consume('mailer', 'a', handler, { retry: false });
      await consumer.caughtUp();
      expect(await bus.deadLetters.retry({ recipient: 'consumer:mailer' })).to.include({ failed: 2 });
      broken = false;
      expect(await bus.deadLetters.retry({ recipient: 'consumer:mailer' })).to.include({ closed: 2 });
      expect([seen, told]).to.deep.equal([[1, 2], []]);
      expectBalanced(bus);
      await bus.close();
    });

    it('pauses at the event and tries it again when it goes on', async () => {
      const { bus } = await startWith(3);
      let broken = true;
      const seen: unknown[] = [];
      const paused: unknown[] = [];
      bus.on('$bus.consumer.paused', ({ payload }) => void paused.push(payload));
      const handler = ({ payload }: { payload: unknown }): void => {
        if (payload === 2 && broken) throw new Error('disk full');
        seen.push(payload);
      };
      const consumer = bus.consume('c', 'a', handler, { retry: false, onFailure: 'pause' });
      await turnsUntil(() => consumer.status === 'paused');
      expect(consumer.error).to.be.instanceOf(Error);
      expect([seen, consumer.position, await bus.deadLetters.list()]).to.deep.equal([[1], 1, []]);
      expect(bus.health().notices.join()).to.contain('consumer c is paused at position 1: disk full');
      expect(paused).to.have.lengthOf(1);
      expectBalanced(bus);
      broken = false;
      consumer.resume();
      await bus.settled();
      expect([seen, consumer.position, consumer.error]).to.deep.equal([[1, 2, 3], 3, undefined]);
      expect(bus.health().notices).to.deep.equal([]);
      await bus.close();
    });

    it('lets the key wait behind the event, and no other, until its dead letter is settled', async () => {
      const { bus } = await startWith(9);
      let broken = true;
      const seen: unknown[] = [];
      const handler = ({ payload }: { payload: unknown }): void => {
        if (payload === 2 && broken) throw new Error('no');
        seen.push(payload);
      };
      const options = { key: 'entity', retry: false, onFailure: 'skip-key' } as const;
      const consumer = bus.consume('c', 'a', handler, options);
      await turnsUntil(() => seen.length === 6);
      await bus.settled();
      expect([seen, consumer.position, consumer.status]).to.deep.equal([[1, 3, 4, 6, 7, 9], 1, 'running']);
      expect(booksOf(bus)).to.include({ handled: 6, queued: 3, skipped: 0 });
      broken = false;
      expect(await bus.deadLetters.retry({})).to.include({ closed: 1 });
      await bus.settled();
      expect([seen.slice(6), consumer.lag.events]).to.deep.equal([[2, 5, 8], 0]);
      expectBalanced(bus);
      await bus.close();
    });

    it('opens one letter for an event that its key waits behind, however often it is tried', async () => {
      const { bus } = await startWith(3);
      const options = { key: 'entity', retry: false, onFailure: 'skip-key' } as const;
      const consumer = bus.consume('c', 'a', () => Promise.reject(new Error('no')), options);
      await bus.settled();
      consumer.resume();
      await bus.settled();
      await bus.flush();
      const letters: readonly Letter[] = await bus.deadLetters.list();
      expect(letters.map(({ position }) => position)).to.have.members([1, 2, 3]);
      await bus.close();
    });

    it('pauses and says so where 1,000 keys wait', async () => {
      const { bus } = await startWith(0);
      const batch = bus.batch();
      for (const n of numbers(1, 1_200)) batch.add('a', n);
      await batch.commit();
      const consumer = bus.consume('c', 'a', () => Promise.reject(new Error('no')), {
        key: 'id',
        retry: false,
        onFailure: 'skip-key',
      });
      await turnsUntil(() => consumer.status === 'paused');
      expect(String(consumer.error)).to.contain('keys wait behind events that failed');
      expect(bus.health().notices.join()).to.contain('consumer c is paused');
      expect(booksOf(bus).queued).to.be.at.least(1_000);
      expectBalanced(bus);
      await bus.close();
    });

    it('is warned about once where nobody listens', async () => {
      const bus = await createBus({ store: memory() });
      const warnings = await warningsOf(async () => {
        const consumer = bus.consume('c', 'a', () => Promise.reject(new Error('no')), { retry: false });
        for (const n of [1, 2, 3]) await bus.publish('a', n);
        await consumer.caughtUp();
      });
      expect(warnings.map(({ code }) => code)).to.deep.equal(['HANDLER_FAILED']);
      await bus.close();
    });
  });

  describe('in batches', () => {
    it('gives the handler what is there, in order, up to the limit', async () => {
      const { bus } = await startWith(7);
      const seen: unknown[] = [];
      const handler = async (events: readonly { payload: unknown }[]): Promise<void> => {
        seen.push(events.map(({ payload }) => payload));
        if (seen.length === 1) await turnsUntil(() => booksOf(bus).queued === 6);
        else await turn();
      };
      const consumer = bus.consume('c', 'a', handler, { batch: { max: 3 } });
      await consumer.caughtUp();
      expect(seen).to.deep.equal([[1], [2, 3, 4], [5, 6, 7]]);
      expect(booksOf(bus)).to.include({ taken: 7, handled: 7, running: 0 });
      await bus.close();
    });

    it('waits for more where it is told to, but not for ever', async () => {
      const { bus, clock } = await startWith(4);
      const seen: unknown[] = [];
      const handler = (events: readonly { payload: unknown }[]): void => void seen.push(events.length);
      bus.consume('c', 'a', handler, { batch: { max: 3, wait: '1s' } });
      await turnsUntil(() => seen.length === 1);
      await clock.advance(999);
      expect(seen).to.deep.equal([3]);
      await clock.advance(1);
      expect(seen).to.deep.equal([3, 1]);
      await bus.publish('a', 5);
      await turnsUntil(() => booksOf(bus).queued === 1);
      await clock.advance(500);
      expect(seen).to.deep.equal([3, 1]);
      await clock.advance(500);
      expect(seen).to.deep.equal([3, 1, 1]);
      await bus.close();
    });

    it('names all that it comes from where it says so', async () => {
      const { bus } = await startWith(3);
      bus.consume('c', 'a', sumUp, { batch: { max: 3, wait: '1h' } });
      await bus.settled();
      const sum = (await bus.query({ type: 'sum' })).events[0]!;
      const payloads = (await bus.causes(sum.id)).map(({ payload }) => payload);
      expect(payloads).to.have.members([1, 2, 3]);
      await bus.close();
    });

    it('leaves out only the one that fails, each tried for itself', async () => {
      const { bus } = await startWith(5);
      const seen: unknown[] = [];
      const handler = (events: readonly { payload: unknown }[]): void => {
        if (events.some(({ payload }) => payload === 3)) throw new Error('no');
        seen.push(...events.map(({ payload }) => payload));
      };
      const consumer = bus.consume('c', 'a', handler, { batch: { max: 5, wait: 50 }, retry: false });
      await consumer.caughtUp();
      expect(seen).to.deep.equal([1, 2, 4, 5]);
      expect((await bus.deadLetters.list()).map(({ position }) => position)).to.deep.equal([3]);
      expect(booksOf(bus)).to.include({ handled: 4, skipped: 1 });
      await bus.close();
    });
  });

  describe('rewound', () => {
    it('begins again at a place, when running handlers have ended', async () => {
      const { bus } = await startWith(5);
      const seen: unknown[] = [];
      const gate = createGate();
      const consumer = bus.consume('c', 'a', async ({ payload }) => {
        seen.push(payload);
        if (payload === 3) await gate.promise;
      });
      await turnsUntil(() => seen.length === 3);
      const rewound = consumer.rewind(2);
      await turn();
      expect(seen).to.deep.equal([1, 2, 3]);
      gate.open();
      await rewound;
      expect(consumer.position).to.equal(1);
      await bus.settled();
      expect(seen).to.deep.equal([1, 2, 3, 2, 3, 4, 5]);
      await consumer.rewind('latest');
      await bus.settled();
      expect(seen.slice(7)).to.deep.equal([5]);
      expectBalanced(bus);
      await bus.close();
    });

    it('is written down at once: a restart does not take it back', async () => {
      const { bus } = await startWith(3);
      const consumer = bus.consume('c', 'a', () => undefined);
      await consumer.caughtUp();
      consumer.pause();
      await consumer.rewind('earliest');
      expect((await bus.consumers.list())[0]).to.include({ position: 0, status: 'paused' });
      await bus.close();
    });

    it('tells what is wrong with the place and changes nothing', async () => {
      const { bus } = await startWith(3);
      const consumer = bus.consume('c', 'a', () => undefined);
      await consumer.caughtUp();
      expect(await rejectionOf(consumer.rewind({ eventId: 'nowhere' }))).to.include({ code: 'INVALID_PLACE' });
      expect(consumer.position).to.equal(3);
      await consumer.stop();
      expect(await rejectionOf(consumer.rewind(1))).to.include({ code: 'INVALID_OPTION' });
      await bus.close();
    });
  });

  it('is the cause of what its handler emits, behind every await and by its context', async () => {
    const { bus, ofType } = await startWith(3);
    bus.consume(
      'c',
      'a',
      async ({ payload }, { emit, publish, position }) => {
        await turn();
        bus.emit('b', payload);
        emit('c', position);
        await publish('d', payload);
      },
      { key: 'id' },
    );
    await bus.settled();
    const byId = new Map((await bus.query({ pattern: 'a' })).events.map((event) => [event.id, event]));
    for (const type of ['b', 'd'])
      for (const { payload, causationId, correlationId } of ofType(type)) {
        expect(byId.get(causationId!)).to.include({ payload, correlationId });
      }
    expect(ofType('c').map(({ payload }) => payload)).to.have.members([1, 2, 3]);
    expect(ofType('b').length + ofType('d').length).to.equal(6);
    expect(currentCause()).to.equal(undefined);
    await bus.close();
  });

  it('refuses to be waited for by its own handler', async () => {
    const { bus } = await startWith(1);
    const codes: unknown[] = [];
    const consumer = bus.consume('c', 'a', async () => {
      for (const wait of [
        () => consumer.stop(),
        () => consumer.rewind(1),
        () => consumer.caughtUp(),
        () => bus.close(),
      ])
        codes.push(await wait().then(String, ({ code }: { code: unknown }) => code));
    });
    await bus.settled();
    expect(codes).to.deep.equal(Array.from({ length: 4 }, () => 'WOULD_DEADLOCK'));
    await consumer.stop();
    await bus.close();
  });

  it('may be stopped by another handler, and by a signal, its own handler included', async () => {
    const { bus } = await startWith(2);
    const ending = new AbortController();
    const seen: unknown[] = [];
    const consumer = bus.consume(
      'c',
      'a',
      ({ payload }) => {
        seen.push(payload);
        ending.abort();
      },
      { signal: ending.signal },
    );
    await turnsUntil(() => consumer.status === 'stopped');
    expect(seen).to.deep.equal([1]);
    const second = bus.consume('c', 'a', ({ payload }) => void seen.push(payload));
    bus.on('b', () => second.stop());
    await second.caughtUp();
    await bus.publish('b', 1);
    await bus.settled();
    expect([second.status, seen]).to.deep.equal(['stopped', [1, 2]]);
    await bus.close();
  });

  describe('when the bus closes', () => {
    it('lets running handlers end, begins nothing more, and writes the last checkpoint', async () => {
      const store = memory();
      const { bus } = await startWith(5, { store });
      const gate = createGate();
      const seen: unknown[] = [];
      bus.consume('c', 'a', async ({ payload }, { emit }) => {
        seen.push(payload);
        if (payload !== 3) return;
        await gate.promise;
        emit('b', 'while it closes');
      });
      await turnsUntil(() => seen.length === 3);
      const closed = bus.close();
      await turn();
      gate.open();
      expect(await closed).to.deep.equal({ cut: 0, stillRunning: 0, unstored: 0 });
      expect(seen).to.deep.equal([1, 2, 3]);
    });

    it('waits no longer than it is allowed to, tells the handler, and does not count what it does then', async () => {
      const kept: unknown[] = [];
      const store = new FlakyStore();
      const { bus, clock } = await startWith(3, { store, closeTimeout: '1s' });
      let signal: AbortSignal | undefined;
      bus.consume('c', 'a', async ({ payload }, context) => {
        if (payload === 2) {
          ({ signal } = context);
          await new Promise(() => undefined);
        }
        kept.push(payload);
      });
      await turnsUntil(() => signal !== undefined);
      const closed = bus.close();
      await clock.advance(799);
      expect(signal!.aborted).to.equal(false);
      await clock.advance(1_000);
      await closed;
      expect(signal!.aborted).to.equal(true);
    });

    it('tells how many handlers it has left running, also of one that was stopped before', async () => {
      const { bus, clock } = await startWith(1, { closeTimeout: '1s' });
      const gate = createGate();
      let running = 0;
      const hang = async (): Promise<void> => {
        running++;
        await gate.promise;
      };
      const stopped = [bus.consume('early', 'a', hang), bus.consume('ended', 'a', hang)];
      await turnsUntil(() => running === 2);
      const stops = stopped.map((consumer) => consumer.stop());
      await clock.advance(1_000);
      await Promise.all(stops);
      bus.consume('late', 'a', () => new Promise(() => running++));
      await turnsUntil(() => running === 3);
      gate.open();
      await turn();
      const closed = bus.close();
      await clock.advance(3_000);
      expect(await closed).to.deep.equal({ cut: 0, stillRunning: 1, unstored: 0 });
    });

    it('gives the last checkpoint time of its own, and tells when even that is not enough', async () => {
      for (const [ms, expected] of [
        [500, 'closed'],
        [5_000, 'STORE_FAILED'],
      ] as const) {
        const store = new FlakyStore();
        const { bus, clock } = await startWith(1, { store, closeTimeout: '1s' });
        let running = 0;
        const consumer = bus.consume('c', 'a', () => new Promise(() => running++));
        await consumer.started;
        await turnsUntil(() => running === 1);
        const put = store.putDocument.bind(store);
        store.putDocument = async (...given) => {
          await new Promise<void>((resolve) => clock.wait(ms, resolve));
          return put(...given);
        };
        const closed = bus.close().then(
          ({ stillRunning }) => (stillRunning === 1 ? 'closed' : 'miscounted'),
          (error: unknown) => (error as { code: string }).code,
        );
        await clock.advance(20_000);
        expect(await closed).to.equal(expected);
      }
    });

    it('does not wait for the next attempt of what failed, and keeps no letter: it is read again', async () => {
      const { bus, clock } = await startWith(1);
      bus.consume('c', 'a', () => Promise.reject(new Error('no')), { retry: { attempts: 9, delay: '10m' } });
      await turn();
      const before = clock.monotonic();
      await bus.close();
      expect(clock.monotonic()).to.equal(before);
      expect(bus.metrics().deadLetters).to.equal(0);
    });
  });

  it('lists consumers that run and those that do not, and forgets one that does not', async () => {
    const { bus, clock } = await startWith(3);
    const first = bus.consume('first', 'a', () => undefined);
    const second = bus.consume('second', '**', () => undefined, { from: 'latest' });
    await first.caughtUp();
    await second.caughtUp();
    await second.stop();
    await bus.publish('a', 4);
    await first.caughtUp();
    await clock.advance(1_000);
    expect(await bus.consumers.list()).to.deep.equal([
      {
        name: 'first',
        pattern: 'a',
        position: 4,
        lag: { events: 0, ms: 0 },
        status: 'running',
        members: 1,
        at: clock.now() - 800,
      },
      {
        name: 'second',
        pattern: '**',
        position: 3,
        lag: { events: 1, ms: 1_000 },
        status: 'stopped',
        members: 0,
        at: clock.now() - 1_000,
      },
    ]);
    expect(await rejectionOf(bus.consumers.remove('first'))).to.include({ code: 'INVALID_OPTION' });
    expect(await bus.consumers.remove('second')).to.equal(true);
    expect(await bus.consumers.remove('second')).to.equal(false);
    expect((await bus.consumers.list()).map(({ name }) => name)).to.deep.equal(['first']);
    await bus.close();
  });

  it('ends with LEASE_LOST when its checkpoint has another owner; what it does then is not written', async () => {
    const store = memory();
    const { bus, clock } = await startWith(3, { store });
    const gate = createGate();
    let signal: AbortSignal | undefined;
    const consumer = bus.consume('c', 'a', async (_, context) => {
      ({ signal } = context);
      await gate.promise;
    });
    await turnsUntil(() => signal !== undefined);
    const stolen = { position: 77, at: 0 };
    await store.putDocument('checkpoints', 'c', stolen);
    gate.open();
    await clock.advance(500);
    expect(consumer.status).to.equal('failed');
    expect(consumer.error).to.include({ code: 'LEASE_LOST' });
    expect(signal!.aborted).to.equal(true);
    expect((await store.document('checkpoints', 'c'))!.value).to.deep.equal(stolen);
    expect(bus.health().notices.join()).to.contain('consumer c is failed');
    await bus.consume('c', 'a', () => undefined).started;
    await bus.close();
  });

  it('shows events in the current version of their schema', async () => {
    const { bus } = await startWith(0);
    await bus.publish('a', { old: 1 });
    bus.schemas.register('a', 2, undefined, { upcast: (payload) => ({ now: (payload as { old: number }).old }) });
    const seen: unknown[] = [];
    await bus.consume('c', 'a', ({ payload }) => void seen.push(payload)).caughtUp();
    expect(seen).to.deep.equal([{ now: 1 }]);
    await bus.close();
  });

  it('refuses what makes no sense, at once', async () => {
    const { bus } = await startWith(0);
    const refused = (...given: unknown[]): unknown => {
      try {
        bus.consume(...(given as Parameters<typeof bus.consume>));
        return 'taken';
      } catch (error) {
        return isTelltaleError(error) ? error.code : error;
      }
    };
    const handler = nothing;
    const target = { claim: async () => 0, commit: async () => undefined };
    const refusals: readonly [string, unknown[]][] = [
      ['INVALID_OPTION', ['', 'a', handler]],
      ['INVALID_PATTERN', ['c', 'a..b', handler]],
      ['INVALID_OPTION', ['c', 'a', 'no function']],
      ['INVALID_OPTION', ['c', 'a', handler, { unknown: 1 }]],
      ['INVALID_OPTION', ['c', 'a', handler, { concurrency: 0 }]],
      ['INVALID_OPTION', ['c', 'a', handler, { onFailure: 'ignore' }]],
      ['INVALID_OPTION', ['c', 'a', handler, { onFailure: 'skip-key' }]],
      ['INVALID_OPTION', ['c', 'a', handler, { batch: { max: 0 } }]],
      ['INVALID_OPTION', ['c', 'a', handler, { batch: {}, key: 'entity' }]],
      ['INVALID_OPTION', ['c', 'a', handler, { checkpointIn: {} }]],
      ['INVALID_OPTION', ['c', 'a', handler, { checkpointIn: target, concurrency: 2 }]],
      ['INVALID_OPTION', ['c', 'a', handler, { onReset: handler }]],
      ['INVALID_OPTION', ['c', 'a', handler, { group: 'mine' }]],
      ['INVALID_PLACE', ['c', 'a', handler, { from: 'somewhere' }]],
      ['INVALID_FILTER', ['c', 'a', handler, { where: { payload: { $near: 1 } } }]],
    ];
    for (const [code, given] of refusals) expect(refused(...given), JSON.stringify(given)).to.equal(code);
    expect(refused('c', 'a', handler)).to.equal('taken');
    expect(refused('c', 'a', handler)).to.equal('INVALID_OPTION');
    await bus.close();
    expect(refused('d', 'a', handler)).to.equal('BUS_CLOSED');
    const live = await createBus();
    expect(() => live.consume('c', 'a', handler))
      .to.throw()
      .with.property('code', 'STORE_REQUIRED');
    expect(await rejectionOf(live.consumers.list())).to.include({ code: 'STORE_REQUIRED' });
    await live.close();
  });
});
