import { expect } from 'chai';
import { createBus } from '../../lib/bus.ts';
import { memory } from '../../plugins/memory/index.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

describe('an effect of an actor that stores its facts first', () => {
  refuseUnhandledRejections();

  it('is told as it happens, and once, though `receive` fails and runs again', async () => {
    const bus = await createBus({ store: memory() });
    let runs = 0;
    const clerk = bus.actor('clerk', {
      initial: 0,
      apply: (n) => n + 1,
      supervise: { backoff: { delay: 1, jitter: 0 } },
      async receive(_, { type }, { effect, emit }) {
        await effect('look-up', () => bus.record('tool', { name: 'search' }, async () => 7));
        emit('note.made', type);
        if (++runs === 1) throw new Error('not yet');
        return { type: 'asked', payload: null };
      },
    });
    bus.on('$bus.handler.failed', () => undefined);
    const told = clerk.tell('ask', null);
    await bus.join(told.correlationId, { asked: 1 });
    await bus.settled();
    const types = (await bus.timeline(told.correlationId)).map(({ type }) => type);
    expect(types).to.deep.equal(['ask', 'tool.started', 'tool.finished', '$effect.done', 'asked', 'note.made']);
    expect(runs).to.equal(2);
    await bus.close();
  });
});
