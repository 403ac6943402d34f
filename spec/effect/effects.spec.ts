import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Bus } from '../../lib/api.ts';
import { createBus } from '../../lib/bus.ts';
import { createVirtualClock } from '../../lib/clock.ts';
import { TelltaleError } from '../../lib/errors.ts';
import { effectId } from '../../lib/effect/effects.ts';
import { createTestBus } from '../../lib/testing.ts';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { memory } from '../../plugins/memory/index.ts';
import { FlakyStore } from '../support/flaky-store.ts';
import { logged } from '../support/logged.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { createGate, turn, turnsUntil } from '../support/turns.ts';

const unavailable = (): TelltaleError => new TelltaleError('STORE_UNAVAILABLE', 'no answer');

/** A handler whose effect is stored and that fails all the same; answers how often the effect was carried out. */
async function failBehindEffect(bus: Bus): Promise<() => number> {
  let runs = 0;
  bus.on('$bus.handler.failed', () => undefined);
  bus.on('a', async (_, { effect }) => {
    await effect('x', () => ++runs);
    throw new Error('no');
  });
  bus.emit('a', null);
  await bus.settled();
  await bus.flush();
  return () => runs;
}

describe('context.effect', () => {
  it('runs once over the attempts of a handler and gives the result back', async () => {
    const store = memory();
    const { bus, clock } = await createTestBus({ store });
    const runs: string[] = [];
    const seen: unknown[] = [];
    bus.on(
      'order.placed',
      async (_, { attempt, effect }) => {
        seen.push(await effect('charge', () => ({ receipt: runs.push('charge') })));
        seen.push(await effect('mail', async () => runs.push('mail')));
        if (attempt < 3) throw new Error('later');
      },
      { retry: { attempts: 3, delay: '1s', jitter: 0 } },
    );
    const order = bus.emit('order.placed', { total: 5 });
    await clock.advance(10_000);
    await bus.settled();
    expect(runs).to.deep.equal(['charge', 'mail']);
    expect(seen).to.deep.equal([{ receipt: 1 }, 2, { receipt: 1 }, 2, { receipt: 1 }, 2]);
    const stored = await logged(store, true);
    expect(stored.map(({ type }) => type)).to.deep.equal(['order.placed', '$effect.done', '$effect.done']);
    expect(stored[1]).to.deep.include({
      id: effectId('on:order.placed', order.id, 'charge'),
      causationId: order.id,
      correlationId: order.id,
      payload: { recipient: 'on:order.placed', eventId: order.id, name: 'charge', result: { receipt: 1 } },
    });
  });

  it('throws what the function throws, stores nothing of it and tries it again', async () => {
    const store = memory();
    const { bus, clock } = await createTestBus({ store });
    let runs = 0;
    let result: unknown;
    bus.on(
      'a',
      async (_, context) => {
        result = await context.effect('once', () => {
          if (++runs < 2) throw new Error('not yet');
          return runs;
        });
      },
      { retry: true },
    );
    bus.emit('a', null);
    await clock.advance(10_000);
    expect([runs, result]).to.deep.equal([2, 2]);
    expect(await logged(store, true)).to.have.length(2);
  });

  it('gives the result back after a restart, from a real log', async () => {
    const folder = await mkdtemp(join(quickFolder(), 'telltale-effect-'));
    let runs = 0;
    const open = async (): Promise<Awaited<ReturnType<typeof createBus>>> => createBus({ store: jsonFile(folder) });
    const first = await open();
    first.on('a', async (_, context) => {
      await context.effect('pay', () => ({ id: ++runs }));
      throw new Error('died behind the effect');
    });
    first.on('$bus.handler.failed', () => undefined);
    first.emit('a', null);
    await first.settled();
    await first.close();
    const second = await open();
    const seen: unknown[] = [];
    second.on('a', async (_, context) => seen.push(await context.effect('pay', () => ({ id: ++runs }))));
    const report = await second.deadLetters.retry({});
    await second.close();
    await rm(folder, { recursive: true });
    expect(report.closed).to.equal(1);
    expect(runs).to.equal(1);
    expect(seen).to.deep.equal([{ id: 1 }]);
  });

  it('without a store, and for transient events, remembers for the attempts of one handling', async () => {
    for (const [store, transient] of [
      [undefined, false],
      [memory(), true],
    ] as const) {
      const clock = createVirtualClock();
      const bus = await createBus({ clock, ...(store && { store }) });
      let runs = 0;
      const seen: unknown[] = [];
      bus.on(
        'a',
        async (_, { attempt, effect }) => {
          seen.push(await effect('one', () => ++runs));
          if (attempt === 1) throw new Error('again');
        },
        { retry: true },
      );
      bus.emit('a', null, { transient });
      await clock.advance(10_000);
      bus.emit('a', null, { transient });
      await clock.advance(10_000);
      expect(seen).to.deep.equal([1, 1, 2, 2]);
      if (store) expect(await logged(store, true)).to.deep.equal([]);
    }
  });

  it('lets calls of one name share one run, also at the same time', async () => {
    const { bus } = await createTestBus({ store: memory() });
    const gate = createGate();
    let runs = 0;
    const run = (): Promise<number> => gate.promise.then(() => ++runs);
    let seen: readonly unknown[] = [];
    bus.on('a', async (_, { effect }) => {
      const both = [effect('same', run), effect('same', run)];
      seen = [...(await Promise.all(both)), await effect('same', run)];
    });
    bus.emit('a', null);
    await turn();
    gate.open();
    await bus.settled();
    expect([runs, seen]).to.deep.equal([1, [1, 1, 1]]);
  });

  it('keeps recipients, events and names apart', async () => {
    const { bus } = await createTestBus({ store: memory() });
    let runs = 0;
    const each = async (_: unknown, { effect }: { effect: (name: string, fn: () => number) => Promise<number> }) => {
      await effect('x', () => ++runs);
      await effect('y', () => ++runs);
    };
    bus.on('a', each);
    bus.on('*', each);
    bus.on('a', each, { group: 'workers' });
    bus.emit('a', null);
    bus.emit('a', null);
    await bus.settled();
    expect(runs).to.equal(12);
  });

  it('answers with plain data from the first time on', async () => {
    const { bus, clock } = await createTestBus({ store: memory() });
    const seen: unknown[] = [];
    bus.on(
      'a',
      async (_, { effect, attempt }) => {
        seen.push(await effect('when', () => ({ at: new Date(0), size: 1n, none: undefined })));
        seen.push(await effect('nothing', () => undefined));
        if (attempt === 1) throw new Error('again');
      },
      { retry: true },
    );
    bus.emit('a', null);
    await clock.advance(10_000);
    const plain = { at: '1970-01-01T00:00:00.000Z', size: '1' };
    expect(seen).to.deep.equal([plain, undefined, plain, undefined]);
  });

  it('waits for a store that does not answer, and stores the result once', async () => {
    const store = new FlakyStore();
    const { bus, clock } = await createTestBus({ store });
    let runs = 0;
    bus.on('a', (_, { effect }) => effect('x', () => ++runs), { retry: true });
    bus.emit('a', null);
    await bus.flush();
    store.faults.push({ before: unavailable() }, { after: unavailable() });
    await clock.advance(60_000);
    await bus.settled();
    expect(runs).to.equal(1);
    expect((await logged(store, true)).map(({ type }) => type)).to.deep.equal(['a', '$effect.done']);
  });

  it('stores a result for which there was no room at the next attempt, without running the function again', async () => {
    const store = new FlakyStore();
    const { bus, clock } = await createTestBus({ store, backlog: { events: 1 } });
    const gate = createGate();
    let isRunning = false;
    const run = (): Promise<number> => {
      isRunning = true;
      return gate.promise.then(() => ++runs);
    };
    const failed: unknown[] = [];
    let runs = 0;
    bus.on(
      'a',
      async (_, { effect }) => {
        await effect('x', run).catch((error: TelltaleError) => {
          failed.push(error.code);
          throw error;
        });
      },
      { retry: { attempts: 2, delay: '50s', maxDelay: '50s' } },
    );
    bus.emit('a', null);
    await bus.flush();
    await turnsUntil(() => isRunning);
    store.faults.push({ before: unavailable() });
    bus.emit('b', null);
    gate.open();
    await clock.advance(120_000);
    await bus.settled();
    expect([runs, failed]).to.deep.equal([1, ['STORE_BACKLOG_FULL']]);
    expect((await logged(store, true)).at(-1)!.type).to.equal('$effect.done');
  });

  it('runs nothing where the result could not be stored, and says why', async () => {
    const store = new FlakyStore();
    const { bus } = await createTestBus({ store });
    bus.on('$bus.**', () => undefined);
    let runs = 0;
    const failed: unknown[] = [];
    const gate = createGate();
    bus.on('a', async (_, { effect }) => {
      await gate.promise;
      await effect('x', () => ++runs).catch((error: TelltaleError) => failed.push(error.code));
    });
    bus.emit('a', null);
    await bus.flush();
    store.faults.push({ before: new TelltaleError('STORE_FAILED', 'the disk is gone') });
    await rejectionOf(bus.publish('b', null));
    gate.open();
    await bus.settled();
    expect([runs, failed]).to.deep.equal([0, ['STORE_FAILED']]);
  });

  it('gives back what another process was first to store', async () => {
    const store = memory();
    const { bus } = await createTestBus({ store });
    const gate = createGate();
    const seen: unknown[] = [];
    bus.on('a', async (_, { effect }) => {
      seen.push(await effect('x', () => gate.promise.then(() => 'mine')));
    });
    const { id, time } = bus.emit('a', null);
    await bus.flush();
    await turn();
    const done = { recipient: 'on:a', eventId: id, name: 'x', result: 'theirs' };
    const theirs = effectId('on:a', id, 'x');
    const event = { id: theirs, type: '$effect.done', source: 'other', time, correlationId: id, causationId: id };
    await store.append([{ ...event, schemaVersion: 1, payload: done, metadata: { $content: theirs } }]);
    gate.open();
    await bus.settled();
    expect(seen).to.deep.equal(['theirs']);
    expect((await logged(store, true)).filter(({ type }) => type === '$effect.done')).to.have.length(1);
  });

  it('refuses an effect within itself at once, and a bad name or function', async () => {
    const { bus } = await createTestBus({ store: memory() });
    const codes: unknown[] = [];
    bus.on('a', async (_, { effect }) => {
      const code = (error: TelltaleError): unknown => codes.push(error.code);
      await effect('x', () => effect('y', () => effect('x', () => 1))).catch(code);
      await effect('', () => 1).catch(code);
      await effect('z', 'no function' as never).catch(code);
      codes.push(await effect('x', () => effect('y', () => 'fine')));
    });
    bus.emit('a', null);
    await bus.settled();
    expect(codes).to.deep.equal(['WOULD_DEADLOCK', 'INVALID_OPTION', 'INVALID_OPTION', 'fine']);
  });

  it('is the cause of what is emitted inside', async () => {
    const { bus } = await createTestBus({ store: memory() });
    bus.on('a', (_, { effect }) =>
      effect('x', async () => {
        await turn();
        bus.emit('b', null);
      }),
    );
    const a = bus.emit('a', null);
    const b = await bus.once('b');
    expect([b.causationId, b.correlationId]).to.deep.equal([a.id, a.id]);
  });

  it('refuses a result that retention has removed, and does not run the function again', async () => {
    const store = memory();
    const { bus } = await createTestBus({ store });
    const runs = await failBehindEffect(bus);
    const done = (await logged(store, true)).find(({ type }) => type === '$effect.done')!;
    await store.remove([{ from: done.position, to: done.position }], 'test');
    const report = await bus.deadLetters.retry({});
    expect(report.failures[0]).to.have.nested.property('error.code', 'EVENTS_REMOVED');
    expect(runs()).to.equal(1);
  });

  it('lasts 30 days: a letter that is kept longer is not tried again after that', async () => {
    const rules = [{ match: '$dead-letter.**' }];
    const { bus, clock } = await createTestBus({ store: memory(), retention: { rules, firstSweepAtMost: 1 } });
    const runs = await failBehindEffect(bus);
    await clock.advance(29 * 86_400_000);
    await bus.retention.enforce();
    expect((await bus.deadLetters.retry({})).failures[0]).to.have.nested.property('error.message', 'no');
    await clock.advance(2 * 86_400_000);
    expect((await bus.retention.enforce()).removed.events).to.equal(1);
    expect((await bus.deadLetters.retry({})).failures[0]).to.have.nested.property('error.code', 'EVENTS_REMOVED');
    expect(runs()).to.equal(1);
  });

  it('is kept for 30 days where no rule decides about it', async () => {
    const { bus, clock } = await createTestBus({ store: memory(), retention: { firstSweepAtMost: 1 } });
    bus.on('a', (_, { effect }) => effect('x', () => 1));
    bus.emit('a', null);
    await turnsUntil(() => bus.metrics().stored === 2);
    await clock.advance(29 * 86_400_000);
    expect((await bus.retention.enforce()).removed.events).to.equal(0);
    await clock.advance(2 * 86_400_000);
    expect((await bus.retention.enforce()).removed.events).to.equal(1);
  });
});

