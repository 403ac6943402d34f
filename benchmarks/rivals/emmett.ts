import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { TestServer } from '../../spec/support/postgres-server.ts';
import { BenchSchema } from '../postgres-server.ts';
import { keepInFlight, type LogRival } from './log-rival.ts';

const PACKAGE = '@event-driven-io/emmett-postgresql';
/** With its peers by name: asked to find them itself, npm finds newer ones that do not fit. */
const PACKAGES = [
  `${PACKAGE}@0.42.0`,
  '@event-driven-io/emmett@0.42.0',
  '@event-driven-io/pongo@0.16.11',
  '@event-driven-io/dumbo@0.12.7',
  'ansis@3.3.2',
  'async-retry@1.3.3',
  'cli-table3@0.6.5',
  'commander@12.1.0',
  'pg@8.23.1',
  'pg-connection-string@2.6.4',
  'uuid@10.0.0',
];
const FOLDER = join(homedir(), '.cache/telltale-bench/emmett-0.42.0');

interface EmmettStore {
  appendToStream(stream: string, events: readonly object[]): Promise<unknown>;
  readonly schema: { migrate(): Promise<unknown> };
  close(): Promise<void>;
}

interface Emmett {
  getPostgreSQLEventStore(url: string): EmmettStore;
}

/**
 * Emmett's store, which is installed into a folder of its own when it is first measured: nobody else needs it.
 * `undefined`, and a line that says why, where it cannot be had.
 */
export async function emmett(server: TestServer): Promise<LogRival | undefined> {
  let load: Emmett;
  try {
    load = await loadEmmett();
  } catch (error) {
    console.log(`SKIPPED Emmett: ${(error as Error).message.split('\n')[0]}`);
    return undefined;
  }
  let store: EmmettStore;
  let database = '';
  let round = 0;
  return {
    name: 'Emmett',
    async open() {
      // It has its tables in `public`, so it gets a database of its own.
      database = `telltale_bench_${process.pid}_${++round}`;
      await run(server, `CREATE DATABASE ${database}`);
      store = load.getPostgreSQLEventStore(urlOf(server, database));
      await store.schema.migrate();
    },
    appendAll: (events, inFlight) =>
      keepInFlight(events, inFlight, ({ id, type, payload }) =>
        store.appendToStream(`agent-${id}`, [{ type, data: payload }]),
      ),
    close: () => store.close(),
    async count() {
      const client = await new BenchSchema({ url: urlOf(server, database) }).client();
      const { rows } = await client.query<{ count: string }>('SELECT count(*) FROM emt_messages');
      await client.end();
      await run(server, `DROP DATABASE ${database} WITH (FORCE)`);
      return Number(rows[0]!.count);
    },
  };
}

async function loadEmmett(): Promise<Emmett> {
  if (!existsSync(join(FOLDER, 'node_modules/@event-driven-io/dumbo'))) {
    await mkdir(FOLDER, { recursive: true });
    await writeFile(join(FOLDER, 'package.json'), '{ "private": true }');
    const args = ['install', '--no-save', '--legacy-peer-deps', '--no-audit', '--no-fund', ...PACKAGES];
    await promisify(execFile)('npm', args, { cwd: FOLDER, timeout: 300_000 });
  }
  const file = createRequire(join(FOLDER, 'index.js')).resolve(PACKAGE);
  return (await import(pathToFileURL(file).href)) as Emmett;
}

function urlOf({ url }: TestServer, database: string): string {
  const own = new URL(url);
  own.pathname = `/${database}`;
  return own.href;
}

async function run(server: TestServer, statement: string): Promise<void> {
  const client = await new BenchSchema(server).client();
  await client.query(statement);
  await client.end();
}
