import { expect } from 'chai';
import type { Behaviour } from '../../lib/acting-api.ts';
import type { Bus } from '../../lib/api.ts';
import { createBus } from '../../lib/bus.ts';
import { runWithoutCause } from '../../lib/context.ts';
import type { StoredEvent } from '../../lib/event/event.ts';
import type { PendingAppend } from '../../lib/store/port.ts';
import { memory } from '../../plugins/memory/index.ts';
import { codeOf } from '../support/code-of.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate, turn, turnsUntil } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';
import { booksOf, createActorBus } from './actor-bus.ts';

interface Balance {
  readonly balance: number;
}

interface Money {
  readonly amount: number;
}

const account: Behaviour<Balance> = {
  initial: { balance: 0 },
  key: 'payload.account',
  receive: ({ balance }, { type, payload }, { answer, emit }) => {
    const { amount } = payload as Money;
    if (type === 'balance') return answer(balance);
    if (type === 'deposit') return { type: 'deposited', payload: { amount } };
    if (amount > balance) throw new Error('not enough');
    emit('receipt.printed', { amount });
    answer(balance - amount);
    return [{ type: 'withdrawn', payload: { amount } }];
  },
  apply: ({ balance }, { type, payload }) => {
    const { amount } = payload as Money;
    return { balance: type === 'deposited' ? balance + amount : balance - amount };
  },
};

const typesOf = (events: readonly StoredEvent[]): readonly string[] => events.map(({ type }) => type);

const codeOfRejection = async (promise: Promise<unknown>): Promise<string> => (await rejectionOf(promise)).code;

const answering = (answer: unknown): Behaviour<number> => ({
  initial: 0,
  receive: () => answer as never,
  apply: (n) => n,
});

async function streamOf(bus: Bus, entity: string): Promise<readonly StoredEvent[]> {
  await bus.flush();
  return (await bus.query({ where: { entity } })).events;
}

