import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { createBus, type Store, type StoredEvent } from '../lib/index.ts';
import { postgres } from '../plugins/postgres/index.ts';
import { loadDriver } from '../plugins/sqlite/drivers.ts';
import { sqlite } from '../plugins/sqlite/index.ts';
import type { Benchmark } from './benchmark.ts';
import { chosenStores } from './chosen-stores.ts';
import { fillLog } from './filled-log.ts';
import { createFolder } from './log-contender.ts';
import { FULL, type Comparison, type Contender, type Pace } from './measure.ts';
import { BenchSchema, benchServer } from './postgres-server.ts';
import { compareSizes, timelines } from './timelines.ts';

const PAGE = 1_000;
const COLUMNS =
  'position, id, type, source, time, entity, revision, correlation_id, causation_id, schema_version, stored_at, metadata, payload';

/** The next page behind a position, its payloads as objects. */
type ReadPage = (after: number) => Promise<readonly { readonly position: unknown; readonly payload: unknown }[]>;

const countOf = (pace: Pace): number => (pace === FULL ? 50_000 : 5_000);

function contender(name: string, read: ReadPage, close: () => unknown): Contender {
  let done = 0;
  return {
    name,
    async run() {
      done = 0;
      for (let after = 0; ;) {
        const page = await read(after);
        for (const { payload } of page) if (typeof payload === 'object') done++;
        if (page.length < PAGE) return;
        after = Number(page.at(-1)!.position);
      }
    },
    done: () => done,
    close,
  };
}

function pagesOf(store: Store, through: number, close: () => unknown): Contender {
  const read = async (after: number): Promise<readonly StoredEvent[]> =>
    (await store.page({ after, through, descending: false, limit: PAGE })).events;
  return contender('telltale, pages of 1,000', read, close);
}

function comparison(where: string, contenders: readonly Contender[], count: number): Comparison {
  const targets = [{ rival: 'raw query', ratio: 0.6 }];
  return { title: `read ${where} in pages of 1,000`, operation: 'event', contenders, targets, count };
}

async function ofSqlite(pace: Pace): Promise<Comparison> {
  const count = countOf(pace);
  const folder = await createFolder();
  const path = join(folder, 'log.db');
  await (await fillLog(sqlite(path), count)).close();
  const store = sqlite(path);
  await store.open();
  const database = loadDriver().open(path);
  const raw = database.prepare(`SELECT ${COLUMNS} FROM telltale_events WHERE position > ? ORDER BY position LIMIT ?`);
  const read: ReadPage = async (after) => {
    const rows = raw.all([after, PAGE]);
    // As a program that does something else as well.
    await new Promise((resolve) => setImmediate(resolve));
    return rows.map((row) => ({
      ...row,
      position: row['position'],
      payload: JSON.parse(row['payload'] as string) as unknown,
    }));
  };
  const close = async (): Promise<void> => {
    database.close();
    await store.close();
    await rm(folder, { recursive: true, force: true });
  };
  return comparison('sqlite', [pagesOf(store, count, () => undefined), contender('raw query', read, close)], count);
}

async function ofPostgres(pace: Pace): Promise<Comparison | undefined> {
  const server = await benchServer();
  if (server === undefined) return undefined;
  const count = countOf(pace);
  const schema = new BenchSchema(server);
  const options = { url: server.url, schema: schema.name };
  await (await fillLog(postgres(options), count)).close();
  const store = postgres(options);
  await store.open();
  const client = await schema.client();
  const text = `SELECT ${COLUMNS} FROM "${schema.name}".events WHERE position > $1 ORDER BY position LIMIT ${PAGE}`;
  const read: ReadPage = async (after) => {
    const { rows } = await client.query<pg.QueryResultRow>({ name: 'read', text, values: [after] });
    return rows.map((row) => ({
      ...row,
      position: row['position'] as unknown,
      payload: JSON.parse(row['payload'] as string) as unknown,
    }));
  };
  const close = async (): Promise<void> => {
    await client.end();
    await store.close();
    await schema.drop();
  };
  return comparison('postgres', [pagesOf(store, count, () => undefined), contender('raw query', read, close)], count);
}

/** Opened anew: nothing is known but what lies on the disk. */
async function inSqlite(name: string, total: number): Promise<Contender> {
  const folder = await createFolder();
  const path = join(folder, 'log.db');
  await (await fillLog(sqlite(path), total)).close();
  const bus = await createBus({ store: sqlite(path) });
  return timelines(name, bus, total, async () => {
    await bus.close();
    await rm(folder, { recursive: true, force: true });
  });
}

const timelinesInSqlite = (pace: Pace): Promise<Comparison> =>
  compareSizes('sqlite', inSqlite, { pace, most: 1.5, count: 500 });

async function timelinesInPostgres(pace: Pace): Promise<Comparison | undefined> {
  const server = await benchServer();
  if (server === undefined) return undefined;
  const open = async (name: string, total: number): Promise<Contender> => {
    const schema = new BenchSchema(server);
    const options = { url: server.url, schema: schema.name };
    await (await fillLog(postgres(options), total)).close();
    const bus = await createBus({ store: postgres(options) });
    return timelines(name, bus, total, async () => {
      await bus.close();
      await schema.drop();
    });
  };
  return compareSizes('postgres', open, { pace, most: 1.5, count: 500 });
}

const COMPARISONS = {
  'json-file': [],
  sqlite: [ofSqlite, timelinesInSqlite],
  postgres: [ofPostgres, timelinesInPostgres],
} as const;

export const read: Benchmark = { comparisons: chosenStores().flatMap((store) => COMPARISONS[store]) };
