import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { jsonFile, memory } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { turn } from '../support/turns.ts';
import { faultsOf, killAt, type KilledRun, type Work } from './killed.ts';

const honest: Work = async ({ position }, done) => {
  for (let i = 0; i <= position % 4; i++) await turn();
  done();
};

/** The control: says that it is done before it is, so that the checkpoint comes too early. */
const early: Work = (event, done) => void honest(event, done);

const folders: string[] = [];
const STORES: Readonly<Record<string, () => Store>> = {
  memory: () => memory(),
  'json-file': () => {
    const folder = mkdtempSync(join(quickFolder(), 'telltale-killed-'));
    folders.push(folder);
    return jsonFile(join(folder, 'log'));
  },
};

/** Every run with a kill at one call of the store. */
async function killEverywhere(make: () => Store, work: Work): Promise<readonly KilledRun[]> {
  const runs: KilledRun[] = [];
  let calls = Infinity;
  for (let call = 1; call <= calls; call++)
    for (const when of ['before', 'after'] as const) {
      const store = make();
      await store.open();
      const run = await killAt(store, { call, when }, work);
      if (run.calls < call) calls = run.calls;
      runs.push(run);
      await store.close();
    }
  return runs;
}

describe('a consumer that is killed at any call of its store', function () {
  this.timeout(60_000);
  after(() => folders.forEach((folder) => rmSync(folder, { recursive: true, force: true })));

  for (const [name, make] of Object.entries(STORES))
    it(`skips nothing, and repeats nothing below its checkpoint (${name})`, async () => {
      const runs = await killEverywhere(make, honest);
      expect(runs.length).to.be.above(12);
      expect(runs.flatMap(faultsOf)).to.deep.equal([]);
      expect(new Set(runs.map(({ checkpoint }) => checkpoint)).size, 'different checkpoints').to.be.above(2);
      expect(runs.some(({ before, after: again }) => before.some((position) => again.includes(position)))).to.equal(
        true,
      );
    });

  it('would be found out if its checkpoint came before the work was done', async () => {
    const runs = await killEverywhere(STORES['memory']!, early);
    expect(runs.flatMap(faultsOf).join('\n')).to.contain('was skipped');
  });
});