describe('an actor that is persisted by its events', () => {
  refuseUnhandledRejections();

  it('stands where its log does after a refused append, although `apply` changes the state in its place', async () => {
    await using bus = await createBus({ store: memory() });
    await bus.publish('x.y', 2, { id: 'taken' });
    const actor = bus.actor('counter', {
      initial: () => ({ n: 0 }),
      supervise: { strategy: 'resume' },
      receive: ({ n }, { payload }, { answer, emit }) => {
        answer(n);
        if (payload === 'bad') emit('x.y', 1, { id: 'taken' });
        return [{ type: 'counted' }, { type: 'counted', payload: payload === 'worse' ? 'no' : null }];
      },
      apply: (state, { payload }) => {
        if (payload === 'no') throw new Error('cannot be applied');
        state.n++;
        return state;
      },
    });
    expect(await actor.ask('count', 'good')).to.equal(0);
    for (const kind of ['bad', 'worse']) {
      expect(await codeOfRejection(actor.ask('count', kind))).to.equal('ASK_FAILED');
      expect(await actor.state()).to.deep.equal({ n: 2 });
      expect(await codeOfRejection(actor.ask('count', kind))).to.equal('ASK_FAILED');
    }
    expect(await actor.ask('count', 'good')).to.equal(2);
    expect(await actor.state()).to.deep.equal({ n: 4 });
    expect(await streamOf(bus, 'counter/main')).to.have.length(4);
  });

  it('shows and keeps nothing of what is still being stored, although `apply` changes the state in its place', async () => {
    const store = memory();
    const bus = await createBus({ store });
    const counter: Behaviour<{ n: number }> = {
      initial: () => ({ n: 0 }),
      receive: () => ({ type: 'counted' }),
      apply: (state) => {
        state.n++;
        return state;
      },
    };
    const actor = bus.actor('counter', counter);
    actor.tell('count', null);
    await bus.settled();
    const asked = createGate();
    const enqueue = store.enqueue.bind(store);
    const held: PendingAppend[] = [];
    store.enqueue = (append) => {
      held.push(append);
      asked.open();
    };
    actor.tell('count', null);
    await asked.promise;
    const saved = actor.snapshot();
    const state = actor.state();
    for (let i = 0; i < 3; i++) await turn();
    expect(await store.document('snapshots', 'counter/main')).to.equal(undefined);
    store.enqueue = enqueue;
    for (const append of held) enqueue(append);
    await saved;
    expect((await store.document('snapshots', 'counter/main'))!.value).to.deep.include({
      revision: 2,
      state: { n: 2 },
    });
    expect(await state).to.deep.equal({ n: 2 });
    expect(await bus.load('counter/main', counter)).to.deep.equal({ state: { n: 2 }, revision: 2 });
    await bus.close();
  });

  it('has stopped for everybody who asks for it on a closed bus', async () => {
    const bus = await createBus({ store: memory() });
    const actor = bus.actor('counter', { initial: 0, apply: (n) => n + 1, receive: () => undefined });
    await bus.close();
    expect(await codeOfRejection(actor.state())).to.equal('ACTOR_STOPPED');
    expect(await codeOfRejection(actor.snapshot())).to.equal('ACTOR_STOPPED');
    expect(codeOf(() => actor.tell('a.b', 1))).to.equal('ACTOR_STOPPED');
  });

  it('stores the facts it decides on as events of its entity, caused by what it was told', async () => {
    const { bus } = await createActorBus();
    const accounts = bus.actor('account', account);
    const told = accounts.tell('deposit', { account: 'a', amount: 5 });
    await bus.settled();
    const [fact] = await streamOf(bus, 'account/a');
    expect(fact).to.deep.include({ type: 'deposited', payload: { amount: 5 }, revision: 1, causationId: told.id });
    expect(await accounts.state('a')).to.deep.equal({ balance: 5 });
    expect(booksOf(bus, 'account')).to.include({ routed: 1, handled: 1 });
  });

  it('answers, and carries out what it emits, when its facts are stored, with them', async () => {
    const store = memory();
    const bus = await createBus({ store });
    const accounts = bus.actor('account', account);
    accounts.tell('deposit', { account: 'a', amount: 5 });
    await bus.settled();
    const heard: string[] = [];
    for (const pattern of ['withdrawn', 'receipt.printed']) bus.on(pattern, ({ type }) => void heard.push(type));
    const appends: PendingAppend[] = [];
    const enqueue = store.enqueue.bind(store);
    store.enqueue = (append) => void appends.push(append);
    const answer = accounts.ask('withdraw', { account: 'a', amount: 2 });
    let answered = 0;
    void answer.then(() => answered++);
    await turnsUntil(() => appends.length === 1);
    await turn();
    expect([heard, answered]).to.deep.equal([[], 0]);
    expect(appends[0]!.events.map(({ type }) => type)).to.deep.equal(['withdrawn', 'receipt.printed']);
    store.enqueue = enqueue;
    enqueue(appends[0]!);
    expect(await answer).to.equal(3);
    expect(heard).to.deep.equal(['withdrawn', 'receipt.printed']);
    await bus.close();
  });

  it('stores and emits nothing of what fails', async () => {
    const { bus, ofType } = await createActorBus();
    const failing: Behaviour<number> = {
      initial: 0,
      supervise: { strategy: 'resume' },
      receive: (_, { payload }, { emit }) => {
        emit('told', payload);
        bus.emit('told', payload);
        if (payload === 'throw') throw new Error('no');
        return { type: payload as string, payload: null };
      },
      apply: (count, { type }) => {
        if (type === 'unapplied') throw new Error('cannot');
        return type === 'nothing' ? (undefined as never) : count + 1;
      },
    };
    const actor = bus.actor('a', failing);
    for (const payload of ['throw', 'unapplied', 'nothing', '$no', 'fine']) actor.tell('x', payload);
    await bus.settled();
    expect(typesOf(await streamOf(bus, 'a/main'))).to.deep.equal(['fine']);
    expect(ofType('told').map(({ payload }) => payload)).to.deep.equal(['fine', 'fine']);
    expect(await actor.state()).to.equal(1);
    expect(booksOf(bus, 'a')).to.include({ failed: 4, handled: 1 });
  });

  it('lets nothing of what fails out of `withContext` and `record`, and all of it once that is over', async () => {
    const { bus, ofType } = await createActorBus();
    const later = createGate();
    const actor = bus.actor('a', {
      initial: 0,
      supervise: { strategy: 'resume' },
      receive: async (_, { payload }) => {
        await bus.withContext({ metadata: { userId: 'u' } }, async () => {
          bus.emit('within', payload);
          bus.record('tool', null, () => bus.emit('inside', payload));
          void later.promise.then(() => bus.emit('late', payload));
        });
        if (payload === 'bad') throw new Error('in vain');
        return [];
      },
      apply: (n) => n,
    });
    for (const payload of ['bad', 'good']) actor.tell('x', payload);
    await bus.settled();
    for (const type of ['within', 'inside', 'tool.started', 'tool.finished'])
      expect(ofType(type), type).to.have.lengthOf(1);
    const [inside] = ofType('inside');
    expect(inside).to.deep.include({ payload: 'good', causationId: ofType('tool.started')[0]!.id });
    expect(inside!.metadata).to.deep.include({ userId: 'u' });
    later.open();
    await turn();
    expect(ofType('late')).to.have.lengthOf(2);
  });

  it('tells other actors when its facts are stored, and not what it decided in vain', async () => {
    const { bus } = await createActorBus();
    const heard: unknown[] = [];
    const other = bus.actor<null>('other', { initial: null, receive: (_, { payload }) => void heard.push(payload) });
    const actor = bus.actor<number>('a', {
      initial: 0,
      supervise: { strategy: 'resume' },
      receive: (_, { payload }) => {
        other.tell('note', payload);
        if (payload === 'bad') throw new Error('in vain');
        return { type: 'noted', payload };
      },
      apply: (n) => n + 1,
    });
    for (const payload of ['good', 'bad', 'better']) actor.tell('x', payload);
    await bus.settled();
    expect(heard).to.deep.equal(['good', 'better']);
  });

  it('keeps nothing back of what is emitted by other handlers of its event, or transient, or later', async () => {
    const { bus, ofType } = await createActorBus();
    const gate = createGate();
    bus.on('x', (_, { emit }) => void emit('other', null));
    bus.actor('a', {
      initial: 0,
      on: 'x',
      receive: async (_, __, { emit }) => {
        emit('token', 'a', { transient: true });
        emit('kept', null);
        void turn()
          .then(turn)
          .then(() => gate.promise)
          .then(() => emit('late', null));
        await turn();
      },
      apply: (count) => count,
    });
    bus.emit('x', null);
    await turnsUntil(() => ofType('token').length > 0);
    expect([ofType('other').length, ofType('kept').length]).to.deep.equal([1, 0]);
    await bus.settled();
    expect(ofType('kept')).to.have.lengthOf(1);
    gate.open();
    await turn();
    expect(ofType('late')).to.have.lengthOf(1);
  });

  it('refuses what would wait for its own end', async () => {
    const { bus } = await createActorBus();
    const codes: string[] = [];
    bus.actor('a', {
      initial: 0,
      on: 'x',
      receive: async (_, __, { publish }) => {
        const batch = bus.batch().add('y', 1);
        const all = [
          publish('y', 1),
          bus.publish('y', 1),
          batch.commit(),
          bus.schedule('y', 1, { after: '1h' }),
          bus.schedules.cancel('y'),
          bus.withContext({}, () => bus.publish('y', 1)),
        ];
        for (const one of all) codes.push(await codeOfRejection(one));
      },
      apply: (count) => count,
    });
    bus.emit('x', null);
    await bus.settled();
    expect(codes).to.deep.equal(Array.from({ length: 6 }, () => 'WOULD_DEADLOCK'));
    expect(await bus.schedules.list()).to.deep.equal([]);
  });

  it('decides again where somebody else was faster, and repeats neither events nor effects', async () => {
    const { bus, ofType } = await createActorBus();
    const gate = createGate();
    const seen: number[] = [];
    let effects = 0;
    const actor = bus.actor<number>('a', {
      initial: 0,
      receive: async (sum, _, { emit, effect, answer }) => {
        seen.push(sum);
        emit('noted', sum);
        await effect('pay', () => ++effects);
        answer(sum);
        await gate.promise;
        return { type: 'added', payload: 1 };
      },
      apply: (sum, { payload }) => sum + (payload as number),
    });
    const answer = actor.ask('go', null, { store: true });
    await turnsUntil(() => seen.length === 1);
    await bus.publish('added', 10, { entity: 'a/main' });
    gate.open();
    expect(await answer).to.equal(10);
    expect(seen).to.deep.equal([0, 10]);
    expect([effects, ofType('noted').map(({ payload }) => payload)]).to.deep.equal([1, [10]]);
    expect(await actor.state()).to.equal(11);
  });

  it('gives up after ten races, as any other failure', async () => {
    const { bus } = await createActorBus();
    let runs = 0;
    const actor = bus.actor<number>('a', {
      initial: 0,
      supervise: { strategy: 'resume' },
      receive: async () => {
        runs++;
        await runWithoutCause(() => bus.publish('added', 1, { entity: 'a/main' }));
        return { type: 'added', payload: 1 };
      },
      apply: (sum) => sum + 1,
    });
    expect((await rejectionOf(actor.ask('go', null))).cause).to.have.property('code', 'EXPECTATION_FAILED');
    expect(runs).to.equal(10);
  });

  it('comes back with its state after a restart of the program, running `apply` alone', async () => {
    const store = memory();
    const first = await createBus({ store });
    const accounts = first.actor('account', account);
    for (const amount of [5, 7]) accounts.tell('deposit', { account: 'a', amount });
    await first.settled();
    expect(await accounts.state('a')).to.deep.equal({ balance: 12 });
    const events = (await first.query({})).events as StoredEvent[];
    await first.close();
    const again = memory();
    await again.open();
    await again.append(
      events.map((event) => ({ ...event, position: undefined, revision: undefined, storedAt: undefined })),
    );
    const bus = await createBus({ store: again });
    let received = 0;
    const back = bus.actor<Balance>('account', {
      ...account,
      receive: (state, event, context) => {
        received++;
        return account.receive(state, event, context);
      },
    });
    expect(await back.state('a')).to.deep.equal({ balance: 12 });
    expect(await back.ask('withdraw', { account: 'a', amount: 10 })).to.equal(2);
    expect(received).to.equal(1);
    expect((await streamOf(bus, 'account/a')).map(({ revision }) => revision)).to.deep.equal([1, 2, 3]);
    await bus.close();
  });

  it('is put aside when it has nothing to do, and brought back with its state', async () => {
    const { bus, clock, saidOf } = await createActorBus();
    const accounts = bus.actor('account', account);
    accounts.tell('deposit', { account: 'a', amount: 5 });
    await bus.settled();
    await clock.advance(600_001);
    expect(accounts.instances()).to.deep.equal([]);
    expect(await accounts.state('a')).to.deep.equal({ balance: 5 });
    accounts.tell('deposit', { account: 'a', amount: 1 });
    await bus.settled();
    expect(await accounts.state('a')).to.deep.equal({ balance: 6 });
    expect(saidOf('account')).to.deep.equal(['started', 'passivated', 'started']);
  });

  it('rebuilds after a failure from what is stored', async () => {
    const { bus, clock } = await createActorBus();
    const accounts = bus.actor('account', account);
    accounts.tell('deposit', { account: 'a', amount: 5 });
    accounts.tell('withdraw', { account: 'a', amount: 50 });
    accounts.tell('deposit', { account: 'a', amount: 2 });
    await turn();
    await clock.advance(10_000);
    expect(await accounts.state('a')).to.deep.equal({ balance: 7 });
    expect(booksOf(bus, 'account')).to.include({ handled: 2, failed: 1, restarts: 3 });
  });
});

