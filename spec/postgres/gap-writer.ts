import pg from 'pg';
import { isTelltaleError } from '../../lib/plugin.ts';
import type { Outcome, PendingAppend, TelltaleEvent } from '../../lib/plugin.ts';
import { postgres } from '../../plugins/postgres/index.ts';
import { buildEvent } from '../support/event-builder.ts';
import { appendSurely } from './retrying.ts';

/** Told by the process that started this one, and again for each run. */
interface Orders {
  readonly connection: Readonly<Record<string, unknown>>;
  readonly schema: string;
  readonly name: string;
  readonly isCalm: boolean;
  readonly events: number;
}

export interface GapReport {
  /** Ids that the log has acknowledged, with their positions. */
  readonly stored: readonly (readonly [id: string, position: number])[];
  /** Ids whose transaction was taken back. */
  readonly takenBack: readonly string[];
}

const ignore = (): void => undefined;

process.on('message', (orders: Orders) => void obey(orders));

async function obey(orders: Orders): Promise<void> {
  const report = await write(orders);
  process.send!(report);
}

/** Appends in several ways: many at once, in a transaction that takes its time, in one that is taken back. */
async function write({ connection, schema, name, isCalm, events: wanted }: Orders): Promise<GapReport> {
  const store = postgres({ connection, schema, poolSize: 3 });
  // A backend that is terminated while the store opens is told to whoever opens it.
  while ((await store.open().catch(toUnavailable)) !== undefined);
  const pool = new pg.Pool({ ...connection, max: 2 });
  pool.on('error', ignore);
  pool.on('connect', (client) => client.on('error', ignore));
  const stored: [string, number][] = [];
  const takenBack: string[] = [];
  for (let serial = 0; stored.length < wanted;) {
    const events = Array.from({ length: 1 + Math.floor(Math.random() * 16) }, () =>
      // Events of one entity wait for one another.
      buildEvent({ id: `${name}-${++serial}`, ...(!isCalm && { entity: `task/${serial % 5}` }) }),
    );
    const way = Math.random() * (isCalm ? 0.9 : 1);
    if (way < 0.7) {
      const receipts = await Promise.all(events.map((event) => appendSurely(store, [event])));
      for (const [i, { id }] of events.entries()) stored.push([id, receipts[i]!.position]);
      continue;
    }
    const isKept = way < 0.9;
    const outcome = await within(pool, isKept, (client) => store.appendWithin(client, [pending(events)]));
    store.committed();
    // What the connection broke off may be there or not; the ids tell.
    if (!isKept) takenBack.push(...events.map(({ id }) => id));
    else {
      const { position } = outcome ?? (await appendSurely(store, events));
      for (const [i, { id }] of events.entries()) stored.push([id, position + i]);
    }
  }
  await store.close();
  await pool.end();
  return { stored, takenBack };
}

function toUnavailable(error: unknown): unknown {
  if (isTelltaleError(error, 'STORE_UNAVAILABLE')) return error;
  throw error;
}

async function within(
  pool: pg.Pool,
  isKept: boolean,
  append: (client: pg.PoolClient) => Promise<{ readonly outcomes: readonly Outcome[] }>,
): Promise<{ readonly position: number } | undefined> {
  const client = await pool.connect().catch(() => undefined);
  if (client === undefined) return undefined;
  try {
    await client.query('BEGIN');
    const [outcome] = (await append(client)).outcomes;
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
    await client.query(isKept ? 'COMMIT' : 'ROLLBACK');
    client.release();
    return isTelltaleError(outcome) ? undefined : outcome;
  } catch {
    client.release(true);
    return undefined;
  }
}

function pending(events: readonly TelltaleEvent[]): PendingAppend {
  return { events, bytes: 1, fresh: false, admitted: true, acknowledged: ignore, failed: ignore };
}
