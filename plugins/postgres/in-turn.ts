import { setTimeout as wait } from 'node:timers/promises';
import type { Connections, Session } from './connections.ts';
import type { PgClient } from './driver.ts';
import { isHeld, isTaken, sqlState } from './failures.ts';
import type { Names } from './names.ts';

/** How long a table may be waited for: whoever comes meanwhile waits as well. */
const LOCK_MS = 250;
/** Then they go first. */
const GAP_MS = 100;

/**
 * Runs `work`, which makes tables or changes them, in a transaction, one process at a time. Waits for others who do so
 * as long as for anything, and as long for whoever uses a table that `work` needs for itself, but only a moment at a time.
 */
export async function inTurn(
  connections: Connections,
  names: Names,
  work: (session: Session, client: PgClient) => Promise<void>,
): Promise<void> {
  for (const end = performance.now() + connections.timeoutMs; ;) {
    try {
      await connections.transaction(async (session, client) => {
        await session.query('SELECT pg_advisory_xact_lock($1::bigint)', [names.lockKey]);
        await session.query(`SET LOCAL lock_timeout = ${LOCK_MS}`);
        await work(session, client);
      });
      return;
    } catch (error) {
      if (!(isHeld(error) || isMadeMeanwhile(error)) || performance.now() > end) throw error;
    }
    await wait(GAP_MS);
  }
}

/** A log with another prefix in the same schema has another lock. */
function isMadeMeanwhile(error: unknown): boolean {
  return isTaken(error) || sqlState(error) === '42P06';
}
