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
});
