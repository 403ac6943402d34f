import { expect } from 'chai';
import { createBus, jsonFile } from 'telltale';
import { audit, createChaos, startTeam, teamEvents } from '../../examples/team/index.ts';
import type { Audit, Kills, TeamResult, Way } from '../../examples/team/index.ts';
import { makeFiles } from './files.ts';
import type { Files } from './files.ts';

const FILES = 40;

interface Run {
  readonly result: TeamResult;
  readonly found: Audit;
  readonly kills: Kills;
  readonly letters: number;
}

describe('the team whose readers are killed', function () {
  this.timeout(60_000);
  let files: Files;
  afterEach(() => files.remove());

  async function run(count: number, ways?: readonly Way[], script?: URL): Promise<Run> {
    files = await makeFiles(count);
    const { root, log } = files;
    const bus = await createBus({ source: 'team', store: jsonFile(log), events: teamEvents });
    const chaos = createChaos({ seed: 1, every: 6, ...(ways && { ways }), ...(script && { script }) });
    const skip = { skipNames: new Set<string>(), skipPaths: new Set<string>() };
    const { signal } = new AbortController();
    try {
      const options = { root, log, readers: 2, ...skip, signal, pool: chaos.pool, patience: 100 };
      const team = await startTeam(bus, options);
      const calm = chaos.unleash(bus, team.readers);
      const result = await team.run().finally(calm);
      const letters = (await bus.deadLetters.list()).length;
      return { result, found: await audit(bus, result.report), kills: chaos.kills, letters };
    } finally {
      await bus.close();
    }
  }

  it('loses no file, counts none twice, and keeps the report of the log', async () => {
    const { result, found, kills, letters } = await run(FILES);
    expect(total(kills)).to.be.at.least(2);
    expect(found).to.deep.include({ files: FILES, lost: [], twice: [], identical: true });
    expect(result.report).to.include({ read: FILES - 1, failed: 1 });
    // That of the file nobody can read.
    expect(letters).to.equal(1);
  });

  it('loses one of them also where there is little to read', async () => {
    const { found, kills } = await run(3);
    expect(total(kills)).to.be.at.least(1);
    expect(found).to.deep.include({ files: 3, lost: [], twice: [], identical: true });
  });

  it('is known to count twice where what is said again is not known by its id', async () => {
    const forgetful = new URL('./fixtures/forgetful-reader.js', import.meta.url);
    const { found, kills } = await run(15, ['exit after', 'throw after'], forgetful);
    expect(total(kills)).to.be.at.least(1);
    expect(found.twice).to.not.have.length(0);
  });
});

const total = ({ terminated, exited, threw }: Kills): number => terminated + exited + threw;
