import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { jsonFile, type StoredEvent } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { sqlite, sqliteTarget } from '../../plugins/sqlite/index.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { skip } from '../support/skip.ts';
import { INSTALLED } from './drivers.ts';

const PROGRAM = fileURLToPath(new URL('views-until-killed.js', import.meta.url));
const EVENTS = 120;
/** Microtasks behind the handler: the transaction is open, is being committed, has been. */
const STEPS = [0, 3, 6, 9, 12, 15, 18, 21, 24, 40];

const inOrder = (all: readonly unknown[]): readonly unknown[] => [...(all as number[])].toSorted((a, b) => a - b);

async function payloadsOf(store: Store, type: string): Promise<readonly unknown[]> {
  await store.open();
  const found: StoredEvent[] = [];
  for await (const event of store.read({ where: { type } })) found.push(event);
  await store.close();
  return found.map(({ payload }) => payload);
}

describe('a projection in SQLite whose process is killed', function () {
  this.timeout(300_000);
  let folder: string;
  before(function () {
    if (INSTALLED.length === 0) skip(this, 'no driver for SQLite is installed');
  });
  beforeEach(() => (folder = mkdtempSync(join(quickFolder(), 'telltale-views-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function start(log: string, dieAt: number, microtasks: number): void {
    const program = spawnSync(process.execPath, [PROGRAM, folder, log, dieAt, microtasks].map(String), {
      timeout: 60_000,
    });
    expect(program.signal, String(program.stderr)).to.equal(dieAt === 0 ? null : 'SIGKILL');
    expect(program.status, String(program.stderr)).to.equal(dieAt === 0 ? 0 : null);
  }

  const seen = async (): Promise<readonly number[]> => {
    const target = sqliteTarget(join(folder, 'views.db'));
    const rows = await target.read(({ all }) => all('SELECT n FROM seen ORDER BY serial'));
    await target.close();
    return rows.map(({ n }) => n as number);
  };

  for (const log of ['json-file', 'sqlite'])
    it(`equals the fold of the log in ${log}, at whichever step that was`, async () => {
      let progressed = 0;
      for (const [i, step] of STEPS.entries()) {
        start(log, 1 + (i % 4), step);
        const there = await seen();
        expect(there).to.deep.equal([...new Set(there)]);
        progressed = there.length;
      }
      expect(progressed, 'the kills left something to begin with').to.be.above(5).and.below(EVENTS);
      start(log, 0, 0);
      const all = Array.from({ length: EVENTS }, (_, n) => n + 1);
      expect(inOrder(await seen())).to.deep.equal(all);
      const store = log === 'sqlite' ? sqlite(join(folder, 'views.db')) : jsonFile(join(folder, 'log'));
      expect(await payloadsOf(store, 'a')).to.deep.equal(all);
      if (log === 'sqlite') expect(inOrder(await payloadsOf(store, 'b'))).to.deep.equal(all);
    });
});
