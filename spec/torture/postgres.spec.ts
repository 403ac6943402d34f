import { expect } from 'chai';
import pg from 'pg';
import {
  closeStalling,
  openStalling,
  restartWhilePublishing,
  stallWhilePublishing,
  terminateBackends,
} from '../postgres/fault-runs.ts';
import { endWriters, runGapTest } from '../postgres/gap-run.ts';
import { raceConditions } from '../postgres/race-run.ts';
import { Stores } from '../postgres/stores.ts';
import { ownServer } from '../support/postgres-server.ts';
import { checkAgainstModel } from '../support/store-model.ts';

/** 1 is the full length; `TORTURE=0.01` is a taste of it. */
const SCALE = Number(process.env['TORTURE'] ?? 1);
const times = (count: number): number => Math.max(1, Math.round(count * SCALE));
const stores = new Stores();

describe('postgres: torture', function () {
  before(async function () {
    await stores.begin(this);
    this.timeout(0);
  });
  after(endWriters);

  it('leaves no reader a gap in 100,000 events of eight processes', async () => {
    const { acknowledged, lost, ghosts, doubled, gaps, terminated } = await runGapTest(stores.server, times(100_000));
    expect({ lost, ghosts, doubled, gaps }).to.deep.equal({ lost: [], ghosts: [], doubled: 0, gaps: [] });
    console.log(`      ${acknowledged} events, ${terminated} backends terminated`);
  });

  it('lets exactly one of two processes win under the same condition, 1,000 times', async () => {
    const outcomes = await raceConditions(stores.server, times(1_000));
    expect(outcomes.filter((outcome) => outcome !== 'EXPECTATION_FAILED and won')).to.deep.equal([]);
  });

  // Each about ten minutes long.
  it('loses and doubles nothing over 3,000 terminations of all its backends', async () => {
    console.log(`      ${await terminateBackends(stores, times(3_000))} events`);
  });

  it('loses and doubles nothing over 150 restarts at once, and its watchers hear of everything', async function () {
    const server = await ownServer(this);
    this.timeout(0);
    console.log(`      ${await restartWhilePublishing(server, times(150))} events`);
  });

  it('loses and doubles nothing while the server falls silent 500 times', async () => {
    const stalling = await openStalling(stores);
    console.log(`      ${await stallWhilePublishing(stores, stalling, times(500))} events`);
    await closeStalling(stores, stalling);
  });

  it('gets the answers of the model to 10,000 runs of random commands', async () => {
    const pool = new pg.Pool({ connectionString: stores.server.url, max: 4 });
    let runs = 0;
    await checkAgainstModel(
      {
        create: () =>
          stores.create({ pool, partitionEvents: 8, index: ['payload.lane'], indexPayload: ++runs % 2 === 0 }),
        reopen: (store) => stores.again(store),
        cleanUp: (store) => stores.cleanUp(store),
      },
      times(10_000),
    );
    await pool.end();
  });
});
