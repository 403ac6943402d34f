import type { SqliteDriver } from '../../plugins/sqlite/driver.ts';
import { loadDriver } from '../../plugins/sqlite/drivers.ts';
import { driverOver } from './driver-over.ts';

/** Answers the code with which a call of the driver fails; `undefined` lets it through. */
export type Fault = (sql: string, serial: number) => string | undefined;

export const real = loadDriver();

/** A real driver, whose calls fail as told, before or after they are carried out. */
export function faulty(fault: Fault, driver = real, after = false): SqliteDriver {
  let serial = 0;
  const guard = <T>(sql: string, call: () => T): T => {
    const code = fault(sql, ++serial);
    if (code === undefined) return call();
    if (after) call();
    throw Object.assign(new Error(`injected ${code}`), { code: `SQLITE_${code}` });
  };
  return driverOver(driver, (database) => ({
    exec: (sql) => guard(sql, () => database.exec(sql)),
    prepare: (sql, integers) => {
      const statement = database.prepare(sql, integers);
      return {
        run: (parameters) => guard(sql, () => statement.run(parameters)),
        get: (parameters) => guard(sql, () => statement.get(parameters)),
        all: (parameters) => guard(sql, () => statement.all(parameters)),
      };
    },
  }));
}