async function recorded() {
  const { bus } = await createTestBus({ store: memory() });
  let runs = 0;
  bus.on('a', (_, { effect }) => effect('x', () => ++runs), { group: 'workers' });
  bus.emit('a', null);
  await bus.settled();
  return { bus, runs: () => runs };
}

describe('context.effect in a replay', () => {
  it('gives back what was stored, for whomever', async () => {
    const { bus, runs } = await recorded();
    const seen: unknown[] = [];
    const replay = bus.replay({ into: async (_, { effect }) => seen.push(await effect('x', () => 'again')) });
    await replay.finished;
    expect([seen, runs()]).to.deep.equal([[1], 1]);
  });

  it('refuses what was never carried out', async () => {
    const { bus } = await recorded();
    let ran = 0;
    const replay = bus.replay({ into: (_, { effect }) => effect('other', () => ++ran) });
    const { failures } = await replay.finished;
    expect(failures[0]!.error).to.have.property('code', 'REPLAY_CAPTURES');
    expect(ran).to.equal(0);
  });

  it('carries it out once where the replay accepts, marked', async () => {
    const { bus } = await recorded();
    let ran = 0;
    for (let i = 0; i < 2; i++)
      await bus.replay({ pattern: 'a', accept: true, into: (_, { effect }) => effect('other', () => ++ran) }).finished;
    expect(ran).to.equal(1);
    const { events } = await bus.query({ type: '$effect.done' });
    expect(events[1]!.metadata['$replay']).to.be.a('string');
  });
});
