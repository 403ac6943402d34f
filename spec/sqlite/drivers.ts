import type { DriverName } from '../../plugins/sqlite/driver.ts';
import { loadDriver } from '../../plugins/sqlite/drivers.ts';
import { skip } from '../support/skip.ts';

const NAMES: readonly DriverName[] = ['libsql', 'better-sqlite3', 'node:sqlite'];

/** Why a driver cannot be tested here; `undefined` where it can. */
export function missing(name: DriverName): string | undefined {
  try {
    loadDriver(name);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

export const INSTALLED: readonly DriverName[] = NAMES.filter((name) => missing(name) === undefined);

/** Defines tests for each driver; one that is not there is one skipped test that says why. */
export function withEachDriver(define: (driver: DriverName) => void): void {
  for (const name of NAMES) {
    const reason = missing(name);
    if (reason === undefined) define(name);
    else
      it(`with ${name}`, function () {
        skip(this, `sqlite with ${name}: ${reason}`);
      });
  }
}