describe('a snapshot of an actor', () => {
  refuseUnhandledRejections();

  it('is taken after so many facts, and by hand, and saves reading what lies before it', async () => {
    const store = memory();
    const { bus } = await createActorBus({ store });
    const accounts = bus.actor('account', { ...account, snapshot: { every: 3 } });
    for (let i = 0; i < 7; i++) accounts.tell('deposit', { account: 'a', amount: 1 });
    await bus.settled();
    await turn();
    const document = async () => (await store.document('snapshots', 'account/a'))?.value;
    expect(await document()).to.deep.include({
      entity: 'account/a',
      revision: 6,
      state: { balance: 6 },
      schemaVersion: 1,
    });
    await accounts.snapshot('a');
    expect(await document()).to.deep.include({ revision: 7, state: { balance: 7 } });
    const applied: number[] = [];
    const apply: Behaviour<Balance>['apply'] = (state, event) => {
      applied.push(1);
      return account.apply!(state, event);
    };
    accounts.tell('deposit', { account: 'a', amount: 1 });
    await bus.settled();
    expect(await bus.load('account/a', { ...account, apply })).to.deep.equal({ state: { balance: 8 }, revision: 8 });
    expect(applied).to.have.lengthOf(1);
    // Of another version, it is left alone.
    const other = { ...account, apply, schemaVersion: 2 };
    expect(await bus.load('account/a', other)).to.deep.equal({ state: { balance: 8 }, revision: 8 });
    expect(applied).to.have.lengthOf(9);
  });

  it('is refused for a state that is not plain data, and where there are no events', async () => {
    const { bus } = await createActorBus();
    const actor = bus.actor<Map<string, number>>('m', {
      initial: () => new Map(),
      receive: () => ({ type: 'counted', payload: 1 }),
      apply: (state) => new Map([...state, ['a', 1]]),
    });
    actor.tell('x', 1);
    await bus.settled();
    expect((await rejectionOf(actor.snapshot())).code).to.equal('PAYLOAD_NOT_PLAIN');
    const plain = bus.actor('p', { initial: 0, receive: () => 1 });
    expect((await rejectionOf(plain.snapshot())).code).to.equal('INVALID_OPTION');
  });

  it('stands in for events that retention has removed; without it their loss is told', async () => {
    const store = memory();
    const { bus, told } = await createActorBus({ store });
    const accounts = bus.actor('account', account);
    for (const of of ['a', 'b']) for (let i = 0; i < 3; i++) accounts.tell('deposit', { account: of, amount: 1 });
    await bus.settled();
    await accounts.snapshot('a');
    const { position } = await store.head();
    await accounts.stop();
    await store.remove([{ from: 1, to: position }], 'test');
    expect(await bus.load('account/a', account)).to.deep.equal({ state: { balance: 3 }, revision: 3 });
    const lost = await rejectionOf(bus.load('account/b', account));
    expect([lost.code, lost.details]).to.deep.equal(['EVENTS_REMOVED', { entity: 'account/b', from: 1, to: 3 }]);
    const again = bus.actor('account', account);
    again.tell('deposit', { account: 'a', amount: 1 });
    again.tell('deposit', { account: 'b', amount: 1 });
    await bus.settled();
    expect(await again.state('a')).to.deep.equal({ balance: 4 });
    expect(again.instances().find(({ key }) => key === 'b')).to.include({ status: 'stopped' });
    expect(told.some(({ type, key }) => type === '$actor.failed' && key === 'b')).to.equal(true);
  });
});

