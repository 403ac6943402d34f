import { expect } from 'chai';
import { linkPortOf } from '../../lib/plugin.ts';
import { startTeam, type Team } from './team.ts';

describe('a link, what is told of workers', () => {
  let team: Team;
  afterEach(() => team.close());

  it('is told of each pool by itself', async () => {
    team = await startTeam(() => undefined);
    await team.pool.ready;
    const told: unknown[] = [];
    team.bus.on('$worker.died', ({ payload }) => void told.push(payload));
    for (const pool of ['p', 'q', 'r']) linkPortOf(team.bus).report('$worker.died', { pool });
    await team.clock.advance(5_000);
    expect(told).to.deep.equal(['p', 'q', 'r'].map((pool) => ({ pool, count: 1 })));
  });

  it('is in the health of the bus until it is taken back', async () => {
    team = await startTeam(() => undefined);
    await team.pool.ready;
    let asked = 0;
    const undo = linkPortOf(team.bus).notice(() => [`asked ${++asked}`]);
    expect(team.bus.health().notices).to.deep.equal(['asked 1']);
    undo();
    expect(team.bus.health().notices).to.deep.equal([]);
    expect(asked).to.equal(1);
  });

  it('of a pool that was given up ends with the pool, which nobody holds any more', async () => {
    team = await startTeam(() => undefined, { restart: { limit: 1, delay: 1 } });
    await team.pool.ready;
    for (let i = 0; i < 2; i++) {
      team.kill();
      await team.clock.advance(10_000);
    }
    expect(team.bus.health().notices.join()).to.match(/is given up/);
    await team.pool.close();
    expect(team.bus.health().notices).to.deep.equal([]);
  });
});
