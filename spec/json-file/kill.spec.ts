import { expect } from 'chai';
import { joinReports, killChain } from '../support/kill-chain.ts';
import type { KillReport } from '../support/kill-chain.ts';

/** One chain more than most machines have cores: while one waits for its disk, another starts a process. */
async function killInChains(kills: number, seed: number, torn: boolean): Promise<KillReport> {
  const chains = [kills >> 1, kills - (kills >> 1)];
  return joinReports(await Promise.all(chains.map((part, i) => killChain(part, seed + i, torn))));
}

function expectNoLoss({ lost, doubled, split, faults, failedStarts }: KillReport): void {
  const nothing = { lost: [], doubled: [], split: [], faults: [], failedStarts: [] };
  expect({ lost, doubled, split, faults, failedStarts }).to.deep.equal(nothing);
}

describe('json-file: killed writers', function () {
  this.timeout(120_000);

  it('loses, doubles and splits nothing over 100 logs whose writer is killed in the middle of group commits', async () => {
    const report = await killInChains(100, 1, false);
    expectNoLoss(report);
    expect(report.kills).to.be.at.least(100);
    expect(report.acknowledged).to.be.greaterThan(500);
  });

  it('loses nothing but what was removed over 12 logs whose writer is killed while it removes and packs', async () => {
    const report = await killChain(12, 5, 'sweeping');
    expectNoLoss(report);
    expect(report.swept).to.be.greaterThan(20);
  });

  it('loses, doubles and splits nothing over 50 records torn by a kill', async () => {
    const report = await killInChains(50, 3, true);
    expectNoLoss(report);
    expect(report.tornTails, 'tails that were really torn').to.be.greaterThan(30);
  });
});