describe('an old event that `apply` cannot take', () => {
  refuseUnhandledRejections();

  it('keeps that instance from starting, naming position and event, and no other', async () => {
    const { bus, told } = await createActorBus();
    const bad = await bus.publish('deposited', { amount: 'a lot' }, { entity: 'account/a' });
    const strict: Behaviour<Balance> = {
      ...account,
      apply: (state, event) => {
        if (typeof (event.payload as Money).amount !== 'number') throw new TypeError('not a number');
        return account.apply!(state, event);
      },
    };
    const accounts = bus.actor('account', strict);
    for (const of of ['a', 'a', 'b']) accounts.tell('deposit', { account: of, amount: 1 });
    await bus.settled();
    expect(await accounts.state('b')).to.deep.equal({ balance: 1 });
    expect(accounts.instances().map(({ key, status }) => [key, status])).to.deep.equal([
      ['a', 'stopped'],
      ['b', 'idle'],
    ]);
    const error = await rejectionOf(accounts.state('a'));
    expect([error.code, error.details]).to.deep.equal([
      'REBUILD_FAILED',
      { entity: 'account/a', position: bad.position, revision: 1, eventId: bad.event.id, type: 'deposited' },
    ]);
    expect(error.message).to.include(bad.event.id).and.to.include('position 1').and.to.include('not a number');
    await bus.flush();
    const letters = await bus.deadLetters.list();
    expect(letters.map(({ error: { code } }) => code)).to.deep.equal(['REBUILD_FAILED', 'REBUILD_FAILED']);
    expect(told.filter(({ type }) => type === '$actor.failed')).to.have.lengthOf(1);
    expect(booksOf(bus, 'account')).to.include({ routed: 3, handled: 1, cancelled: 2 });
  });
});

