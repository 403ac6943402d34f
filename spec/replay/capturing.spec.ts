import { expect } from 'chai';
import type { StoredEvent } from '../../lib/index.ts';
import { createGate, turn } from '../support/turns.ts';
import { createLived, takeSteps } from './lived.ts';

describe('what a replayed handler emits', () => {
  const ways: Readonly<
    Record<string, (bus: Awaited<ReturnType<typeof createLived>>['bus'], context: never) => unknown>
  > = {
    'context.emit': (_bus, context: { emit: (type: string, payload: unknown) => unknown }) =>
      context.emit('made.up', { a: 1 }),
    'context.publish': (_bus, context: { publish: (type: string, payload: unknown) => unknown }) =>
      context.publish('made.up', { a: 1 }),
    'bus.emit': (bus) => bus.emit('made.up', { a: 1 }),
    'bus.publish': (bus) => bus.publish('made.up', { a: 1 }),
    'bus.batch': (bus) => bus.batch().add('made.up', { a: 1 }).commit(),
    'bus.record': (bus) => bus.record('made', { a: 1 }, async () => turn()),
    'bus.emit behind an await': async (bus) => {
      await turn();
      bus.emit('made.up', { a: 1 });
    },
    'bus.emit within withContext': (bus) =>
      bus.withContext({ correlationId: 'c' }, () => bus.emit('made.up', { a: 1 })),
  };
  for (const [name, act] of Object.entries(ways))
    it(`goes nowhere with ${name}`, async () => {
      const { bus, events, log } = await createLived();
      await takeSteps(bus, [1]);
      const before = bus.metrics();
      const result = await bus.replay({ into: (_event, context) => act(bus, context as never) }).finished;
      await bus.flush();
      await turn();
      expect(result.failures).to.deep.equal([]);
      expect(result.emitted.length).to.equal(name === 'bus.record' ? 2 : 1);
      expect(result.emittedCount).to.equal(result.emitted.length);
      expect((await log()).length, 'in the log').to.equal(1);
      expect(events.length, 'dispatched').to.equal(1);
      expect(bus.metrics().offered).to.equal(before.offered);
    });

  it('is answered as if it were taken, stored nowhere', async () => {
    const { bus } = await createLived();
    await takeSteps(bus, [1], { entity: 'dog/1', correlationId: 'walk' });
    const answers: unknown[] = [];
    await bus.replay({
      into: async (event) => {
        const { event: emitted, ...receipt } = await bus.publish('made.up', {}, { expect: 5 });
        expect(emitted).to.include({ causationId: event.id, correlationId: 'walk', type: 'made.up' });
        answers.push(receipt, await bus.batch().add('made.up', {}).commit());
      },
    }).finished;
    const none = { position: 0, durability: 'none', duplicate: false };
    expect(answers).to.deep.equal([
      { ...none, revision: 0 },
      { ...none, revisions: [0] },
    ]);
  });

  it('is checked like everything else, and leaves no letter', async () => {
    const { bus, log } = await createLived();
    await takeSteps(bus, [1, 2]);
    const into = ({ position }: StoredEvent): unknown =>
      position === 1 ? bus.emit('made.up', { a: Number.NaN }) : bus.publish('made..up', {});
    const result = await bus.replay({ into }).finished;
    expect(result.failures.map(({ error }) => error.code)).to.deep.equal(['PAYLOAD_BAD_NUMBER', 'INVALID_TYPE']);
    expect(result.emitted).to.deep.equal([]);
    await bus.flush();
    expect((await log()).length).to.equal(2);
    expect(await bus.deadLetters.list()).to.deep.equal([]);
  });

  it('goes nowhere also where the handler has ended, and the replay', async () => {
    const { bus, log } = await createLived();
    await takeSteps(bus, [1]);
    const gate = createGate();
    const late = createGate();
    const into = (): void => {
      void gate.promise.then(() => {
        bus.emit('made.late', {});
        return late.open();
      });
    };
    const result = await bus.replay({ into }).finished;
    gate.open();
    await late.promise;
    await bus.flush();
    expect(result.emitted).to.deep.equal([]);
    expect((await log()).length).to.equal(1);
  });

  it('goes into a batch that was begun outside and is committed inside, and the other way round', async () => {
    const { bus, log } = await createLived();
    await takeSteps(bus, [1]);
    const outside = bus.batch().add('made.before', {});
    let inside = bus.batch();
    const result = await bus.replay({
      into: async () => {
        await outside.commit();
        inside = bus.batch().add('made.inside', {});
      },
    }).finished;
    await inside.commit();
    expect((await log()).length).to.equal(1);
    expect(result.emitted.map(({ type }) => type)).to.deep.equal(['made.before']);
  });

  it('does not touch what others emit meanwhile', async () => {
    const { bus, events } = await createLived();
    await takeSteps(bus, [1]);
    const gate = createGate();
    const { finished } = bus.replay({ into: () => gate.promise });
    await turn();
    bus.emit('made.live', {});
    gate.open();
    expect((await finished).emitted).to.deep.equal([]);
    expect(events.map(({ type }) => type)).to.deep.equal(['step.taken', 'made.live']);
  });

  it('is kept up to 10,000 events, the rest is counted', async () => {
    const { bus } = await createLived();
    await takeSteps(bus, [1]);
    const result = await bus.replay({
      into: (_event, { emit }) => {
        for (let i = 0; i < 10_050; i++) emit('made.up', i);
      },
    }).finished;
    expect([result.emitted.length, result.emittedCount]).to.deep.equal([10_000, 10_050]);
  });

  it('is accepted, delivered and marked with `accept`', async () => {
    const { bus, events, log } = await createLived();
    await takeSteps(bus, [1]);
    const replay = bus.replay({ accept: true, into: (_event, { emit }) => emit('made.up', {}) });
    const result = await replay.finished;
    await bus.flush();
    expect(result.emitted).to.deep.equal([]);
    expect(events.map(({ type }) => type)).to.deep.equal(['step.taken', 'made.up']);
    const [step, made] = await log();
    expect(made!.metadata).to.deep.equal({ $replay: replay.id });
    expect(made!.causationId).to.equal(step!.id);
    expect(await bus.count({ where: { 'metadata.$replay': replay.id } })).to.equal(1);
  });

  it('comes from a handler that knows what it is in', async () => {
    const { bus } = await createLived();
    const known: unknown[] = [];
    bus.on('step.*', (_event, { replay }) => void known.push(replay));
    await takeSteps(bus, [1]);
    const into = (_event: unknown, context: { replay: unknown; position: unknown }): unknown =>
      known.push(context.replay, context.position);
    const first = bus.replay({ into });
    await first.finished;
    const second = bus.replay({ into, accept: true });
    await second.finished;
    const [one, two] = [first, second].map(({ id }) => id);
    expect(known).to.deep.equal([undefined, { id: one, captures: true }, 1, { id: two, captures: false }, 1]);
  });
});
