import { expect } from 'chai';
import type { Behaviour } from '../../lib/acting-api.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { turnsUntil } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';
import { createActorBus } from './actor-bus.ts';

const counter: Behaviour<number> = {
  initial: 0,
  receive: () => [
    { type: 'counted', payload: 1 },
    { type: 'counted', payload: 2 },
  ],
  apply: (count) => count + 1,
};

describe('what `decide` answers with', () => {
  refuseUnhandledRejections();

  it('has its facts as they are in the log', async () => {
    const { bus, clock } = await createActorBus();
    await bus.publish('before', 1);
    await clock.advance(5);
    await bus.decide('counter/a', counter, { type: 'count' });
    const { events } = await bus.decide('counter/a', counter, { type: 'count' });
    expect(events.map(({ position, revision }) => [position, revision])).to.deep.equal([
      [4, 3],
      [5, 4],
    ]);
    const stored = (await bus.query({ where: { entity: 'counter/a' } })).events.slice(2);
    expect(events).to.deep.equal(stored);
  });

  it('is nothing in a `receive` whose own facts are stored first: that would be stored whatever becomes of it', async () => {
    const { bus } = await createActorBus();
    const codes: string[] = [];
    bus.actor('outer', {
      initial: 0,
      on: 'x',
      receive: async () => {
        for (const entity of ['outer/main', 'counter/a'])
          codes.push((await rejectionOf(bus.decide(entity, counter, { type: 'count' }))).code);
      },
      apply: (n) => n,
    });
    bus.emit('x', null);
    await turnsUntil(() => codes.length === 2);
    expect(codes).to.deep.equal(['WOULD_DEADLOCK', 'WOULD_DEADLOCK']);
    await bus.settled();
    expect(await bus.load('counter/a', counter)).to.deep.equal({ state: 0, revision: 0 });
  });
});
