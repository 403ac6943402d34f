import { setTimeout as wait } from 'node:timers/promises';
import { isTelltaleError } from '../../../lib/plugin.ts';

const PATIENCE_MS = 60_000;
const PAUSE_MS = 20;

/**
 * Asks again, with the same ids, a store that was out of reach, as a bus does: among many writers on a slow machine one
 * may wait longer for its turn than the store lets it, which breaks no promise unless it never ends.
 */
export async function untilAnswered<T>(ask: () => Promise<T>, patienceMs = PATIENCE_MS): Promise<T> {
  const since = performance.now();
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!isTelltaleError(error, 'STORE_UNAVAILABLE') || performance.now() - since >= patienceMs) throw error;
    }
    await wait(PAUSE_MS);
  }
}
