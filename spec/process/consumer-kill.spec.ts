import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { jsonFile, type StoredEvent } from '../../lib/index.ts';

const PROGRAM = fileURLToPath(new URL('consume-until-killed.js', import.meta.url));
/** The handled event and the checkpoints at which each process dies. */
const KILLS = [
  [1, 0],
  [40, 0],
  [90, 1],
  [5, 2],
  [30, 1],
] as const;

describe('a consumer whose process is killed', function () {
  this.timeout(120_000);
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'telltale-consumer-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function start(run: number, dieAt: number, dieBehind: number): number {
    const program = spawnSync(process.execPath, [PROGRAM, folder, run, dieAt, dieBehind].map(String), {
      timeout: 30_000,
    });
    expect(program.signal, String(program.stderr)).to.equal(dieAt === 0 ? null : 'SIGKILL');
    return (JSON.parse(String(program.stdout).split('\n')[0]!) as { began: number }).began;
  }

  it('handles every event, nothing below the checkpoint it goes on at, and its projection exactly once', async () => {
    const began = KILLS.map(([dieAt, dieBehind], run) => start(run, dieAt, dieBehind));
    began.push(start(KILLS.length, 0, 0));
    const handled = readFileSync(join(folder, 'handled.txt'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' ').map(Number) as [number, number]);
    for (const [run, position] of handled) expect(position, `run ${run}`).to.be.above(began[run]!);
    for (let run = 1; run < began.length; run++) expect(began[run]).to.be.at.least(began[run - 1]!);
    expect(new Set(began).size, 'its checkpoint has moved between the kills').to.be.at.least(4);
    const store = jsonFile(join(folder, 'log'));
    await store.open();
    const stored: StoredEvent[] = [];
    for await (const event of store.read()) if (event.type === 'a') stored.push(event);
    const positions = stored.map(({ position }) => position);
    await store.close();
    expect([...new Set(handled.map(([, position]) => position))].toSorted((a, b) => a - b)).to.deep.equal(positions);
    const { state } = JSON.parse(readFileSync(join(folder, 'totals.json'), 'utf8')) as { state: number[] };
    expect(state).to.deep.equal(positions);
  });
});
