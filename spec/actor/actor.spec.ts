import { expect } from 'chai';
import type { Actor, Behaviour } from '../../lib/acting-api.ts';
import type { Bus } from '../../lib/api.ts';
import { booksOf, createActorBus as createTestBus } from './actor-bus.ts';
import { codeOf } from '../support/code-of.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { createGate, turn, turnsUntil, type Gate } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

interface Count {
  readonly by: number;
  readonly of?: string;
}

const counter: Behaviour<number> = {
  initial: 0,
  receive: (count, { type, payload }, { answer }) => {
    if (type !== 'count.asked') return count + (payload as Count).by;
    answer(count);
    return undefined;
  },
};

/** An actor that handles each event when its gate is opened. */
function gated(bus: Bus, more: Partial<Behaviour<readonly unknown[]>> = {}) {
  const gates: Gate[] = [];
  const started: unknown[] = [];
  const actor: Actor<readonly unknown[]> = bus.actor<readonly unknown[]>('gated', {
    initial: [],
    receive: async (seen, { payload }) => {
      started.push(payload);
      const gate = createGate();
      gates.push(gate);
      await gate.promise;
      return [...seen, payload];
    },
    ...more,
  });
  return { actor, gates, started };
}

/** The answer, or the code of what is at the bottom of its refusal. */
const outcomeOf = async (answer: Promise<unknown>): Promise<unknown> =>
  answer.catch(({ code, cause }: { code: string; cause?: { code: string } }) => cause?.code ?? code);

