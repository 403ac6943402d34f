import type { PostgresOptions } from './options.ts';
import { mustBeAll, parseOptions } from './options.ts';
import { PostgresStore } from './store.ts';

export type { PgClient, PgPool } from './driver.ts';
export type { PostgresOptions, PostgresTargetOptions } from './options.ts';
/** For `telltale verify`. @internal */
export { dropLog, headOfLog } from './scratch.ts';
export type { PostgresStore } from './store.ts';
export { postgresTarget } from './target.ts';
export type { PostgresTarget } from './target.ts';
export type { PostgresTransaction } from './transactions.ts';

/**
 * A log of events in a PostgreSQL database, for any number of processes.
 *
 * @param options a url, or more; without either the url in `DATABASE_URL`
 * @throws `INVALID_OPTION` at once; `STORE_ACCESS`, `STORE_PATH`, `STORE_VERSION`, `STORE_CORRUPT`, `STORE_UNAVAILABLE`,
 * `NOT_SUPPORTED` from `open`
 */
export function postgres(options?: string | PostgresOptions): PostgresStore;
export function postgres(options?: string | PostgresOptions, more?: unknown): PostgresStore {
  mustBeAll('postgres', more);
  return new PostgresStore(parseOptions(options, process.env['DATABASE_URL']));
}
