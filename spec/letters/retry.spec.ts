import { expect } from 'chai';
import type { TelltaleEvent } from '../../lib/event/event.ts';
import { createTestBus } from '../../lib/testing.ts';
import { memory } from '../../plugins/memory/index.ts';
import { FlakyStore } from '../support/flaky-store.ts';
import { logged } from '../support/logged.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { turn, turnsUntil } from '../support/turns.ts';
import { quietBus } from './quiet-bus.ts';

const noKey = (): never => {
  throw new Error('no key');
};
const nothing = (): void => undefined;

const typesOf = (events: readonly TelltaleEvent[]): string[] => events.map(({ type }) => type);

describe('deadLetters.retry', () => {
  it('delivers the event again to the subscription it was meant for and to nobody else, and closes the letter', async () => {
    const { bus, store } = await quietBus();
    let broken = true;
    const seen: unknown[] = [];
    const others: unknown[] = [];
    bus.on('task.*', (event, context) => {
      if (broken) throw new Error('no database');
      seen.push([event.payload, context.position, context.replay, context.attempt]);
    });
    bus.on('**', ({ payload }) => void others.push(payload));
    bus.emit('task.created', { title: 'x' });
    await bus.flush();
    broken = false;
    const [letter] = await bus.deadLetters.list();
    const report = await bus.deadLetters.retry(letter!.id);
    expect(report).to.deep.equal({ closed: 1, failed: 0, impossible: 0, skipped: 0, more: false, failures: [] });
    expect(seen).to.deep.equal([[{ title: 'x' }, 1, undefined, 1]]);
    expect(others).to.have.length(1);
    expect(await bus.deadLetters.list()).to.deep.equal([]);
    const closed = await bus.deadLetters.get(letter!.id);
    expect(closed).to.deep.include({ state: 'closed', retries: 1 });
    expect(closed!.history).to.deep.equal([{ what: 'closed', time: letter!.time, attempt: 1 }]);
    expect(typesOf(await logged(store, true))).to.deep.equal([
      'task.created',
      '$dead-letter.opened',
      '$dead-letter.closed',
    ]);
  });

  it('notes a failed attempt, leaves the letter open and opens no second one', async () => {
    const { bus, store } = await quietBus();
    let failures = 0;
    bus.on('a', () => {
      throw new Error(`failure ${++failures}`);
    });
    const a = bus.emit('a', null);
    await bus.flush();
    const [letter] = await bus.deadLetters.list();
    const report = await bus.deadLetters.retry(letter!.id);
    expect(report).to.deep.include({ closed: 0, failed: 1 });
    expect(report.failures[0]).to.have.nested.property('error.message', 'failure 2');
    const [again, ...more] = await bus.deadLetters.list();
    expect(more).to.deep.equal([]);
    expect(again).to.include({ id: letter!.id, state: 'open', retries: 1 });
    expect(again!.history[0]).to.include({ what: 'retried', attempt: 1 });
    expect(again!.history[0]!.error).to.include({ message: 'failure 2' });
    const note = (await logged(store, true)).at(-1)!;
    expect(note).to.include({ type: '$dead-letter.retried', correlationId: a.id, causationId: letter!.id });
    expect(bus.metrics().subscriptions.find(({ pattern }) => pattern === 'a')).to.include({ failed: 2 });
  });

  it('makes what the handler emits an effect of the event', async () => {
    const { bus, store } = await quietBus();
    let broken = true;
    bus.on('a', (_, { emit }) => {
      if (broken) throw new Error('no');
      emit('b', null);
    });
    const a = bus.emit('a', null);
    await bus.flush();
    broken = false;
    await bus.deadLetters.retry({});
    await bus.flush();
    const b = (await logged(store, true)).find(({ type }) => type === 'b');
    expect(b).to.include({ causationId: a.id, correlationId: a.id });
  });

  it('says that nobody listens, leaves the letter as it is, and delivers once somebody does', async () => {
    const { bus } = await quietBus();
    const undo = bus.on('a', () => {
      throw new Error('no');
    });
    bus.emit('a', 7);
    await bus.flush();
    undo();
    bus.on('*', () => undefined);
    const report = await bus.deadLetters.retry({});
    expect(report).to.deep.include({ closed: 0, failed: 0, impossible: 1 });
    expect(report.failures[0]!.error).to.include({ code: 'RETRY_IMPOSSIBLE' });
    expect(report.failures[0]!.error.message).to.include('no subscription of `a` takes it now');
    expect((await bus.deadLetters.list())[0]).to.deep.include({ state: 'open', retries: 0, history: [] });
    const seen: unknown[] = [];
    bus.on('a', ({ payload }) => void seen.push(payload));
    await bus.deadLetters.retry({});
    expect(seen).to.deep.equal([7]);
  });

  it('hands events over in the order of their letters, through the mailbox and one at a time', async () => {
    const { bus } = await quietBus();
    let broken = true;
    let running = 0;
    const seen: unknown[] = [];
    bus.on('a', async ({ payload }) => {
      if (broken) throw new Error('no');
      running++;
      await turn();
      seen.push([payload, running]);
      running--;
    });
    for (let i = 0; i < 40; i++) bus.emit('a', i);
    await bus.settled();
    await bus.flush();
    broken = false;
    expect(await bus.deadLetters.retry({}, { concurrency: 8 })).to.deep.include({ closed: 40 });
    expect(seen).to.deep.equal(Array.from({ length: 40 }, (_, i) => [i, 1]));
  });

  it('gives the event of a group to one of its members, also before anything else was dispatched', async () => {
    const store = memory();
    const first = await quietBus({ store });
    first.bus.on('a', () => Promise.reject(new Error('no')), { group: 'g' });
    first.bus.emit('a', 1);
    await first.bus.close();
    const { bus } = await quietBus({ store });
    const seen: unknown[] = [];
    for (const member of ['m', 'n']) bus.on('a', () => void seen.push(member), { group: 'g' });
    bus.on('a', () => void seen.push('outside'));
    const [letter] = await bus.deadLetters.list();
    expect(letter).to.include({ recipient: 'a', group: 'g' });
    expect(await bus.deadLetters.retry({})).to.include({ closed: 1 });
    expect(seen).to.have.length(1);
    expect(seen).to.not.include('outside');
  });

  it('closes the letter of a member that was removed when another one handled the event', async () => {
    const { bus } = await quietBus();
    let mode: 'throws' | 'waits' = 'throws';
    const seen: unknown[] = [];
    let release = nothing;
    const undo = bus.on(
      'a',
      async ({ payload }) => {
        if (mode === 'throws') throw new Error('no');
        await new Promise<void>((resolve) => (release = resolve));
        seen.push(['first', payload]);
      },
      { group: 'g' },
    );
    bus.emit('a', 1);
    bus.emit('a', 2);
    await bus.settled();
    await bus.flush();
    mode = 'waits';
    const retrying = bus.deadLetters.retry({});
    await turnsUntil(() => figuresOf(bus, 'a').queued > 0);
    bus.on('a', ({ payload }) => void seen.push(['second', payload]), { group: 'g' });
    undo();
    release();
    expect(await retrying).to.include({ closed: 2 });
    expect(seen).to.have.deep.members([
      ['second', 2],
      ['first', 1],
    ]);
  });

  it('stays open where the subscription goes while the event waits for it', async () => {
    const { bus } = await quietBus();
    let broken = true;
    let release = nothing;
    const undo = bus.on('a', () => {
      if (broken) throw new Error('no');
      return new Promise<void>((resolve) => (release = resolve));
    });
    bus.emit('a', 1);
    bus.emit('a', 2);
    await bus.flush();
    broken = false;
    const retrying = bus.deadLetters.retry({});
    await turnsUntil(() => figuresOf(bus, 'a').queued > 0);
    undo();
    release();
    expect(await retrying).to.include({ closed: 1, skipped: 1 });
    expect((await bus.deadLetters.list())[0]).to.deep.include({ state: 'open', history: [] });
  });

  it('delivers what a full mailbox turned away, and notes where it is still full', async () => {
    const { bus } = await quietBus();
    let release = nothing;
    const seen: unknown[] = [];
    bus.on(
      'a',
      async ({ payload }) => {
        await new Promise<void>((resolve) => (release = resolve));
        seen.push(payload);
      },
      { mailbox: { max: 1 } },
    );
    for (const payload of [1, 2, 3]) bus.emit('a', payload);
    await bus.flush();
    const [letter] = await bus.deadLetters.list();
    expect(letter).to.include({ reason: 'mailbox-full' });
    const report = await bus.deadLetters.retry(letter!.id);
    expect(report.failures[0]!.error).to.include({ code: 'MAILBOX_FULL' });
    const ends = async (count: number): Promise<void> => {
      while (seen.length < count) {
        release();
        await turn();
      }
    };
    await ends(2);
    const retrying = bus.deadLetters.retry(letter!.id);
    await ends(3);
    expect(await retrying).to.include({ closed: 1 });
    expect(seen).to.deep.equal([1, 2, 3]);
    expect(await bus.deadLetters.list()).to.deep.equal([]);
  });

  it('tells a key function that fails again as a failed attempt', async () => {
    const { bus } = await quietBus();
    bus.on('a', nothing, { key: noKey });
    bus.emit('a', null);
    await bus.flush();
    expect(await bus.deadLetters.retry({})).to.include({ failed: 1 });
    expect(await bus.deadLetters.list()).to.have.length(1);
  });

  it('delivers what was cut at close, in the next run', async () => {
    const store = memory();
    const first = await quietBus({ store });
    first.bus.on('a', () => new Promise(() => undefined));
    first.bus.emit('a', 1);
    first.bus.emit('a', 2);
    await Promise.all([first.bus.close(), first.clock.advance(60_000)]);
    const { bus } = await quietBus({ store });
    const seen: unknown[] = [];
    bus.on('a', ({ payload }) => void seen.push(payload));
    const letters = await bus.deadLetters.list({ reason: 'cut' });
    expect(letters).to.have.length(2);
    expect(await bus.deadLetters.retry({ reason: 'cut' })).to.include({ closed: 2 });
    expect(seen).to.deep.equal([1, 2]);
  });

  it('brings old payloads up to date before it delivers them', async () => {
    const store = memory();
    const first = await quietBus({ store });
    first.bus.on('a', () => Promise.reject(new Error('no')));
    first.bus.emit('a', { n: 1 });
    await first.bus.close();
    const upcast = { 1: (payload: unknown) => ({ ...(payload as object), currency: 'EUR' }) };
    const { bus } = await quietBus({ store, events: { a: { version: 2, upcast } } });
    const seen: unknown[] = [];
    bus.on('a', ({ payload, schemaVersion }) => void seen.push([payload, schemaVersion]));
    await bus.deadLetters.retry({});
    expect(seen).to.deep.equal([[{ n: 1, currency: 'EUR' }, 2]]);
  });

  it('says so where the event was removed from the log', async () => {
    const { bus, store } = await quietBus();
    bus.on('a', () => {
      throw new Error('no');
    });
    bus.emit('a', null);
    await bus.flush();
    await store.remove([{ from: 1, to: 1 }], 'test');
    const { failures } = await bus.deadLetters.retry({});
    expect(failures[0]!.error).to.include({ code: 'RETRY_IMPOSSIBLE' });
    expect(failures[0]!.error.message).to.include('removed from the log (position 1)');
  });

  it('tries a letter several times within one call, with growing pauses', async () => {
    const { bus, clock } = await quietBus();
    let calls = 0;
    bus.on('a', () => {
      if (++calls < 4) throw new Error(`failure ${calls}`);
    });
    bus.emit('a', null);
    await bus.flush();
    const retry = { attempts: 5, delay: 100, jitter: 0 };
    const retrying = bus.deadLetters.retry({}, { retry });
    await turnsUntil(() => calls === 2);
    await clock.advance(99);
    expect(calls).to.equal(2);
    await clock.advance(1);
    await turnsUntil(() => calls === 3);
    await clock.advance(200);
    expect(await retrying).to.include({ closed: 1, failed: 0 });
    const [letter] = await bus.deadLetters.list({ state: 'closed' });
    expect(letter!.history.map(({ what, attempt }) => [what, attempt])).to.deep.equal([
      ['retried', 1],
      ['retried', 2],
      ['closed', 3],
    ]);
  });

  it('takes no more letters than the limit and says that there are more', async () => {
    const { bus } = await quietBus();
    let broken = true;
    const seen: unknown[] = [];
    bus.on('a', ({ payload }) => {
      if (broken) throw new Error('no');
      seen.push(payload);
    });
    for (let i = 0; i < 5; i++) bus.emit('a', i);
    await bus.flush();
    broken = false;
    expect(await bus.deadLetters.retry({}, { limit: 3 })).to.include({ closed: 3, more: true });
    expect(seen).to.deep.equal([0, 1, 2]);
    expect(await bus.deadLetters.retry({}, { limit: 2 })).to.include({ closed: 2, more: false });
  });

  it('retries several by id; unknown, settled and busy ones are skipped', async () => {
    const { bus } = await quietBus();
    let broken = true;
    let release = nothing;
    bus.on('a', () => {
      if (broken) throw new Error('no');
      return new Promise<void>((resolve) => (release = resolve));
    });
    for (let i = 0; i < 2; i++) bus.emit('a', i);
    await bus.flush();
    broken = false;
    const [second, first] = (await bus.deadLetters.list()).map(({ id }) => id) as [string, string];
    await bus.deadLetters.discard(first);
    const retrying = bus.deadLetters.retry([second]);
    await turnsUntil(() => figuresOf(bus, 'a').running > 0);
    expect(await bus.deadLetters.retry([first, second, 'none'])).to.include({ closed: 0, skipped: 3 });
    expect(await bus.deadLetters.discard(second)).to.include({ discarded: 0, skipped: 1 });
    release();
    expect(await retrying).to.include({ closed: 1 });
  });

  it('lets a bus that closes store how the attempts under way ended', async () => {
    const { bus, store } = await quietBus();
    let broken = true;
    let release = nothing;
    bus.on('a', () => {
      if (broken) throw new Error('no');
      return new Promise<void>((resolve) => (release = resolve));
    });
    bus.emit('a', null);
    await bus.flush();
    broken = false;
    const retrying = bus.deadLetters.retry({});
    await turnsUntil(() => figuresOf(bus, 'a').running > 0);
    const closing = bus.close();
    await turn();
    release();
    await closing;
    expect(await retrying).to.include({ closed: 1 });
    const next = await createTestBus({ store });
    expect(await next.bus.deadLetters.list()).to.deep.equal([]);
  });

  it('ends with the bus where a handler does not, and opens no second letter', async () => {
    const { bus, clock, store } = await quietBus();
    let broken = true;
    bus.on('a', () => {
      if (broken) throw new Error('no');
      return new Promise<void>(() => undefined);
    });
    bus.emit('a', null);
    await bus.flush();
    broken = false;
    const retrying = bus.deadLetters.retry({});
    await turnsUntil(() => figuresOf(bus, 'a').running > 0);
    const [report] = await Promise.all([bus.close(), clock.advance(60_000)]);
    expect(report).to.include({ stillRunning: 1 });
    expect(await retrying).to.include({ closed: 0, skipped: 1 });
    const next = await createTestBus({ store });
    expect(await next.bus.deadLetters.list()).to.have.length(1);
  });

  it('is refused by a bus that is closed, and by one that can note nothing', async () => {
    const store = new FlakyStore();
    const { bus } = await quietBus({ store });
    bus.on('a', () => {
      throw new Error('no');
    });
    bus.emit('a', null);
    await bus.flush();
    const [letter] = await bus.deadLetters.list();
    await bus.close();
    expect((await rejectionOf(bus.deadLetters.retry(letter!.id))).code).to.equal('BUS_CLOSED');
  });

  it('delivers once more after a crash between the success and its note', async () => {
    const store = memory();
    const first = await quietBus({ store });
    let broken = true;
    let handled = 0;
    first.bus.on('a', () => {
      if (broken) throw new Error('no');
      handled++;
    });
    first.bus.emit('a', null);
    await first.bus.flush();
    broken = false;
    // The crash: what is written from now on never reaches the log.
    const survived = await logged(store, true);
    store.enqueue = () => undefined;
    void first.bus.deadLetters.retry({}).catch(() => undefined);
    await turnsUntil(() => handled > 0);
    const { bus, store: restored } = await quietBus();
    await restored.append(survived);
    bus.on('a', () => void handled++);
    expect(await bus.deadLetters.retry({})).to.include({ closed: 1 });
    expect(handled).to.equal(2);
  });
});