describe('an actor', () => {
  refuseUnhandledRejections();

  it('makes a state of the events it is told, at once where it need not wait', async () => {
    const { bus } = await createTestBus();
    const actor = bus.actor('counter', counter);
    actor.tell('count', { by: 2 });
    actor.tell('count', { by: 3 });
    expect(await actor.state()).to.equal(5);
    expect(actor.instances()).to.deep.equal([{ key: 'main', status: 'idle', queued: 0, restarts: 0 }]);
    expect(booksOf(bus, 'counter')).to.include({ routed: 2, handled: 2 });
  });

  it('is told events of the bus: everybody hears them, and the log has them with the name of the actor', async () => {
    const { bus, ofType } = await createTestBus();
    const actor = bus.actor('counter', counter);
    const event = actor.tell('count', { by: 2 }, { entity: 'count/1', metadata: { tags: ['a'] } });
    await bus.flush();
    expect(ofType('count')).to.deep.equal([event]);
    const { events } = await bus.query({ type: 'count' });
    expect(events[0]!.metadata).to.deep.equal({ tags: ['a'], $to: 'counter' });
    expect(events[0]!.entity).to.equal('count/1');
    actor.tell('count', { by: 1 }, { transient: true });
    await bus.flush();
    expect(await bus.count({ type: 'count' })).to.equal(1);
    expect(await actor.state()).to.equal(3);
  });

  it('hears the patterns it is on, each event once, also one that is told to it', async () => {
    const { bus } = await createTestBus();
    const seen: string[] = [];
    const actor = bus.actor('ear', {
      initial: null,
      on: ['a.*', '*.b', 'a.b'],
      receive: (_, { type }) => void seen.push(type),
    });
    for (const type of ['a.a', 'a.b', 'b.b', 'b.c']) bus.emit(type, 1);
    actor.tell('a.b', 2);
    actor.tell('b.c', 2);
    expect(seen).to.deep.equal(['a.a', 'a.b', 'b.b', 'a.b', 'b.c']);
  });

  it('handles one event at a time, in order, across awaits', async () => {
    const { bus } = await createTestBus();
    const { actor, gates, started } = gated(bus);
    for (const payload of ['a', 'b', 'c']) actor.tell('x', payload);
    expect(started).to.deep.equal(['a']);
    expect(booksOf(bus, 'gated')).to.include({ running: 1, queued: 2 });
    expect(actor.instances()).to.deep.equal([{ key: 'main', status: 'running', queued: 2, restarts: 0 }]);
    for (let i = 0; i < 3; i++) {
      await turnsUntil(() => gates.length > i);
      gates[i]!.open();
    }
    await bus.settled();
    expect(await actor.state()).to.deep.equal(['a', 'b', 'c']);
    expect(booksOf(bus, 'gated')).to.include({ routed: 3, handled: 3, running: 0, queued: 0 });
  });

  it('has an instance for each key, which do not wait for each other', async () => {
    const { bus } = await createTestBus();
    const { actor, gates, started } = gated(bus, { key: 'payload.of' });
    for (const of of ['a', 'a', 'b']) actor.tell('x', { of });
    expect(started).to.deep.equal([{ of: 'a' }, { of: 'b' }]);
    gates[1]!.open();
    await turn();
    expect(await actor.state('b')).to.deep.equal([{ of: 'b' }]);
    expect(await actor.state('a')).to.deep.equal([]);
    expect(await actor.state('c')).to.equal(undefined);
    gates[0]!.open();
    await turnsUntil(() => gates.length === 3);
    gates[2]!.open();
    await bus.settled();
    expect(actor.instances().map(({ key }) => key)).to.deep.equal(['a', 'b']);
  });

  it('is told for an instance by its key, in place of what `key` says', async () => {
    const { bus } = await createTestBus();
    const actor = bus.actor('counter', {
      ...counter,
      initial: (key) => key.length,
      key: ({ payload }) => (payload as Count).of,
    });
    actor.tell('count', { by: 1, of: 'a' });
    actor.tell('count', { by: 1 }, { key: 'abc' });
    expect(await Promise.all(['a', 'abc'].map((key) => actor.state(key)))).to.deep.equal([2, 4]);
    expect(codeOf(() => actor.tell('count', { by: 1 }, { key: '' }))).to.equal('INVALID_OPTION');
    expect((await rejectionOf(actor.state())).code).to.equal('INVALID_OPTION');
  });

  it('makes a dead letter of an event whose key is missing or throws, and goes on', async () => {
    const { bus } = await createTestBus();
    const actor = bus.actor('counter', { ...counter, key: 'payload.of' });
    actor.tell('count', { by: 1 });
    actor.tell('count', { by: 1, of: 'a' });
    await bus.flush();
    expect(await actor.state('a')).to.equal(1);
    const [letter] = await bus.deadLetters.list();
    expect(letter).to.include({ recipient: 'actor:counter', eventType: 'count' });
    expect(booksOf(bus, 'counter')).to.include({ handled: 1, failed: 1 });
  });

  it('gives each instance a state of its own', async () => {
    const { bus } = await createTestBus();
    const actor = bus.actor<string[]>('list', {
      initial: [],
      key: 'type',
      receive: (list, { type }) => void list.push(type),
    });
    for (const type of ['a', 'b', 'a']) actor.tell(type, null);
    expect([await actor.state('a'), await actor.state('b')]).to.deep.equal([['a', 'a'], ['b']]);
  });

  it('answers whoever asks it; what it throws rejects the asker', async () => {
    const { bus } = await createTestBus();
    const actor = bus.actor('counter', { ...counter, supervise: { strategy: 'resume' } });
    actor.tell('count', { by: 7 });
    expect(await actor.ask('count.asked', null)).to.equal(7);
    const failing = bus.actor('failing', {
      initial: null,
      supervise: { strategy: 'resume' },
      receive: () => {
        throw new RangeError('too far');
      },
    });
    const error = await rejectionOf(failing.ask('far', null));
    expect([error.code, (error.cause as Error).message]).to.deep.equal(['ASK_FAILED', 'too far']);
    expect(await bus.deadLetters.list()).to.deep.equal([]);
    expect(booksOf(bus, 'counter')).to.include({ routed: 2, handled: 2 });
  });

  it('refuses at once to ask itself, and a round of questions', async () => {
    const { bus } = await createTestBus();
    const codes: string[] = [];
    const asks = async (whom: () => Actor, type: string): Promise<void> =>
      whom()
        .ask(type, null)
        .then(
          () => void codes.push('answered'),
          (error: { code: string; cause?: { code?: string } }) => void codes.push(error.cause?.code ?? error.code),
        );
    const self: Actor = bus.actor('self', {
      initial: 0,
      receive: () => asks(() => self, 'again').then(() => undefined),
    });
    self.tell('begin', null);
    await bus.settled();
    expect(codes.splice(0)).to.deep.equal(['ASK_CYCLE']);
    const left: Actor = bus.actor('left', {
      initial: 0,
      receive: async (_, { type }) => {
        if (type === 'begin') await asks(() => right, 'middle');
      },
    });
    const right: Actor = bus.actor('right', {
      initial: 0,
      supervise: { strategy: 'resume' },
      receive: async (_, __, { answer }) => answer(await left.ask('end', null)),
    });
    left.tell('begin', null);
    await bus.settled();
    expect(codes).to.deep.equal(['ASK_CYCLE']);
  });

  it('refuses at once a round of questions that begins with what it heard, or with `context.ask`', async () => {
    const { bus } = await createTestBus();
    const codes: unknown[] = [];
    const first: Actor = bus.actor('first', {
      initial: 0,
      on: 'heard',
      receive: async (_, { payload }, { ask }) => {
        const question =
          payload === 'own' ? first.ask('x', 1) : payload === 'type' ? ask('by.type', 1) : second.ask('x', 1);
        codes.push(await outcomeOf(question));
      },
    });
    const second = bus.actor('second', {
      initial: 0,
      supervise: { strategy: 'resume' },
      receive: async (_, __, { answer }) => answer(await outcomeOf(first.ask('x', 1))),
    });
    bus.answer('by.type', () => outcomeOf(first.ask('x', 1)));
    for (const payload of ['own', 'type', 'actor']) bus.emit('heard', payload);
    for (const payload of ['own', 'type', 'actor']) first.tell('told', payload);
    await bus.settled();
    expect(codes).to.deep.equal(Array.from({ length: 6 }, () => 'ASK_CYCLE'));
  });

  it('tells its instances apart in a round of questions, and its `receive` from other handlers of an event', async () => {
    const { bus } = await createTestBus();
    const outcomes: unknown[] = [];
    const keyed: Actor = bus.actor('keyed', {
      initial: 0,
      key: 'payload.of',
      receive: async (_, { payload }, { answer }) => {
        const { of, next } = payload as { of: string; next?: string };
        answer(next === undefined ? of : await outcomeOf(keyed.ask('x', { of: next })));
      },
    });
    for (const next of ['b', 'a']) outcomes.push(await keyed.ask('x', { of: 'a', next }));
    outcomes.push(await keyed.ask('x', { of: 'a', next: 'a' }, { key: 'b' }));
    expect(outcomes.splice(0)).to.deep.equal(['b', 'ASK_CYCLE', 'a']);
    const gate = createGate();
    const busy = bus.actor('busy', {
      initial: 0,
      receive: async (_, { type }, { answer }) => (type === 'asked' ? answer('fine') : gate.promise),
    });
    bus.on('told', async () => {
      setImmediate(() => gate.open());
      outcomes.push(await outcomeOf(busy.ask('asked', 1)), await outcomeOf(busy.stop()));
    });
    busy.tell('told', 1);
    await bus.settled();
    expect(outcomes).to.deep.equal(['fine', undefined]);
  });

  it('that wants publishers to wait holds up nothing for an instance that is free', async () => {
    const { bus } = await createTestBus();
    const gate = createGate();
    const handled: unknown[] = [];
    bus.actor('keyed', {
      initial: null,
      on: 'heard',
      key: 'payload',
      mailbox: { max: 2, overflow: 'wait' },
      receive: async (_, { payload }) => {
        if (payload === 'slow') await gate.promise;
        handled.push(payload);
      },
    });
    for (const payload of ['slow', 'slow', 'slow', 'quick']) bus.emit('heard', payload);
    await turn();
    expect(handled).to.deep.equal(['quick']);
    gate.open();
    await bus.settled();
    expect(booksOf(bus, 'keyed')).to.include({ handled: 4, dropped: 0 });
  });

  it('that has room is waited for again, whoever else was waited for in vain', async () => {
    const { bus, clock } = await createTestBus();
    const gate = createGate();
    const waiting = (name: string, on: string[], max: number): void =>
      void bus.actor(name, {
        initial: null,
        on,
        mailbox: { max, overflow: 'wait' },
        receive: async () => gate.promise,
      });
    waiting('stuck', ['heard'], 1);
    waiting('innocent', ['heard', 'own'], 5);
    for (let n = 0; n < 3; n++) bus.emit('heard', n);
    await turn();
    await clock.advance(60_000);
    for (let n = 0; n < 5; n++) bus.emit('own', n);
    await turn();
    expect([booksOf(bus, 'stuck').dropped, booksOf(bus, 'innocent').dropped]).to.deep.equal([1, 0]);
    gate.open();
    await bus.settled();
    expect(booksOf(bus, 'innocent')).to.include({ handled: 8, dropped: 0 });
  });

  it('stashes, over all its instances, no more than its mailbox holds, in events and in bytes', async () => {
    const { bus } = await createTestBus();
    const codes: unknown[] = [];
    const stashing = (name: string, mailbox: object): Actor =>
      bus.actor(name, {
        initial: 0,
        key: 'payload.of',
        mailbox,
        receive: (_, { type }, { stash, unstash }) => {
          if (type === 'go') return unstash();
          if (type === 'later')
            try {
              stash();
            } catch (error) {
              codes.push((error as { code: string }).code);
            }
        },
      });
    const few = stashing('few', { max: 2 });
    for (const of of ['a', 'b', 'c']) few.tell('later', { of });
    expect(codes.splice(0)).to.deep.equal(['MAILBOX_FULL']);
    expect(booksOf(bus, 'few').queuedBytes).to.be.greaterThan(0);
    await few.stop('a');
    few.tell('later', { of: 'c' });
    expect(codes).to.deep.equal([]);
    await few.stop();
    const small = stashing('small', { maxBytes: 3_000 });
    for (const of of ['a', 'b']) small.tell('later', { of, text: 'x'.repeat(2_000) });
    expect(codes).to.deep.equal(['MAILBOX_FULL']);
    small.tell('go', { of: 'a' });
    small.tell('go', { of: 'b' });
    await bus.settled();
    expect(booksOf(bus, 'small')).to.include({ queued: 1 });
  });

  it('says what its events come from, behind awaits and from the mailbox', async () => {
    const { bus, ofType } = await createTestBus();
    const actor = bus.actor('echo', {
      initial: null,
      receive: async (_, { payload }, { emit }) => {
        await turn();
        bus.emit('echoed', payload);
        emit('echoed', payload);
      },
    });
    const told = [1, 2, 3].map((n) => actor.tell('said', n));
    await bus.settled();
    const causes = ofType('echoed').map(({ causationId, correlationId }) => [causationId, correlationId]);
    expect(causes).to.deep.equal(
      told.flatMap(({ id }) => [
        [id, id],
        [id, id],
      ]),
    );
  });

  it('becomes another, stashes what it is not ready for, and takes it out in order', async () => {
    const { bus } = await createTestBus();
    const seen: unknown[] = [];
    const actor = bus.actor('door', {
      initial: null,
      receive: (_, { type }, { become, stash, unstash }) => {
        if (type !== 'door.opened') return stash();
        unstash();
        become((__, { payload }) => void seen.push(payload));
      },
    });
    for (const n of [1, 2]) actor.tell('knocked', n);
    expect(booksOf(bus, 'door')).to.include({ routed: 2, queued: 2, handled: 0 });
    expect(actor.instances()[0]!.queued).to.equal(2);
    await bus.settled();
    actor.tell('door.opened', null);
    actor.tell('knocked', 3);
    expect(seen).to.deep.equal([1, 2, 3]);
    expect(booksOf(bus, 'door')).to.include({ routed: 4, handled: 4, queued: 0 });
  });

  it('refuses to stash more than its mailbox may hold', async () => {
    const { bus } = await createTestBus();
    const actor = bus.actor('full', {
      initial: null,
      mailbox: { max: 2 },
      supervise: { strategy: 'resume' },
      receive: (_, __, { stash }) => stash(),
    });
    for (const n of [1, 2, 3]) actor.tell('x', n);
    expect(booksOf(bus, 'full')).to.include({ queued: 2, failed: 1 });
    await bus.flush();
    expect((await bus.deadLetters.list())[0]!.error.code).to.equal('MAILBOX_FULL');
  });

  it('stops behind the event in which it says so: what comes later is refused or a dead letter', async () => {
    const { bus } = await createTestBus();
    const { actor, gates } = gated(bus, {});
    const stopper = bus.actor('stopper', { initial: 0, receive: (_, __, { stop }) => stop() });
    stopper.tell('end', null);
    expect(codeOf(() => stopper.tell('more', null))).to.equal('ACTOR_STOPPED');
    expect((await rejectionOf(stopper.ask('more', null))).code).to.equal('ACTOR_STOPPED');
    actor.tell('x', 1);
    actor.tell('x', 2);
    const stopped = actor.stop();
    gates[0]!.open();
    await stopped;
    await bus.flush();
    expect(await bus.deadLetters.list()).to.have.lengthOf(1);
    expect(bus.metrics().actorsGone).to.include({ actors: 2, routed: 3, handled: 2, cancelled: 1 });
    expect(bus.metrics().actors).to.deep.equal([]);
    bus.actor('gated', counter).tell('count', { by: 1 });
  });

  it('stops one instance by its key; its next event begins it anew', async () => {
    const { bus } = await createTestBus();
    const actor = bus.actor('counter', { ...counter, key: 'payload.of' });
    for (const of of ['a', 'b']) actor.tell('count', { by: 1, of });
    await actor.stop('a');
    expect(actor.instances().map(({ key }) => key)).to.deep.equal(['b']);
    actor.tell('count', { by: 5, of: 'a' });
    expect([await actor.state('a'), await actor.state('b')]).to.deep.equal([5, 1]);
  });

  it('cannot wait for its own end', async () => {
    const { bus } = await createTestBus();
    const codes: string[] = [];
    const actor: Actor = bus.actor('self', {
      initial: null,
      receive: async (_, { type }, { spawn, self }) => {
        if (type === 'stop.self') codes.push((await rejectionOf(self.stop())).code);
        else
          spawn('child', {
            initial: 0,
            receive: async () => void codes.push((await rejectionOf(actor.stop())).code),
          }).tell('go', 1);
      },
    });
    actor.tell('stop.self', null);
    actor.tell('stop.parent', null);
    await bus.settled();
    expect(codes).to.deep.equal(['WOULD_DEADLOCK', 'WOULD_DEADLOCK']);
  });

  it('has children, one for each name, which end before it', async () => {
    const { bus, ofType } = await createTestBus();
    const order: unknown[] = [];
    bus.on('$actor.*', ({ type, payload }) => void order.push(`${type} ${(payload as { name: string }).name}`));
    const gate = createGate();
    const parent = bus.actor('parent', {
      initial: null,
      receive: (_, { payload }, { spawn }) => {
        const child = spawn('child', {
          initial: 0,
          receive: async (__, ___, { emit }) => {
            await gate.promise;
            emit('child.done', null);
          },
        });
        child.tell('work', payload);
      },
    });
    parent.tell('x', 1);
    parent.tell('x', 2);
    const stopped = parent.stop();
    await turn();
    expect(ofType('child.done')).to.have.lengthOf(0);
    gate.open();
    await stopped;
    expect(ofType('child.done')).to.have.lengthOf(1);
    expect(order).to.deep.equal([
      '$actor.started parent',
      '$actor.started parent/main/child',
      '$actor.stopped parent/main/child',
      '$actor.stopped parent',
    ]);
  });

  it('lets a closing bus wait for what it handles and what is queued, and stops then', async () => {
    const { bus, ofType } = await createTestBus();
    const { actor, gates } = gated(bus, {
      receive: async (seen, { payload }, { emit }) => {
        const gate = createGate();
        gates.push(gate);
        await gate.promise;
        emit('handled', payload);
        return seen;
      },
    });
    actor.tell('x', 1);
    actor.tell('x', 2);
    const closed = bus.close();
    await turn();
    gates[0]!.open();
    await turnsUntil(() => gates.length === 2);
    gates[1]!.open();
    expect(await closed).to.deep.equal({ cut: 0, stillRunning: 0, unstored: 0 });
    expect(ofType('handled').map(({ payload }) => payload)).to.deep.equal([1, 2]);
    expect(bus.metrics().actorsGone).to.include({ routed: 2, handled: 2 });
  });

  it('is cut when a closing bus has waited long enough, with a letter for what it had', async () => {
    const { bus, clock } = await createTestBus({ closeTimeout: '1s' });
    const { actor } = gated(bus);
    for (const n of [1, 2, 3]) actor.tell('x', n);
    const closing = bus.close();
    await clock.advance(5_000);
    expect(await closing).to.deep.equal({ cut: 2, stillRunning: 1, unstored: 0 });
    expect(bus.metrics().deadLetters).to.equal(3);
  });

  it('puts idle instances aside where it is told to, and not one that waits, stashes or has children', async () => {
    const { bus, clock } = await createTestBus();
    const gone: unknown[] = [];
    bus.on('$actor.passivated', ({ payload }) => void gone.push((payload as { key: string }).key));
    const actor = bus.actor('idler', {
      initial: 0,
      key: 'payload',
      idle: '1m',
      receive: (n, { payload }, { stash, spawn }) => {
        if (payload === 'stash') return stash();
        if (payload === 'child') spawn('child', counter);
        return n + 1;
      },
    });
    for (const payload of ['plain', 'stash', 'child']) actor.tell('x', payload);
    await clock.advance(59_000);
    actor.tell('x', 'late');
    await clock.advance(61_000);
    expect(gone).to.deep.equal(['plain', 'late']);
    expect(actor.instances().map(({ key }) => key)).to.deep.equal(['stash', 'child']);
    actor.tell('x', 'plain');
    expect(await actor.state('plain')).to.equal(1);
  });
});

