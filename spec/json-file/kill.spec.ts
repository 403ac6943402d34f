import { expect } from 'chai';
import { killChain } from '../support/kill-chain.ts';
import type { KillReport } from '../support/kill-chain.ts';

const HARMLESS = { lost: [], doubled: [], split: [], failedStarts: [] };

function expectNoLoss(reports: readonly KillReport[]): void {
  for (const { lost, doubled, split, failedStarts } of reports)
    expect({ lost, doubled, split, failedStarts }).to.deep.equal(HARMLESS);
}

function sum(reports: readonly KillReport[], figure: 'acknowledged' | 'tornTails'): number {
  return reports.reduce((total, report) => total + report[figure], 0);
}

describe('json-file: killed writers', function () {
  this.timeout(120_000);

  it('loses, doubles and splits nothing over 100 kills in the middle of group commits', async () => {
    const reports = await Promise.all([killChain(50, 1, false), killChain(50, 2, false)]);
    expectNoLoss(reports);
    expect(sum(reports, 'acknowledged')).to.be.greaterThan(500);
  });

  it('loses, doubles and splits nothing over 50 records torn by a kill', async () => {
    const reports = await Promise.all([killChain(25, 3, true), killChain(25, 4, true)]);
    expectNoLoss(reports);
    expect(sum(reports, 'tornTails'), 'tails that were really torn').to.be.greaterThan(30);
  });
});
