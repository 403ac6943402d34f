import { expect } from 'chai';
import PQueue from 'p-queue';
import { concatMap, from, lastValueFrom } from 'rxjs';
import { createTestBus } from '../../lib/testing.ts';
import { turn } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

/** Sends `count` roots through `work`, each of which asks; answers which root each answerer's event came from. */
async function causesOf(work: (test: Awaited<ReturnType<typeof createTestBus>>) => void): Promise<boolean> {
  const test = await createTestBus();
  const { bus, ofType } = test;
  bus.answer('job', async ({ payload }, { emit }) => {
    for (let i = 0; i < Number(payload) % 3; i++) await turn();
    emit('job.explicit', payload);
    bus.emit('job.done', payload);
    return payload;
  });
  work(test);
  const roots = Array.from({ length: 20 }, (_, n) => bus.emit('go', n));
  await bus.settled();
  const made = [...ofType('job.done'), ...ofType('job.explicit')];
  expect(made).to.have.length(40);
  return made.every(({ payload, causationId, correlationId }) => {
    const { id } = roots[Number(payload)]!;
    return causationId === id && correlationId === id;
  });
}

describe('the context of answers', () => {
  refuseUnhandledRejections();

  it('is that of who asked, over awaits and concurrent handlers', async () => {
    const right = await causesOf(({ bus }) =>
      bus.on(
        'go',
        async ({ payload }) => {
          await turn();
          await bus.ask('job', payload);
        },
        { concurrency: 8 },
      ),
    );
    expect(right).to.equal(true);
  });

  it('is right in a shared p-queue through `context.ask`, which the platform itself mixes up', async () => {
    const queue = new PQueue({ concurrency: 2 });
    const right = await causesOf(({ bus }) =>
      bus.on('go', ({ payload }, { ask }) => queue.add(() => ask('job', payload)), { concurrency: 8 }),
    );
    expect(right).to.equal(true);
    const mixed = new PQueue({ concurrency: 2 });
    const control = await causesOf(({ bus }) =>
      bus.on('go', ({ payload }) => mixed.add(() => bus.ask('job', payload)), { concurrency: 8 }),
    );
    expect(control, 'the control: without it causes are wrong').to.equal(false);
  });

  it('is right in concatMap through `context.ask`', async () => {
    const right = await causesOf(({ bus }) =>
      bus.on('go', ({ payload }, { ask }) => lastValueFrom(from([payload]).pipe(concatMap((n) => ask('job', n)))), {
        concurrency: 8,
      }),
    );
    expect(right).to.equal(true);
  });

  it('is its own again behind the answer', async () => {
    const { bus, ofType } = await createTestBus();
    bus.answer('job', () => turn());
    bus.on('go', async ({ payload }) => {
      await bus.ask('job', payload);
      bus.emit('went.on', payload);
    });
    const roots = [0, 1, 2].map((n) => bus.emit('go', n));
    await bus.settled();
    for (const { payload, causationId } of ofType('went.on')) expect(causationId).to.equal(roots[Number(payload)]!.id);
  });

  it('hands conversation and user down to the request and what its answerer emits', async () => {
    const { bus, events } = await createTestBus();
    bus.answer('job', (_, { emit }) => void emit('made', 1));
    await bus.withContext({ metadata: { conversationId: 'c-1' } }, () => bus.ask('job', 1));
    expect(events.map(({ type, metadata }) => [type, metadata.conversationId])).to.deep.equal([
      ['job', 'c-1'],
      ['made', 'c-1'],
    ]);
  });
});