describe('the mailbox of an actor', () => {
  refuseUnhandledRejections();

  it('turns away what it has no room for, by letter', async () => {
    const { bus } = await createTestBus();
    const { actor, gates } = gated(bus, { mailbox: { max: 2 } });
    for (const n of [1, 2, 3, 4, 5]) actor.tell('x', n);
    expect(booksOf(bus, 'gated')).to.include({ routed: 5, running: 1, queued: 2, dropped: 2 });
    await bus.flush();
    const letters = await bus.deadLetters.list();
    expect(letters.map(({ reason, recipient }) => [reason, recipient])).to.deep.equal([
      ['mailbox-full', 'actor:gated'],
      ['mailbox-full', 'actor:gated'],
    ]);
    for (let i = 0; i < 3; i++) {
      await turnsUntil(() => gates.length > i);
      gates[i]!.open();
    }
    await bus.settled();
    expect(await actor.state()).to.deep.equal([1, 2, 3]);
  });

  it('lets go of the oldest, or keeps the latest of each instance', async () => {
    for (const [overflow, kept] of [
      ['drop-oldest', [1, 4, 5]],
      ['latest-by-key', [1, 5]],
    ] as const) {
      const { bus } = await createTestBus();
      const { actor, gates } = gated(bus, { mailbox: { max: 2, overflow } });
      for (const n of [1, 2, 3, 4, 5]) actor.tell('x', n);
      for (let i = 0; i < kept.length; i++) {
        await turnsUntil(() => gates.length > i);
        gates[i]!.open();
      }
      await bus.settled();
      expect(await actor.state(), overflow).to.deep.equal(kept);
      expect(booksOf(bus, 'gated').dropped, overflow).to.equal(5 - kept.length);
    }
  });

  it('makes publishers wait for room where it says so', async () => {
    const { bus } = await createTestBus();
    const { actor, gates } = gated(bus, { mailbox: { max: 1, overflow: 'wait' } });
    for (const n of [1, 2, 3, 4]) actor.tell('x', n);
    expect(booksOf(bus, 'gated')).to.include({ routed: 2, dropped: 0 });
    for (let i = 0; i < 4; i++) {
      await turnsUntil(() => gates.length > i);
      gates[i]!.open();
    }
    await bus.settled();
    expect(await actor.state()).to.deep.equal([1, 2, 3, 4]);
    expect(booksOf(bus, 'gated')).to.include({ routed: 4, dropped: 0 });
  });

  it('gives a dead letter that is tried again to the actor', async () => {
    const { bus } = await createTestBus();
    let good = false;
    const actor = bus.actor('moody', {
      initial: 0,
      supervise: { strategy: 'resume' },
      receive: (n) => {
        if (!good) throw new Error('not today');
        return n + 1;
      },
    });
    actor.tell('x', 1);
    await bus.flush();
    const [letter] = await bus.deadLetters.list();
    good = true;
    await bus.deadLetters.retry(letter!.id);
    expect(await actor.state()).to.equal(1);
    expect(await bus.deadLetters.list()).to.deep.equal([]);
  });
});
