import type { Store } from '../../lib/plugin.ts';
import { loadDriver } from './drivers.ts';
import { parseOptions } from './options.ts';
import type { SqliteOptions } from './options.ts';
import { SqliteStore } from './store.ts';

export type { DriverName, SqlRow, SqlValue } from './driver.ts';
export type { SqliteOptions, SqliteTargetOptions } from './options.ts';
/** For `telltale doctor`. @internal */
export { openRemains } from './remains.ts';
export { sqliteTarget } from './target.ts';
export type { SqliteTarget } from './target.ts';
export type { SqliteParameter, SqliteTransaction } from './transactions.ts';
export { verify } from './verify.ts';
export type { Finding, VerifyOptions, VerifyReport } from './verify.ts';

/**
 * A log of events in an SQLite file that any number of processes on one machine write and read.
 * Where the file, its `-wal` or its `-shm` is deleted, moved or replaced while it is open, nothing more is acknowledged
 * (`STORE_FAILED`): what was acknowledged had been committed to the file that was then at the path. One that is overwritten
 * in place (`cp`) is not noticed.
 *
 * @param path of the file; made when it is not there. `-wal` and `-shm` lie beside it while it is open
 * @throws `INVALID_OPTION` at once; `NOT_SUPPORTED` where no driver is installed, `STORE_PATH`, `STORE_VERSION`,
 * `STORE_CORRUPT`, `STORE_UNAVAILABLE` from `open`
 */
export function sqlite(path: string, options: SqliteOptions = {}): Store {
  const parsed = parseOptions(path, options);
  return new SqliteStore(path, parsed, () => loadDriver(parsed.driver));
}
