import { expect } from 'chai';
import { buildEvent } from '../../plugins/contract/build-event.ts';
import type { SqliteDatabase, SqliteDriver } from '../../plugins/sqlite/driver.ts';
import { loadDriver } from '../../plugins/sqlite/drivers.ts';
import { parseOptions } from '../../plugins/sqlite/options.ts';
import { SqliteStore } from '../../plugins/sqlite/store.ts';
import { cleanUp, freshStore, pathOf } from './files.ts';

const STEPS: Readonly<Record<string, RegExp>> = {
  read: /^SELECT .* FROM telltale_events WHERE position = \?$/s,
  bury: /^INSERT INTO telltale_tombstones/,
  delete: /^DELETE FROM telltale_events/,
  commit: /^COMMIT$/,
};

/** The real driver, which tells what it is asked. */
function listening(told: (sql: string) => void): SqliteDriver {
  const real = loadDriver();
  const wrap = (database: SqliteDatabase): SqliteDatabase => ({
    get inTransaction() {
      return database.inTransaction;
    },
    exec: (sql) => (told(sql), database.exec(sql)),
    close: () => database.close(),
    prepare: (sql) => {
      const statement = database.prepare(sql);
      return {
        run: (parameters) => (told(sql), statement.run(parameters)),
        get: (parameters) => (told(sql), statement.get(parameters)),
        all: (parameters) => statement.all(parameters),
      };
    },
  });
  return { name: real.name, open: (path) => wrap(real.open(path)) };
}

describe('sqlite: removing', () => {
  it('reads, hashes, deletes and commits a large event each in a turn of its own', async () => {
    const seen = new Map<string, number>();
    let turn = 0;
    const driver = listening((sql) => {
      for (const [step, statement] of Object.entries(STEPS)) if (statement.test(sql)) seen.set(step, turn);
    });
    const fresh = freshStore({});
    const store = new SqliteStore(
      pathOf(fresh),
      parseOptions(pathOf(fresh), { compressAbove: Infinity }),
      () => driver,
    );
    await store.open();
    await store.append([buildEvent({ payload: 'x'.repeat(100_000) })]);
    seen.clear();
    let next: NodeJS.Immediate;
    const tick = (): void => void (turn++, (next = setImmediate(tick)));
    tick();
    expect(await store.remove([{ from: 1, to: 1 }], 'large')).to.equal(1);
    clearImmediate(next!);
    expect([...seen.keys()]).to.deep.equal(Object.keys(STEPS));
    expect(new Set(seen.values()).size, JSON.stringify([...seen])).to.equal(seen.size);
    await store.close();
    cleanUp(fresh);
  });
});