describe('deadLetters.retry of what was refused or not stored', () => {
  it('publishes the event again with its id, correlation and entity', async () => {
    const { bus, events } = await quietBus();
    let strict = true;
    const schema = {
      '~standard': {
        version: 1 as const,
        vendor: 'test',
        validate: (value: unknown) => (strict ? { issues: [{ message: 'no' }] } : { value }),
      },
    };
    bus.schemas.register('a', 1, schema);
    const options = { id: 'mine', entity: 'x/1', correlationId: 'c', time: 5, metadata: { userId: 'u' } };
    expect(() => bus.emit('a', { n: 1 }, options)).to.throw();
    await bus.flush();
    expect(await bus.deadLetters.retry({})).to.deep.include({ closed: 0, failed: 1 });
    expect(await bus.deadLetters.list()).to.have.length(1);
    strict = false;
    expect(await bus.deadLetters.retry({})).to.deep.include({ closed: 1 });
    expect(events).to.have.length(1);
    expect(events[0]).to.deep.include({ ...options, type: 'a', payload: { n: 1 } });
    expect(await bus.get('mine')).to.deep.include({ payload: { n: 1 } });
    const [letter] = await bus.deadLetters.list({ state: 'closed' });
    expect(letter).to.include({ retries: 2, reason: 'refused' });
  });

  it('stores nothing twice where the note of an earlier retry was lost', async () => {
    const { bus, events } = await quietBus();
    expect(() => bus.emit('a', { at: new Date(0) })).to.throw();
    await bus.flush();
    const [letter] = await bus.deadLetters.list();
    await bus.deadLetters.retry(letter!.id);
    await bus.publish('a', events[0]!.payload, { id: events[0]!.id });
    expect(events).to.have.length(1);
    expect(events[0]!.id).to.equal(`${letter!.id}#again`);
  });

  it('leaves a conflict of ids as one letter', async () => {
    const { bus } = await quietBus();
    await bus.publish('a', 1, { id: 'one' });
    await rejectionOf(bus.publish('a', 2, { id: 'one' }));
    const { failures } = await bus.deadLetters.retry({});
    expect(failures[0]!.error).to.include({ code: 'EVENT_CONFLICT' });
    await bus.flush();
    expect(await bus.deadLetters.list()).to.have.length(1);
  });

  it('says so where the event was too large to be kept whole', async () => {
    const { bus } = await quietBus();
    expect(() => bus.emit('a', { text: 'x'.repeat(100_000), n: NaN })).to.throw();
    await bus.flush();
    const { failures, impossible } = await bus.deadLetters.retry({});
    expect(impossible).to.equal(1);
    expect(failures[0]!.error).to.include({ code: 'RETRY_IMPOSSIBLE' });
    expect(failures[0]!.error.message).to.include('too large to be kept whole');
  });
});

function figuresOf(
  bus: { metrics(): { readonly subscriptions: readonly { pattern: string; running: number; queued: number }[] } },
  pattern: string,
) {
  return bus.metrics().subscriptions.find((each) => each.pattern === pattern)!;
}
