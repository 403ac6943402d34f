import { expect } from 'chai';
import { memory, TelltaleError } from '../../lib/index.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { rest, startTeam, type Team } from './team.ts';

describe('a link, closing', () => {
  let team: Team;
  afterEach(() => team.close());

  /** A worker whose handlers emit when they are let go. */
  async function startSlow(): Promise<(() => void)[]> {
    const open: (() => void)[] = [];
    team = await startTeam((bus) =>
      bus.on('a', async ({ payload }, { publish }) => {
        await new Promise<void>((resolve) => open.push(resolve));
        await publish('b', payload);
      }),
    );
    await team.pool.ready;
    for (let n = 0; n < 3; n++) team.bus.emit('a', n);
    await rest();
    return open;
  }

  it('a pool waits for what its workers do and stores what they emit; the bus goes on', async () => {
    const open = await startSlow();
    const worker = team.worker();
    let isClosed = false;
    const closed = team.pool.close().then(() => (isClosed = true));
    for (let n = 0; n < 3; n++) {
      await rest();
      expect(isClosed).to.equal(false);
      open[n]!();
    }
    await closed;
    expect(await team.bus.count({ where: { type: 'b' } })).to.equal(3);
    expect(team.pool.workers()[0]).to.deep.include({ status: 'closed', handled: 3, inFlight: 0 });
    expect(worker.health().status).to.equal('closed');
    expect(team.bus.metrics().subscriptions.filter(({ pattern }) => pattern === 'a')).to.deep.equal([]);
    await team.bus.publish('a', 4);
    await team.pool.close();
  });

  it('a bus does the same', async () => {
    const open = await startSlow();
    const b: unknown[] = [];
    team.bus.on('b', ({ payload }) => void b.push(payload));
    const closed = team.bus.close();
    for (let n = 0; n < 3; n++) {
      await rest();
      open[n]!();
    }
    expect(await closed).to.deep.equal({ cut: 0, stillRunning: 0, unstored: 0 });
    expect(b).to.deep.equal([0, 1, 2]);
    expect(team.worker().health().status).to.equal('closed');
  });

  it('a pool ends a worker that does not end in time, and its events fail', async () => {
    await startSlow();
    team.bus.on('$bus.**', () => undefined);
    const closed = team.pool.close();
    for (let i = 0; i < 15; i++) {
      await rest();
      await team.clock.advance(1_000);
    }
    await closed;
    await team.bus.settled();
    const letters = await team.bus.deadLetters.list();
    expect(letters.map(({ error }) => error.code)).to.deep.equal(['LINK_BROKEN', 'LINK_BROKEN', 'LINK_BROKEN']);
  });

  it('a worker that closes its bus leaves for good, and what it had not begun goes to the others', async () => {
    const heard: string[] = [];
    team = await startTeam(
      (bus, place) =>
        bus.on('a', async ({ payload }) => {
          heard.push(`${place} ${String(payload)}`);
          await new Promise((resolve) => setImmediate(resolve));
        }),
      { size: 2 },
    );
    await team.pool.ready;
    for (let n = 0; n < 20; n++) team.bus.emit('a', n);
    await team.worker(0).close();
    for (let n = 20; n < 30; n++) team.bus.emit('a', n);
    await team.bus.settled();
    expect(new Set(heard.map((text) => text.split(' ')[1]!)).size).to.equal(30);
    expect(heard).to.have.length(30);
    await team.clock.advance(60_000);
    expect(team.pool.workers().map(({ status }) => status)).to.deep.equal(['closed', 'ready']);
    expect(team.starts()).to.equal(2);
  });

  it('a pool that is closing has closed when its bus has, whatever its own time', async () => {
    team = await startTeam((bus) => bus.on('a', () => new Promise(() => undefined)), {
      bus: { closeTimeout: '10s' },
      closeTimeout: '10m',
    });
    await team.pool.ready;
    team.bus.emit('a', 1);
    await rest();
    let isClosed = false;
    void team.pool.close().then(() => (isClosed = true));
    await rest();
    team.bus.on('$bus.handler.failed', () => undefined);
    const closed = team.bus.close().catch(() => undefined);
    for (let i = 0; i < 20; i++) {
      await rest();
      await team.clock.advance(1_000);
    }
    await closed;
    await rest();
    expect(isClosed).to.equal(true);
  });

  it('a pool that closes before it is ready says so', async () => {
    team = await startTeam(() => undefined, { prepare: (_, worker) => (worker.tamper = () => []) });
    const ready = rejectionOf(team.pool.ready);
    await team.pool.close();
    expect(await ready).to.deep.include({ code: 'LINK_BROKEN', message: 'pool `team` is closed' });
  });

  it('a worker that a pool ends before it is ready has not died', async () => {
    team = await startTeam(() => new Promise<never>(() => undefined));
    const died: unknown[] = [];
    team.bus.on('$worker.died', ({ payload }) => void died.push(payload));
    team.pool.ready.catch(() => undefined);
    await team.pool.close();
    await rest();
    expect(died).to.deep.equal([]);
    expect(team.pool.workers()[0]!.status).to.equal('closed');
  });

  it('a pool does not wait for a worker that is just being started again', async () => {
    team = await startTeam((bus) => bus.on('a', () => undefined), { restart: { delay: 1 } });
    await team.pool.ready;
    expect(team.pool.kill('stranger')).to.equal(false);
    expect(team.pool.kill('team')).to.equal(true);
    expect(team.pool.kill('team')).to.equal(false);
    await team.clock.advance(10);
    expect(team.pool.workers()[0]!.status).to.equal('starting');
    await team.pool.close();
    expect(team.pool.workers()[0]).to.include({ status: 'closed', restarts: 1 });
  });

  it('a pool ends workers whose buses cannot store everything; each of them says so in a warning', async () => {
    const store = memory();
    const failure = new TelltaleError('STORE_FAILED', 'the disk is gone');
    store.enqueue = (append) => append.failed(failure);
    team = await startTeam(() => undefined, { bus: { store } });
    await team.pool.ready;
    team.worker().emit('a', 1);
    await rest();
    const warned = new Promise<Error>((resolve) => {
      process.on('warning', function listen(warning) {
        if (!warning.message.includes('the disk is gone')) return;
        process.off('warning', listen);
        resolve(warning);
      });
    });
    await team.pool.close();
    expect((await warned).message).to.contain('1 accepted events are not stored');
  });
});
