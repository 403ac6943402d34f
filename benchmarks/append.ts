import { join } from 'node:path';
import type { Store } from '../lib/index.ts';
import { postgres } from '../plugins/postgres/index.ts';
import { sqlite } from '../plugins/sqlite/index.ts';
import type { TestServer } from '../spec/support/postgres-server.ts';
import type { Benchmark } from './benchmark.ts';
import { chosenStores, type StoreName } from './chosen-stores.ts';
import { logContender } from './log-contender.ts';
import { FULL, type Comparison, type Pace, type Target } from './measure.ts';
import { BenchSchema, benchServer } from './postgres-server.ts';
import { emmett } from './rivals/emmett.ts';
import type { LogRival } from './rivals/log-rival.ts';
import { rawLog } from './rivals/raw-log.ts';
import { rawPostgres } from './rivals/raw-postgres.ts';
import { rawSqlite } from './rivals/raw-sqlite.ts';
import { telltaleAppend, telltalePublish, telltaleStore, type OpenStore } from './rivals/telltale-log.ts';

type Comparing = NonNullable<Benchmark['comparisons']>[number];

interface Asked {
  readonly store: StoreName;
  readonly inFlight: number;
  readonly targets?: readonly Target[];
}

function compareLogs(ours: LogRival, rivals: readonly LogRival[], asked: Asked, pace: Pace): Comparison {
  const { store, inFlight, targets = [] } = asked;
  return {
    title: `durable append to ${store}, ${inFlight} in flight, 350 bytes`,
    operation: 'event',
    contenders: [ours, ...rivals].map((rival) => logContender(rival, inFlight)),
    targets,
    count: (pace === FULL ? 300 : 50) * inFlight,
  };
}

const toJsonFile =
  (ours: () => LogRival, inFlight: number, ratio?: number): Comparing =>
  (pace) => {
    const targets = ratio === undefined ? [] : [{ rival: 'raw loop', ratio }];
    return compareLogs(ours(), [rawLog()], { store: 'json-file', inFlight, targets }, pace);
  };

const RAW = 'raw inserts';
const TARGETS: readonly Target[] = [
  { rival: RAW, ratio: 0.6 },
  { rival: RAW, ratio: 0.8, later: true },
];

const inSqlite = (folder: string): Store => sqlite(join(folder, 'log.db'));

const toSqlite =
  (ours: LogRival, inFlight: number, targets: readonly Target[] = []): Comparing =>
  (pace) =>
    compareLogs(ours, [rawSqlite()], { store: 'sqlite', inFlight, targets }, pace);

/** A log for each round, in a schema of its own. */
function postgresIn(server: TestServer): { readonly open: OpenStore; readonly drop: () => Promise<void> } {
  const schemas = new Map<string, BenchSchema>();
  return {
    open(folder) {
      const schema = schemas.get(folder) ?? new BenchSchema(server);
      schemas.set(folder, schema);
      return postgres({ url: server.url, schema: schema.name });
    },
    async drop() {
      for (const schema of schemas.values()) await schema.drop();
      schemas.clear();
    },
  };
}

type Ours = (open: OpenStore) => LogRival;

const toPostgres =
  (ours: Ours, inFlight: number, targets: readonly Target[] = []): Comparing =>
  async (pace) => {
    const server = await benchServer();
    if (server === undefined) return undefined;
    const { open, drop } = postgresIn(server);
    const rival = ours(open);
    const tidy: LogRival = {
      ...rival,
      async count(folder) {
        const count = await rival.count(folder);
        await drop();
        return count;
      },
    };
    const theirs = targets.length === 0 ? undefined : await emmett(server);
    const all = theirs === undefined ? targets : [...targets, { rival: theirs.name, ratio: 8 }];
    const rivals = [rawPostgres(server), ...(theirs === undefined ? [] : [theirs])];
    return compareLogs(tidy, rivals, { store: 'postgres', inFlight, targets: all }, pace);
  };

const COMPARISONS: Readonly<Record<StoreName, readonly Comparing[]>> = {
  'json-file': [
    toJsonFile(telltaleStore, 64, 0.5),
    toJsonFile(telltalePublish, 64, 0.5),
    toJsonFile(telltaleAppend, 64),
    toJsonFile(telltalePublish, 1),
  ],
  sqlite: [
    toSqlite(telltaleStore(inSqlite), 64, TARGETS),
    toSqlite(telltalePublish(inSqlite), 64),
    toSqlite(telltaleAppend(inSqlite), 64),
    toSqlite(telltalePublish(inSqlite), 1),
  ],
  postgres: [
    toPostgres(telltaleStore, 64, TARGETS),
    toPostgres(telltalePublish, 64),
    toPostgres(telltaleAppend, 64),
    toPostgres(telltalePublish, 1),
  ],
};

export const append: Benchmark = { comparisons: chosenStores().flatMap((store) => COMPARISONS[store]) };
