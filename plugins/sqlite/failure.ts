import { TelltaleError, isTelltaleError, toError } from '../../lib/plugin.ts';
import type { ErrorCode } from '../../lib/plugin.ts';
import { sqliteCode } from './driver.ts';

/** What an answer of SQLite means for the store. Anything else can be tried again. */
const MEANINGS: ReadonlyMap<string, ErrorCode> = new Map([
  // Never tried again: after a failed sync the next one may succeed without the bytes.
  ['IOERR_FSYNC', 'STORE_FAILED'],
  ['CORRUPT', 'STORE_CORRUPT'],
  ['NOTADB', 'STORE_CORRUPT'],
]);

/** What a driver threw, as the store's callers know it. */
export function toFailure(thrown: unknown, path: string): TelltaleError {
  if (isTelltaleError(thrown)) return thrown;
  const cause = toError(thrown);
  const answer = sqliteCode(thrown);
  const isTableGone = /no such (?:table|column): telltale_/.test(cause.message);
  // A position, or an id, is there although nothing of it was known: the counters are wrong, and the same is refused again.
  const isThere = answer === 'CONSTRAINT' && /constraint failed: telltale_/.test(cause.message);
  const code = isTableGone || isThere ? 'STORE_CORRUPT' : (MEANINGS.get(answer ?? '') ?? 'STORE_UNAVAILABLE');
  return new TelltaleError(code, `sqlite ${path}: ${cause.message}`, { cause, details: { path, answer } });
}

export function isBusy(thrown: unknown): boolean {
  const code = sqliteCode(thrown);
  return code === 'BUSY' || code === 'LOCKED';
}
