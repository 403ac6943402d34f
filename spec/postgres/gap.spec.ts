import { expect } from 'chai';
import { Stores } from './stores.ts';
import { runGapTest } from './gap-run.ts';
import { raceConditions } from './race-run.ts';

const stores = new Stores();

describe('postgres: many writing processes', function () {
  this.timeout(120_000);

  before(async function () {
    await stores.begin(this);
  });

  it('leave no reader a gap, while commits are delayed, taken back and broken off', async () => {
    const { acknowledged, lost, ghosts, doubled, gaps, terminated } = await runGapTest(stores.server, 5_000);
    expect({ lost, ghosts, doubled, gaps }).to.deep.equal({ lost: [], ghosts: [], doubled: 0, gaps: [] });
    expect(acknowledged).to.be.at.least(5_000);
    expect(terminated).to.be.greaterThan(0);
  });

  it('let exactly one of two win under the same condition, 100 times', async () => {
    const outcomes = await raceConditions(stores.server, 100);
    expect(outcomes.filter((outcome) => outcome !== 'EXPECTATION_FAILED and won')).to.deep.equal([]);
    expect(outcomes.length).to.equal(100);
  });
});