describe('an actor that is persisted by its state', () => {
  refuseUnhandledRejections();
  const counter: Behaviour<{ readonly count: number }> = {
    initial: { count: 0 },
    persist: 'state',
    receive: ({ count }, { type }, { emit, answer }) => {
      if (type === 'asked') return answer(count);
      emit('counted', count + 1);
      return { count: count + 1 };
    },
  };

  it('stores each state with what it emits, and begins with the last', async () => {
    const { bus } = await createActorBus();
    const actor = bus.actor('c', counter);
    for (let i = 0; i < 3; i++) actor.tell('x', i);
    await bus.settled();
    const stored = await streamOf(bus, 'c/main');
    expect(stored).to.deep.equal([]);
    const { events } = await bus.query({ pattern: '$actor.state' });
    expect(events.map(({ entity, payload }) => [entity, payload])).to.deep.equal(
      [1, 2, 3].map((count) => ['c/main', { state: { count }, schemaVersion: 1 }]),
    );
    await actor.stop();
    expect(await bus.load('c/main', counter)).to.deep.equal({ state: { count: 3 }, revision: 3 });
    const again = bus.actor('c', counter);
    expect(await again.ask('asked', null)).to.equal(3);
    await again.stop();
    expect(await bus.actor('c', { ...counter, schemaVersion: 2 }).ask('asked', null)).to.equal(0);
  });

  it('is told where its last state was removed', async () => {
    const store = memory();
    const { bus } = await createActorBus({ store });
    const actor = bus.actor('c', counter);
    actor.tell('x', 1);
    await bus.settled();
    await actor.stop();
    await store.remove([{ from: 1, to: (await store.head()).position }], 'test');
    expect(await codeOfRejection(bus.load('c/main', counter))).to.equal('EVENTS_REMOVED');
    expect(await bus.load('d/main', counter)).to.deep.equal({ state: { count: 0 }, revision: 0 });
  });

  it('refuses a state that is not plain data', async () => {
    const { bus } = await createActorBus();
    const actor = bus.actor<unknown>('c', { ...counter, supervise: { strategy: 'resume' }, receive: () => new Map() });
    actor.tell('x', 1);
    await bus.settled();
    await bus.flush();
    expect((await bus.deadLetters.list())[0]!.error.code).to.equal('PAYLOAD_NOT_PLAIN');
  });
});

