import { expect } from 'chai';
import { memory, type Bus, type TelltaleEvent } from '../../lib/index.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { rest, startTeam, type Team } from './team.ts';

const script = (): void => undefined;

describe('a link, events from workers', () => {
  let team: Team;
  afterEach(() => team.close());

  it('stores what a worker emits, with its id, time and source, as caused by the event that was handled', async () => {
    const emitted: TelltaleEvent[] = [];
    team = await startTeam((bus) =>
      bus.on('a', (_, { emit }) => {
        emitted.push(emit('b', { by: 'context' }));
        emitted.push(bus.emit('b', { by: 'bus' }, { metadata: { tags: ['t'] } }));
      }),
    );
    await team.pool.ready;
    const heard: TelltaleEvent[] = [];
    team.bus.on('b', (event) => void heard.push(event));
    const a = team.bus.emit('a', 1, { metadata: { conversationId: 'c-1' } });
    await team.bus.settled();
    expect(heard).to.deep.equal(emitted);
    for (const event of heard) {
      expect(event).to.deep.include({ source: 'main/team', correlationId: a.correlationId, causationId: a.id });
      expect(event.metadata['conversationId']).to.equal('c-1');
    }
    const { events } = await team.bus.query({ where: { type: 'b' } });
    expect(events.map(({ id }) => id)).to.deep.equal(emitted.map(({ id }) => id));
    expect(Object.isFrozen(heard[0]!.payload), 'many see it').to.equal(true);
  });

  it('echoes nothing: one emit is heard once by each, whoever emits', async () => {
    for (const deliver of ['one', 'every'] as const) {
      const heard: string[] = [];
      team = await startTeam((bus, place) => bus.on('a', () => void heard.push(`worker ${place}`)), {
        size: 2,
        deliver,
      });
      await team.pool.ready;
      team.bus.on('a', () => void heard.push('parent'));
      team.worker(0).emit('a', 1);
      await rest();
      await team.bus.settled();
      const others = deliver === 'every' ? ['worker 1'] : [];
      expect(heard.toSorted(), deliver).to.deep.equal(['parent', 'worker 0', ...others]);
      expect(await team.bus.count({ where: { type: 'a' } })).to.equal(1);
      if (deliver === 'one') await team.close();
    }
  });

  it('goes from worker to worker through the parent', async () => {
    const heard: string[] = [];
    team = await startTeam(
      (bus, place) => {
        if (place === 0) bus.on('ping', (_, { emit }) => void emit('pong', 1));
        else bus.on('pong', ({ source }) => void heard.push(source));
      },
      { size: 2 },
    );
    await team.pool.ready;
    const chain = team.worker(1).emit('ping', 1);
    await rest();
    await team.bus.settled();
    expect(heard).to.deep.equal(['main/team-1']);
    const timeline = await team.bus.timeline(chain.correlationId);
    expect(timeline.map(({ type }) => type)).to.deep.equal(['ping', 'pong']);
  });

  it('keeps the order of stored and transient events', async () => {
    team = await startTeam(script);
    await team.pool.ready;
    const heard: unknown[] = [];
    team.bus.on('n', ({ payload }) => void heard.push(payload));
    for (let n = 0; n < 2_000; n++) team.worker().emit('n', n, { transient: n % 3 === 0 });
    for (let i = 0; i < 20 && heard.length < 2_000; i++) await rest();
    expect(heard).to.deep.equal(Array.from({ length: 2_000 }, (_, n) => n));
  });

  it('sends transient events up only where somebody listens there', async () => {
    team = await startTeam(script, { size: 2 });
    await team.pool.ready;
    const emit = async (): Promise<void> => {
      for (let n = 0; n < 10; n++) team.worker(0).emit('token', n, { transient: true });
      await rest();
    };
    const received = (): number => team.pool.workers()[0]!.received;
    await emit();
    await emit();
    expect(received(), 'no more than it took to know').to.equal(10);
    const heard: unknown[] = [];
    const undo = team.bus.on('token', ({ payload }) => void heard.push(payload));
    await rest();
    await emit();
    expect(heard).to.have.length(10);
    undo();
    team.worker(1).on('token', ({ payload }) => void heard.push(payload));
    await rest();
    await emit();
    expect(heard, 'another worker is somebody, too').to.have.length(20);
    expect(await team.bus.count()).to.equal(0);
  });

  it('answers a publish with the real receipt', async () => {
    team = await startTeam(script);
    await team.pool.ready;
    team.bus.emit('before', 1);
    const worker = team.worker();
    const first = await worker.publish('a', 1, { entity: 'thing/1' });
    expect(first).to.deep.include({ position: 2, revision: 1, durability: 'memory', duplicate: false });
    const second = await worker.publish('a', 2, { entity: 'thing/1', id: 'mine', expect: 1 });
    expect(second).to.deep.include({ position: 3, revision: 2 });
    const again = await worker.publish('a', 2, { entity: 'thing/1', id: 'mine' });
    expect(again).to.deep.include({ position: 3, revision: 2, duplicate: true });
    expect(await rejectionOf(worker.publish('a', 3, { entity: 'thing/1', expect: 1 }))).to.deep.include({
      code: 'EXPECTATION_FAILED',
      details: { expected: 1, actual: 2, entity: 'thing/1' },
    });
    expect(await rejectionOf(worker.publish('a', 4, { id: 'mine' }))).to.deep.include({ code: 'EVENT_CONFLICT' });
    expect((await team.bus.query()).events.map(({ payload }) => payload)).to.deep.include.members([1, 2]);
  });

  it('stores the batches of a worker whole', async () => {
    team = await startTeam(script);
    await team.pool.ready;
    const heard: unknown[] = [];
    team.bus.on('b', ({ payload }) => void heard.push(payload));
    const receipt = await team.worker().batch({ id: 'batch-1' }).add('b', 1).add('b', 2).commit();
    expect(receipt).to.deep.include({ position: 1, durability: 'memory', duplicate: false });
    expect(receipt.revisions).to.deep.equal([0, 0]);
    expect(await team.worker().batch({ id: 'batch-1' }).add('b', 1).add('b', 2).commit()).to.deep.include({
      duplicate: true,
    });
    expect(heard).to.deep.equal([1, 2]);
  });

  it('says that nothing is stored where the parent has no store', async () => {
    team = await startTeam(script, { bus: { store: undefined } as never });
    await team.pool.ready;
    const { position, durability } = await team.worker().publish('a', 1);
    expect({ position, durability }).to.deep.equal({ position: 0, durability: 'none' });
    expect(team.worker().metrics()).to.deep.include({ stored: 0, unstored: 1 });
    expect(await rejectionOf(team.worker().count())).to.deep.include({ code: 'STORE_REQUIRED' });
  });

  it('flushes: what a worker has emitted is stored', async () => {
    team = await startTeam(script);
    await team.pool.ready;
    for (let n = 0; n < 3_000; n++) team.worker().emit('a', n);
    await team.worker().flush();
    expect(await team.bus.count()).to.equal(3_000);
  });

  it('asks the parent’s store: queries, documents, folds, replays, subscriptions from a place', async () => {
    team = await startTeam(script);
    await team.pool.ready;
    for (let n = 1; n <= 5; n++) team.bus.emit('a', n, { entity: `thing/${n % 2}` });
    await team.bus.flush();
    const worker: Bus = team.worker();
    expect((await worker.query({ where: { payload: { $gt: 3 } } })).events.map(({ payload }) => payload)).to.deep.equal(
      [4, 5],
    );
    expect(await worker.count()).to.equal(5);
    expect(await worker.fold(0, (sum: number, event) => sum + (event.payload as number))).to.equal(15);
    const told: unknown[] = [];
    await worker.replay({ into: (event: TelltaleEvent) => void told.push(event.payload), speed: 'max' } as never)
      .finished;
    expect(told).to.deep.equal([1, 2, 3, 4, 5]);
    const caughtUp: unknown[] = [];
    worker.on('a', ({ payload }) => void caughtUp.push(payload), { from: 'earliest' });
    await rest();
    team.bus.emit('a', 6);
    worker.emit('a', 7);
    for (let i = 0; i < 10; i++) await rest();
    expect(caughtUp).to.deep.equal([1, 2, 3, 4, 5, 6, 7]);
  });

  it('refuses what its parent decides', async () => {
    for (const [name, value] of [
      ['store', memory()],
      ['sinks', []],
      ['retention', {}],
    ] as const) {
      team = await startTeam(script, { restart: false, worker: { [name]: value } });
      const error = await rejectionOf(team.pool.ready);
      expect(error.code).to.equal('WORKER_FAILED');
      expect(error.message).to.contain(`\`${name}\` is not an option of a worker's bus`);
      await team.close();
    }
  });
});
