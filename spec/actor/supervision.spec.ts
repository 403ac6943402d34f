import { expect } from 'chai';
import type { Behaviour } from '../../lib/acting-api.ts';
import { codeOf } from '../support/code-of.ts';
import { createGate } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';
import { booksOf, createActorBus } from './actor-bus.ts';

/** Counts what it is told; throws where the payload says so. */
const brittle: Behaviour<number> = {
  initial: 0,
  receive: (count, { payload }) => {
    if (payload === 'bad') throw new Error('bad luck');
    return count + 1;
  },
};
const steady = { delay: '1s', factor: 2, maxDelay: '4s', jitter: 0 } as const;

describe('the supervision of an actor', () => {
  refuseUnhandledRejections();

  it('resumes with the state there is, and makes a dead letter of the event', async () => {
    const { bus, saidOf } = await createActorBus();
    const actor = bus.actor('a', { ...brittle, supervise: { strategy: 'resume' } });
    for (const payload of ['good', 'bad', 'good']) actor.tell('x', payload);
    expect(await actor.state()).to.equal(2);
    expect(saidOf('a')).to.deep.equal(['started', 'failed']);
    await bus.flush();
    const [letter] = await bus.deadLetters.list();
    expect(letter).to.include({ reason: 'handler-failed', recipient: 'actor:a', attempts: 1 });
    expect(letter!.error.message).to.equal('bad luck');
    expect(booksOf(bus, 'a')).to.include({ routed: 3, handled: 2, failed: 1, restarts: 0 });
  });

  it('restarts with a fresh state, waits longer each time, and gives an event up after its attempts', async () => {
    const { bus, clock, saidOf } = await createActorBus();
    const seen: unknown[] = [];
    const actor = bus.actor<number>('a', {
      ...brittle,
      supervise: { attempts: 3, backoff: steady },
      receive: (count, event, context) => {
        seen.push([clock.monotonic(), event.payload, context.attempt, count]);
        return brittle.receive(count, event, context);
      },
    });
    for (const payload of ['good', 'bad', 'good']) actor.tell('x', payload);
    expect(actor.instances()[0]).to.include({ status: 'restarting', queued: 1, restarts: 1 });
    expect(booksOf(bus, 'a')).to.include({ handled: 1, running: 1, queued: 1 });
    await clock.advance(60_000);
    expect(seen).to.deep.equal([
      [0, 'good', 1, 0],
      [0, 'bad', 1, 1],
      [1_000, 'bad', 2, 0],
      [3_000, 'bad', 3, 0],
      [7_000, 'good', 1, 0],
    ]);
    expect(saidOf('a').filter((type) => type === 'restarted')).to.have.lengthOf(3);
    expect(await actor.state()).to.equal(1);
    expect(booksOf(bus, 'a')).to.include({ routed: 3, handled: 2, failed: 1, running: 0, restarts: 3 });
    await bus.flush();
    expect((await bus.deadLetters.list()).map(({ attempts }) => attempts)).to.deep.equal([3]);
  });

  it('stops after 10 restarts within a minute, says so, and makes dead letters of what waits', async () => {
    const { bus, clock, told } = await createActorBus();
    const actor = bus.actor('a', { ...brittle, supervise: { backoff: { delay: 10, factor: 1, jitter: 0 } } });
    for (let i = 0; i < 6; i++) actor.tell('x', 'bad');
    await clock.advance(5_000);
    expect(told.find(({ type }) => type === '$actor.stopped')).to.include({ name: 'a', reason: 'gave-up' });
    expect(codeOf(() => actor.tell('x', 'good'))).to.equal('ACTOR_STOPPED');
    await bus.flush();
    // Three attempts each; the eleventh failure is the second of the fourth event.
    expect(
      (await bus.deadLetters.list())
        .map(({ reason }) => reason)
        .toSorted()
        .toReversed(),
    ).to.deep.equal([...Array<string>(4).fill('handler-failed'), ...Array<string>(2).fill('cut')]);
    expect(bus.metrics().actorsGone).to.include({ routed: 6, failed: 4, cancelled: 2, restarts: 10 });
  });

  it('goes on for ever where failures are rarer than that', async () => {
    const { bus, clock } = await createActorBus();
    const actor = bus.actor('a', {
      ...brittle,
      supervise: { attempts: 1, backoff: { delay: 10, jitter: 0 }, maxRestarts: 2 },
    });
    for (let i = 0; i < 20; i++) {
      actor.tell('x', 'bad');
      await clock.advance(31_000);
    }
    actor.tell('x', 'good');
    expect(await actor.state()).to.equal(1);
    expect(booksOf(bus, 'a')).to.include({ failed: 20, handled: 1, restarts: 20 });
  });

  it('leaves other instances alone, and begins a failed one anew when its time is over', async () => {
    const { bus, clock } = await createActorBus();
    const actor = bus.actor<number>('a', {
      ...brittle,
      key: ({ metadata }) => metadata['of'],
      supervise: { strategy: 'stop' },
    });
    const tell = (of: string, payload: string): unknown => actor.tell('x', payload, { metadata: { of } });
    for (const of of ['a', 'b']) tell(of, 'good');
    tell('a', 'bad');
    tell('a', 'good');
    tell('b', 'good');
    expect(actor.instances()).to.deep.equal([
      { key: 'a', status: 'stopped', queued: 0, restarts: 0 },
      { key: 'b', status: 'idle', queued: 0, restarts: 0 },
    ]);
    expect(booksOf(bus, 'a')).to.include({ instances: 1, routed: 5, handled: 3, failed: 1, cancelled: 1 });
    await clock.advance(61_000);
    tell('a', 'good');
    expect([await actor.state('a'), await actor.state('b')]).to.deep.equal([1, 2]);
    tell('a', 'bad');
    await actor.stop();
    expect(actor.instances()).to.deep.equal([]);
  });

  it('stops at once where it says so', async () => {
    const { bus, saidOf } = await createActorBus();
    const actor = bus.actor('a', { ...brittle, supervise: { strategy: 'stop' } });
    actor.tell('x', 'bad');
    expect(codeOf(() => actor.tell('x', 'good'))).to.equal('ACTOR_STOPPED');
    expect(saidOf('a')).to.deep.equal(['started', 'failed', 'stopped']);
  });

  it('leaves it to the parent: which begins anew, without its children', async () => {
    const { bus, clock, saidOf } = await createActorBus();
    const parent = bus.actor<number>('p', {
      initial: 0,
      supervise: { backoff: steady },
      receive: (count, { type, payload }, { spawn }) => {
        if (type === 'work') spawn('c', { ...brittle, supervise: { strategy: 'escalate' } }).tell('x', payload);
        return count + 1;
      },
    });
    parent.tell('work', 'good');
    parent.tell('work', 'bad');
    expect(saidOf('p/main/c')).to.deep.equal(['started', 'failed', 'stopped']);
    await clock.advance(2_000);
    expect(saidOf('p').filter((type) => type === 'restarted')).to.have.lengthOf(1);
    expect(await parent.state()).to.equal(0);
    parent.tell('work', 'good');
    await bus.settled();
    expect(saidOf('p/main/c')).to.deep.equal(['started', 'failed', 'stopped', 'started']);
    await bus.flush();
    expect((await bus.deadLetters.list()).map(({ recipient }) => recipient)).to.deep.equal(['actor:p/main/c']);
  });

  it('stops children when their parent begins anew', async () => {
    const { bus, clock, saidOf } = await createActorBus();
    const parent = bus.actor<number>('p', {
      ...brittle,
      supervise: { attempts: 1, backoff: steady },
      receive: (count, event, context) => {
        context.spawn('c', brittle);
        return brittle.receive(count, event, context);
      },
    });
    parent.tell('x', 'good');
    parent.tell('x', 'bad');
    await clock.advance(2_000);
    expect(saidOf('p/main/c')).to.deep.equal(['started', 'stopped']);
    expect(booksOf(bus, 'p')).to.include({ handled: 1, failed: 1 });
  });

  it('supervises what is rejected as what is thrown, and an `initial` that throws', async () => {
    const { bus, clock, saidOf, told } = await createActorBus();
    const gate = createGate();
    const actor = bus.actor<number>('a', {
      initial: 0,
      supervise: { strategy: 'resume' },
      receive: async (count) => {
        await gate.promise;
        if (count === 0) throw new Error('late');
        return count;
      },
    });
    actor.tell('x', 1);
    gate.open();
    await bus.settled();
    expect(booksOf(bus, 'a')).to.include({ failed: 1 });
    const broken = bus.actor<number>('b', {
      initial: () => {
        throw new Error('no beginning');
      },
      supervise: { maxRestarts: 3, backoff: steady },
      receive: () => 1,
    });
    await clock.advance(2_000);
    expect(broken.instances()[0]).to.include({ status: 'restarting', restarts: 2 });
    await clock.advance(60_000);
    expect(codeOf(() => broken.tell('x', 1))).to.equal('ACTOR_STOPPED');
    expect(saidOf('b')).to.deep.equal(['failed', 'failed', 'failed', 'failed', 'stopped']);
    expect((told.at(-1)!['error'] as Error).message).to.equal('no beginning');
  });

  it('does not wait for a restart when it is stopped by hand', async () => {
    const { bus, saidOf } = await createActorBus();
    const actor = bus.actor('a', { ...brittle, supervise: { backoff: { delay: '1h', maxDelay: '1h' } } });
    for (const payload of ['bad', 'good']) actor.tell('x', payload);
    await actor.stop();
    expect(saidOf('a')).to.deep.equal(['started', 'failed', 'stopped']);
    expect(bus.metrics().actorsGone).to.include({ routed: 2, failed: 1, cancelled: 1 });
  });

  it('refuses what is no behaviour, naming it', async () => {
    const { bus } = await createActorBus();
    const refused = (behaviour: object, name = 'a'): string =>
      codeOf(() => bus.actor(name, behaviour as Behaviour<number>));
    expect(refused({ initial: 0 })).to.equal('INVALID_OPTION');
    expect(refused({ ...brittle, recieve: 1 })).to.equal('INVALID_OPTION');
    expect(refused({ ...brittle, supervise: { strategy: 'pray' } })).to.equal('INVALID_OPTION');
    expect(refused({ ...brittle, supervise: { attempts: 0 } })).to.equal('INVALID_OPTION');
    expect(refused({ ...brittle, supervise: { within: 'soon' } })).to.equal('INVALID_DURATION');
    expect(refused({ ...brittle, supervise: { maxRestarts: -1 } })).to.equal('INVALID_OPTION');
    expect(refused({ ...brittle, mailbox: { overflow: 'lag' } })).to.equal('INVALID_OPTION');
    expect(refused({ ...brittle, mailbox: { max: 0 } })).to.equal('INVALID_OPTION');
    expect(refused({ ...brittle, on: 'a..b' })).to.equal('INVALID_PATTERN');
    expect(refused({ ...brittle, key: 'payload.__proto__' })).to.equal('INVALID_PATH');
    expect(refused({ ...brittle, idle: 0 })).to.equal('INVALID_OPTION');
    expect(refused({ ...brittle, persist: 'events' })).to.equal('INVALID_OPTION');
    expect(refused({ ...brittle, apply: () => 0, persist: 'state' })).to.equal('INVALID_OPTION');
    expect(refused({ ...brittle, snapshot: { every: 5 } })).to.equal('INVALID_OPTION');
    expect(refused({ ...brittle, schemaVersion: 0 })).to.equal('INVALID_OPTION');
    expect(refused({ ...brittle, initial: { run: () => 1 } })).to.equal('INVALID_OPTION');
    expect(refused(brittle, 'a/b')).to.equal('INVALID_OPTION');
    expect(refused(brittle, '$a')).to.equal('INVALID_OPTION');
    bus.actor('a', brittle);
    expect(refused(brittle)).to.equal('INVALID_OPTION');
  });
});