describe('decide', () => {
  refuseUnhandledRejections();

  it('loads, decides and stores; answers with events, state, revision and answer', async () => {
    const { bus, ofType } = await createActorBus();
    const deposited = await bus.decide('account/a', account, { type: 'deposit', payload: { amount: 5 } });
    expect(deposited).to.deep.include({ state: { balance: 5 }, revision: 1, answer: undefined });
    const { events, ...rest } = await bus.decide('account/a', account, { type: 'withdraw', payload: { amount: 2 } });
    expect(rest).to.deep.equal({ state: { balance: 3 }, revision: 2, answer: 3 });
    expect(events.map(({ type, entity }) => [type, entity])).to.deep.equal([['withdrawn', 'account/a']]);
    expect(ofType('withdraw')).to.deep.equal([]);
    expect(ofType('receipt.printed')).to.have.lengthOf(1);
    expect(await bus.load('account/a', account)).to.deep.equal({ state: { balance: 3 }, revision: 2 });
    expect(await bus.load('account/new', account)).to.deep.equal({ state: { balance: 0 }, revision: 0 });
  });

  it('lets none of a hundred at once go by what another has changed', async () => {
    const { bus } = await createActorBus();
    await bus.decide('account/a', account, { type: 'deposit', payload: { amount: 5 } });
    const withdraw = (): Promise<unknown> =>
      bus.decide('account/a', account, { type: 'withdraw', payload: { amount: 1 } });
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, withdraw));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).to.have.lengthOf(5);
    expect((await bus.load('account/a', account)).state).to.deep.equal({ balance: 0 });
  });

  it('belongs to the chain it is called in', async () => {
    const { bus } = await createActorBus();
    bus.on('order.placed', () => bus.decide('account/a', account, { type: 'deposit', payload: { amount: 5 } }));
    const order = bus.emit('order.placed', null);
    await bus.settled();
    const [fact] = await streamOf(bus, 'account/a');
    expect([fact!.causationId, fact!.correlationId]).to.deep.equal([order.id, order.id]);
  });

  it('refuses Promises among its facts, and takes their rejections for refused as well', async () => {
    const { bus } = await createActorBus();
    const behaviour = { ...account, receive: () => [1, Promise.reject(new Error('late'))] as never };
    expect(await codeOfRejection(bus.decide('n/1', behaviour, { type: 'deposit' }))).to.equal('INVALID_OPTION');
  });

  it('rejects with what is wrong, by name', async () => {
    const { bus } = await createActorBus();
    const command = { type: 'deposit', payload: { amount: 1 } };
    expect(await codeOfRejection(bus.decide('account', account, command))).to.equal('INVALID_ENTITY');
    expect(await codeOfRejection(bus.decide('account/a', { initial: 0, receive: () => 1 }, command))).to.equal(
      'INVALID_OPTION',
    );
    expect(await codeOfRejection(bus.decide('account/a', account, null as never))).to.equal('INVALID_OPTION');
    expect(await codeOfRejection(bus.decide('account/a', account, { type: '$x' }))).to.equal('RESERVED_TYPE');
    for (const answer of ['x', [1], { type: 1 }, { type: 'a', kind: 'b' }, { type: 'a', options: { entity: 'b/c' } }])
      expect(await codeOfRejection(bus.decide('n/1', answering(answer), command)), JSON.stringify(answer)).to.equal(
        'INVALID_OPTION',
      );
    const stashing: Behaviour<number> = { initial: 0, receive: (_, __, { stash }) => stash(), apply: (n) => n };
    expect(await codeOfRejection(bus.decide('n/1', stashing, command))).to.equal('NOT_SUPPORTED');
    const bare = await createBus({});
    expect(await codeOfRejection(bare.decide('account/a', account, command))).to.equal('STORE_REQUIRED');
    expect(codeOf(() => bare.actor('account', account))).to.equal('STORE_REQUIRED');
    await bare.close();
    expect(await codeOfRejection(bare.load('account/a', account))).to.equal('BUS_CLOSED');
  });
});

describe('a replay that captures', () => {
  refuseUnhandledRejections();

  it('captures what an actor is told, and refuses to start, stop, ask or decide', async () => {
    const { bus } = await createActorBus();
    const counter: Behaviour<number> = { initial: 0, receive: (n) => n + 1 };
    const actor = bus.actor('c', counter);
    await bus.publish('x', 1);
    const codes: string[] = [];
    const into = async (): Promise<void> => {
      actor.tell('y', 1);
      codes.push(codeOf(() => bus.actor('d', counter)));
      for (const one of [() => actor.stop(), () => actor.snapshot(), () => actor.ask('y', 1)])
        codes.push((await rejectionOf(one())).code);
      codes.push((await rejectionOf(bus.decide('account/a', account, { type: 'deposit' }))).code);
    };
    const { emitted } = await bus.replay({ pattern: 'x', into }).finished;
    expect(emitted.map(({ type }) => type)).to.deep.equal(['y']);
    expect(new Set(codes)).to.deep.equal(new Set(['REPLAY_CAPTURES']));
    expect(await actor.state()).to.equal(0);
  });
});
