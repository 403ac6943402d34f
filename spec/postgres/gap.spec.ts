import { expect } from 'chai';
import { ask } from '../support/postgres-server.ts';
import { Stores } from './stores.ts';
import { endWriters, runGapTest } from './gap-run.ts';
import { raceConditions } from './race-run.ts';

const stores = new Stores();

const locked = (statements: string): string =>
  `PERFORM pg_advisory_lock(42); ${statements} PERFORM pg_advisory_unlock(42);`;

/** As a sequence does it: positions are handed out without a lock that is kept, and commits overtake one another. */
async function breakAppend(schema: string): Promise<void> {
  const rows = await ask<{ sql: string }>(
    stores.server,
    `SELECT pg_get_functiondef(p.oid) AS sql FROM pg_proc p WHERE p.pronamespace = $1::regnamespace AND p.proname LIKE 'append%'`,
    [schema],
  );
  const taken = `SELECT last_value, 0 INTO head, last FROM ${schema}.handed_out;
    PERFORM setval('${schema}.handed_out', head + cardinality(ids));`;
  const broken = rows[0]!.sql
    .replace(/SELECT[^;]*INTO STRICT head[^;]*FOR UPDATE;/, `${locked(taken)} PERFORM pg_sleep(0.1 * (head % 3));`)
    .replace('SET position = head', 'SET position = greatest(c.position - head - cardinality(ids), 0) + head');
  expect(broken.match(/handed_out|greatest/g)).to.have.length(4);
  await ask(stores.server, `CREATE SEQUENCE ${schema}.handed_out MINVALUE 0`);
  await ask(stores.server, broken);
}

describe('postgres: many writing processes', function () {
  this.timeout(300_000);

  before(async function () {
    await stores.begin(this);
  });
  after(endWriters);

  it('leave no reader a gap, while commits are delayed, taken back and broken off', async () => {
    const { acknowledged, lost, ghosts, doubled, gaps, terminated } = await runGapTest(stores.server, 1_000);
    expect({ lost, ghosts, doubled, gaps }).to.deep.equal({ lost: [], ghosts: [], doubled: 0, gaps: [] });
    expect(acknowledged).to.be.at.least(1_000);
    expect(terminated).to.be.greaterThan(0);
  });

  it('are found to leave gaps where positions are handed out as by a sequence', async () => {
    const { lost, gaps } = await runGapTest(stores.server, 100, { isCalm: true, prepare: breakAppend });
    expect([gaps.length > 0, lost.length > 0]).to.deep.equal([true, true]);
  });

  it('let exactly one of two win under the same condition, 100 times', async () => {
    const outcomes = await raceConditions(stores.server, 100);
    expect(outcomes.filter((outcome) => outcome !== 'EXPECTATION_FAILED and won')).to.deep.equal([]);
    expect(outcomes.length).to.equal(100);
  });
});
