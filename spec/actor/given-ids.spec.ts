import { expect } from 'chai';
import type { Behaviour } from '../../lib/acting-api.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';
import { createActorBus } from './actor-bus.ts';

/** Emits with an id of its own, beside its fact. */
const naming: Behaviour<number> = {
  initial: 0,
  supervise: { strategy: 'resume' },
  receive: (_, { payload }, { emit }) => {
    emit('named', payload, { id: 'given' });
    return { type: 'added', payload };
  },
  apply: (count) => count + 1,
};

describe('what a persisted actor emits with an id of its own', () => {
  refuseUnhandledRejections();

  it('is refused with its facts where something else is stored under that id', async () => {
    const { bus, told } = await createActorBus();
    await bus.publish('taken', 1, { id: 'given' });
    const actor = bus.actor('a', naming);
    actor.tell('x', 'told');
    await bus.settled();
    expect(told.find(({ type }) => type === '$actor.failed')!['error']).to.include({ code: 'EVENT_CONFLICT' });
    expect(await rejectionOf(bus.decide('a/main', naming, { type: 'x', payload: 'decided' }))).to.include({
      code: 'EVENT_CONFLICT',
    });
    const { events } = await bus.query({});
    expect(events.filter(({ id }) => id === 'given').map(({ type }) => type)).to.deep.equal(['taken']);
    expect(events.filter(({ type }) => type === 'added')).to.deep.equal([]);
    expect(await actor.state()).to.equal(0);
  });

  it('is stored with its facts where the id is new', async () => {
    const { bus } = await createActorBus();
    const { state } = await bus.decide('a/main', naming, { type: 'x', payload: 1 });
    expect(state).to.equal(1);
    expect((await bus.query({})).events.find(({ id }) => id === 'given')?.type).to.equal('named');
  });
});
