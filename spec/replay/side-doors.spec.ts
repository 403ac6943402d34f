import { expect } from 'chai';
import { createBus, memory, type Bus } from '../../lib/index.ts';
import { turn, turnsUntil } from '../support/turns.ts';
import { createLived, takeSteps, type Lived } from './lived.ts';

/** A bus with a step in its log and an open letter about it. */
async function withLetter(): Promise<Lived & { readonly letterId: string }> {
  const lived = await createLived();
  lived.bus.on('$bus.**', () => undefined);
  lived.bus.on('step.*', () => {
    throw new Error('no');
  });
  await takeSteps(lived.bus, [1]);
  await lived.bus.settled();
  await lived.bus.flush();
  const [letter] = await lived.bus.deadLetters.list();
  return { ...lived, letterId: letter!.id };
}

describe('what a replayed handler must not do', () => {
  const doors: Readonly<Record<string, (bus: Bus, other: Bus, letterId: string) => unknown>> = {
    'deadLetters.retry': (bus, _other, id) => bus.deadLetters.retry(id),
    'deadLetters.discard': (bus, _other, id) => bus.deadLetters.discard(id),
    'retention.enforce': (bus) => bus.retention.enforce(),
    'retention.clear': (bus) => bus.retention.clear({ confirm: 'memory' }),
    'a replay with `accept`': (bus) =>
      bus.replay({ to: 1, accept: true, into: (_event, { emit }) => emit('made.up', {}) }).finished,
    'a replay into another bus': (bus, other) => bus.replay({ to: 1, into: other }).finished,
  };
  for (const [name, act] of Object.entries(doors))
    it(`is ${name}, also behind an await`, async () => {
      const { bus, log, letterId } = await withLetter();
      const other = await createBus({ store: memory() });
      const before = await log();
      const into = async (): Promise<void> => {
        await turn();
        await act(bus, other, letterId);
      };
      const { failures } = await bus.replay({ pattern: 'step.*', into }).finished;
      expect(failures.map(({ error }) => error.code)).to.deep.equal(['REPLAY_CAPTURES']);
      await bus.flush();
      expect(await log()).to.deep.equal(before);
      expect(await other.count()).to.equal(0);
      await bus
        .replay({ pattern: 'step.*', into, accept: true })
        .finished.then(({ failed }) => expect(failed).to.equal(0));
      await other.close();
    });

  it('is no replay that captures in its turn', async () => {
    const { bus, log } = await createLived();
    await takeSteps(bus, [1, 2]);
    const inner: number[] = [];
    const outer = await bus.replay({
      into: async (_event, { emit }) => {
        emit('made.outside', {});
        const nested = bus.replay({ into: (_told, context) => context.emit('made.inside', {}) });
        inner.push((await nested.finished).emittedCount);
      },
    }).finished;
    await bus.flush();
    expect([outer.emittedCount, outer.failed, inner]).to.deep.equal([2, 0, [2, 2]]);
    expect((await log()).length).to.equal(2);
  });
});

describe('a handler that awaits a replay it would hear itself', () => {
  it('is told that it would wait for itself', async () => {
    const { bus } = await createLived();
    const outcomes: unknown[] = [];
    bus.on('$bus.**', () => undefined);
    bus.on(
      'step.*',
      () =>
        bus
          .replay({ into: bus, pattern: 'step.*' })
          .finished.catch(({ code }: { code: string }) => outcomes.push(code)),
      { replay: 'both' },
    );
    await takeSteps(bus, [1]);
    await turnsUntil(() => outcomes.length === 1);
    expect(outcomes).to.deep.equal(['WOULD_DEADLOCK']);
    await bus.settled();
    expect(await bus.close()).to.deep.equal({ cut: 0, stillRunning: 0, unstored: 0 });
  });

  it('may wait for others, and begin one that it does not wait for', async () => {
    const { bus } = await createLived();
    const heard: unknown[] = [];
    const finished: unknown[] = [];
    bus.on('step.*', ({ payload }) => void heard.push(payload), { replay: 'only' });
    bus.on('step.asked', async () => {
      finished.push((await bus.replay({ into: bus, type: 'step.taken' }).finished).delivered);
    });
    bus.on('step.taken', () => void (heard.length === 0 && bus.replay({ into: bus, type: 'step.taken' })), {
      replay: 'both',
    });
    await takeSteps(bus, [1]);
    await turnsUntil(() => heard.length === 1);
    await bus.publish('step.asked', {});
    await turnsUntil(() => finished.length === 1);
    expect([heard, finished]).to.deep.equal([[{ n: 1 }, { n: 1 }], [2]]);
  });
});
