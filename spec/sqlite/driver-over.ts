import type { SqliteDatabase, SqliteDriver } from '../../plugins/sqlite/driver.ts';

/** A driver whose connections do what `over` answers for each in its own way, and all the rest as those of `driver`. */
export function driverOver(
  driver: SqliteDriver,
  over: (database: SqliteDatabase) => Partial<SqliteDatabase>,
): SqliteDriver {
  const wrap = (database: SqliteDatabase): SqliteDatabase => ({
    get inTransaction() {
      return database.inTransaction;
    },
    exec: (sql) => database.exec(sql),
    prepare: (sql, integers) => database.prepare(sql, integers),
    close: () => database.close(),
    ...over(database),
  });
  return { name: driver.name, open: (path) => wrap(driver.open(path)) };
}
