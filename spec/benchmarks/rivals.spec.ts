import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createEvent } from '../../benchmarks/log-contender.ts';
import type { LogRival } from '../../benchmarks/rivals/log-rival.ts';
import { rawPostgres } from '../../benchmarks/rivals/raw-postgres.ts';
import { rawSqlite } from '../../benchmarks/rivals/raw-sqlite.ts';
import { telltaleStore } from '../../benchmarks/rivals/telltale-log.ts';
import { sqlite } from '../../plugins/sqlite/index.ts';
import { sharedServer } from '../support/postgres-server.ts';
import { quickFolder } from '../support/quick-folder.ts';

const EVENTS = 150;

describe('what SQL stores are measured against', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(quickFolder(), 'telltale-rivals-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const written = async (rival: LogRival): Promise<number> => {
    await rival.open(folder);
    await rival.appendAll(Array.from({ length: EVENTS }, createEvent), 64);
    await rival.close();
    return rival.count(folder);
  };

  it('writes every event into the tables of sqlite', async () => {
    expect(await written(rawSqlite())).to.equal(EVENTS);
  });

  it('writes every event into the tables of postgres', async function () {
    expect(await written(rawPostgres(await sharedServer(this)))).to.equal(EVENTS);
  });

  it('is counted as our own log is', async () => {
    expect(await written(telltaleStore((place) => sqlite(join(place, 'log.db'))))).to.equal(EVENTS);
  });
});
