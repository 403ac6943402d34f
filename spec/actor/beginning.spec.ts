import { expect } from 'chai';
import type { Behaviour } from '../../lib/acting-api.ts';
import { turn } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';
import { booksOf, createActorBus } from './actor-bus.ts';

const backoff = { delay: '1s', factor: 2, maxDelay: '4s', jitter: 0 } as const;

const throwNothing = (): never => {
  // oxlint-disable-next-line typescript/only-throw-error -- what others may do
  throw undefined;
};

describe('an actor that begins anew', () => {
  refuseUnhandledRejections();

  it('waits before it does so for a child, too, and longer each time', async () => {
    const { bus, clock } = await createActorBus();
    const begun: number[] = [];
    const child: Behaviour<null> = {
      initial: null,
      supervise: { strategy: 'escalate' },
      receive: () => {
        throw new Error('a child');
      },
    };
    const parent = bus.actor('p', {
      initial: () => void begun.push(clock.monotonic()),
      supervise: { backoff },
      receive: (_, __, { spawn }) => void spawn('child', child).tell('y', 1),
    });
    parent.tell('x', 1);
    expect(begun).to.deep.equal([0]);
    await clock.advance(999);
    expect(begun).to.deep.equal([0]);
    await clock.advance(1);
    expect(begun).to.deep.equal([0, 1_000]);
  });

  it('does so where its `initial` was out of order for a while, and handles what has waited', async () => {
    const { bus, clock, saidOf } = await createActorBus();
    let good = false;
    const actor = bus.actor<number>('a', {
      initial: () => {
        if (!good) throw new Error('not yet');
        return 1;
      },
      supervise: { backoff },
      receive: (count) => count + 1,
    });
    actor.tell('x', 1);
    await clock.advance(1_000);
    good = true;
    await clock.advance(2_000);
    expect(await actor.state()).to.equal(2);
    expect(saidOf('a')).to.deep.equal(['failed', 'failed', 'restarted']);
  });

  it('leaves an `initial` that throws to its parent where it says so', async () => {
    const { bus, clock, saidOf } = await createActorBus();
    const child: Behaviour<number> = {
      initial: () => {
        throw new Error('no beginning');
      },
      supervise: { strategy: 'escalate' },
      receive: () => undefined,
    };
    bus.actor('p', {
      initial: 0,
      supervise: { backoff, maxRestarts: 1 },
      on: 'x',
      receive: (_, __, { spawn }) => void spawn('child', child),
    });
    bus.emit('x', 1);
    await clock.advance(1_000);
    expect(saidOf('p')).to.deep.equal(['started', 'failed', 'restarted']);
    bus.emit('x', 1);
    await clock.advance(1_000);
    expect(saidOf('p')).to.deep.equal(['started', 'failed', 'restarted', 'failed', 'stopped']);
  });

  it('has failed where it throws nothing at all, and is bounded as any other', async () => {
    const { bus, told } = await createActorBus();
    const actor = bus.actor('a', {
      initial: 0,
      key: 'payload',
      supervise: { strategy: 'stop' },
      receive: throwNothing,
    });
    for (const _ of [1, 2]) actor.tell('x', 'k');
    await turn();
    expect(booksOf(bus, 'a')).to.include({ failed: 1, cancelled: 1 });
    expect(actor.instances()).to.deep.include({ key: 'k', status: 'stopped', queued: 0, restarts: 0 });
    expect(told.at(-1)).to.include({ type: '$actor.stopped', reason: 'failed' });
  });

  it('does so by its next event where one that had failed is stopped by hand', async () => {
    const { bus, clock } = await createActorBus();
    let good = false;
    await bus.publish('added', 1, { entity: 'a/k' });
    const behaviour: Behaviour<number> = {
      initial: 0,
      key: 'payload',
      receive: () => ({ type: 'added', payload: 1 }),
      apply: (count) => {
        if (!good) throw new Error('cannot');
        return count + 1;
      },
    };
    const actor = bus.actor('a', behaviour);
    actor.tell('x', 'k');
    await bus.settled();
    expect(actor.instances()[0]).to.include({ status: 'stopped' });
    good = true;
    await actor.stop('k');
    actor.tell('x', 'k');
    await bus.settled();
    expect(await actor.state('k')).to.equal(2);
    await clock.advance(120_000);
    expect(actor.instances()).to.have.lengthOf(1);
  });
});
