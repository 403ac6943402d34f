import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Store } from '../../lib/plugin.ts';
import { postgres } from '../../plugins/postgres/index.ts';
import { ask, dropSchema, schemaName } from '../support/postgres-server.ts';
import type { TestServer } from '../support/postgres-server.ts';
import type { GapReport } from './gap-writer.ts';

const WRITER = join(import.meta.dirname, 'gap-writer.js');
const WRITERS = 8;
const READERS = 4;

export interface GapRun {
  readonly acknowledged: number;
  /** Acknowledged, and not at the position that was said. */
  readonly lost: readonly string[];
  /** There although the transaction was taken back. */
  readonly ghosts: readonly string[];
  readonly doubled: number;
  /** What each reader saw that was not the next position. */
  readonly gaps: readonly string[];
  readonly terminated: number;
}

export interface GapOptions {
  /** No transaction is taken back and no backend terminated: positions can only come late. */
  readonly isCalm?: boolean;
  /** Runs when the log is there and nobody has written yet. */
  readonly prepare?: (schema: string) => Promise<unknown>;
}

/** Eight processes write, four readers follow by position, and now and then a backend is terminated. */
export async function runGapTest(
  server: TestServer,
  events: number,
  { isCalm = false, prepare }: GapOptions = {},
): Promise<GapRun> {
  const schema = schemaName();
  const connection = { connectionString: server.url, application_name: schema };
  const store = postgres({ connection, schema, partitionEvents: 1_000 });
  await store.open();
  await prepare?.(schema);
  let isOver = false;
  const isEnded = (): boolean => isOver;
  const readers = Array.from({ length: READERS }, () => follow(store, isEnded));
  const killer = isCalm ? 0 : terminate(server, schema, isEnded);
  const orders = { connection, schema, isCalm, events: Math.ceil(events / WRITERS) };
  const writing = Array.from({ length: WRITERS }, (_, n) => writeElsewhere({ ...orders, name: `w${n}` }));
  const reports = await Promise.all(writing).finally(() => (isOver = true));
  const terminated = await killer;
  const seen = await Promise.all(readers);
  await store.close();
  await dropSchema(server, schema);
  return compare(reports, seen, terminated);
}

/** They wait for the next run, as starting one takes as long as what it writes. */
const idle: ChildProcess[] = [];

export function endWriters(): void {
  for (const writer of idle.splice(0)) writer.kill();
}

async function writeElsewhere(orders: object): Promise<GapReport> {
  const child = idle.pop() ?? fork(WRITER);
  const over = new AbortController();
  const { signal } = over;
  const answered = once(child, 'message', { signal }) as Promise<[GapReport]>;
  const exited = once(child, 'exit', { signal }).then(([code]) => {
    throw new Error(`a writer exited with ${code}`);
  });
  try {
    child.send(orders);
    const [report] = await Promise.race([answered, exited]);
    idle.push(child);
    return report;
  } finally {
    for (const left of [answered, exited]) left.catch(() => undefined);
    over.abort();
  }
}

interface Seen {
  readonly ids: readonly string[];
  readonly gap: string | undefined;
}

/** Reads on from the last position until nobody writes any more and nothing is left. */
async function follow(store: Store, isEnded: () => boolean): Promise<Seen> {
  const ids: string[] = [];
  for (;;) {
    const wasOver = isEnded();
    const page = await store
      .page({ after: ids.length, through: Infinity, descending: false, limit: 1 + Math.floor(Math.random() * 200) })
      .catch(() => undefined);
    for (const { id, position } of page?.events ?? []) {
      if (position !== ids.length + 1) return { ids, gap: `position ${position} behind ${ids.length}` };
      ids.push(id);
    }
    if (wasOver && page?.done === true) return { ids, gap: undefined };
    if (page?.events.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

async function terminate(server: TestServer, application: string, isEnded: () => boolean): Promise<number> {
  let count = 0;
  while (!isEnded()) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const rows = await ask(
      server,
      `SELECT pg_terminate_backend(pid) FROM
        (SELECT pid FROM pg_stat_activity WHERE application_name = $1 ORDER BY random() LIMIT 2) victims`,
      [application],
    );
    count += rows.length;
  }
  return count;
}

function compare(reports: readonly GapReport[], seen: readonly Seen[], terminated: number): GapRun {
  const stored = reports.flatMap((report) => report.stored);
  const takenBack = reports.flatMap((report) => report.takenBack);
  const [first] = seen;
  const there = new Set(first!.ids);
  return {
    acknowledged: stored.length,
    lost: stored.filter(([id, position]) => seen.some(({ ids }) => ids[position - 1] !== id)).map(([id]) => id),
    ghosts: takenBack.filter((id) => there.has(id)),
    doubled: first!.ids.length - there.size,
    gaps: seen.map(({ gap }) => gap).filter((gap) => gap !== undefined),
    terminated,
  };
}
