import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { createBus, memory, type Bus } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { sqlite, sqliteTarget } from '../../plugins/sqlite/index.ts';
import type { DriverName, SqliteTarget, SqliteTransaction } from '../../plugins/sqlite/index.ts';
import { codeOf } from '../support/code-of.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';
import { withEachDriver } from './drivers.ts';

const setup = ({ run }: SqliteTransaction): void => {
  run('CREATE TABLE IF NOT EXISTS seen (n INTEGER PRIMARY KEY, also)');
  run('CREATE TABLE IF NOT EXISTS log (n)');
  run(`CREATE TRIGGER IF NOT EXISTS guard BEFORE INSERT ON log WHEN new.n < 0
       BEGIN SELECT 1; SELECT RAISE(ROLLBACK, 'a trigger says no'); END`);
};

withEachDriver((driver: DriverName) => {
  describe(`what sqliteTarget takes and answers over ${driver}`, () => {
    refuseUnhandledRejections();
    let folder: string;
    let target: SqliteTarget;
    let bus: Bus;

    const open = async (store: Store): Promise<void> => {
      bus = await createBus({ store });
      for (const type of ['$bus.handler.failed', '$bus.consumer.**']) bus.on(type, () => undefined);
    };
    const rows = (table: string): Promise<readonly unknown[]> =>
      target.read(({ all }) => all(`SELECT n FROM ${table} ORDER BY rowid`).map(({ n }) => n));

    beforeEach(() => {
      folder = mkdtempSync(join(quickFolder(), 'telltale-sqlite-statements-'));
      target = sqliteTarget(join(folder, 'views.db'), { driver, setup });
    });
    afterEach(async () => {
      await target.close();
      rmSync(folder, { recursive: true, force: true });
    });

    it('takes one statement a call, with a value for each of its parameters', async () => {
      await target.commit([], ({ run, get, all }) => {
        run('INSERT INTO seen VALUES (?, ?)', [1, 'before']);
        const wrong: readonly (readonly [string, readonly unknown[]])[] = [
          ['INSERT INTO seen VALUES (?, ?)', [2]],
          ['INSERT INTO seen VALUES (?, ?)', []],
          ['INSERT INTO seen VALUES (?, ?)', [2, 3, 4]],
          ['INSERT INTO seen (n) VALUES (?1)', [2]],
          ['INSERT INTO seen (n) VALUES (:n)', [2]],
          ['INSERT INTO log VALUES (1); INSERT INTO log VALUES (2)', []],
          ['INSERT INTO log VALUES (1); COMMIT', []],
          ['-- nothing', []],
          ['INSERT INTO log VALUES (1)\0', []],
        ];
        for (const [sql, values] of wrong)
          for (const ask of [run, get, all])
            expect(
              codeOf(() => ask(sql, values as never)),
              sql,
            ).to.equal('INVALID_OPTION');
        expect(codeOf(() => run('INSERT INTO log VALUES (?)', { 0: 1, length: 1 } as never))).to.equal(
          'INVALID_OPTION',
        );
        expect(codeOf(() => run('INSERT INTO log VALUES (?)', 'x' as never))).to.equal('INVALID_OPTION');
      });
      expect([await rows('seen'), await rows('log')]).to.deep.equal([[1], []]);
    });

    it('hands out no integer that a number cannot hold, and takes no text of which a part would be lost', async () => {
      await target.commit([], ({ run, get, all }) => {
        for (const n of [2 ** 53 - 1, -(2 ** 53) + 1, 0]) expect(get(`SELECT ${n} AS n`)).to.deep.equal({ n });
        expect(get('SELECT 1e300 AS n, 9007199254740993.5 AS m')).to.deep.equal({ n: 1e300, m: 2 ** 53 + 2 });
        for (const n of ['9007199254740993', '-9007199254740992', '9223372036854775807']) {
          expect(codeOf(() => get(`SELECT ${n} AS n`))).to.equal('INVALID_OPTION');
          expect(codeOf(() => all(`SELECT 1 AS n UNION SELECT ${n}`))).to.equal('INVALID_OPTION');
          expect(get(`SELECT CAST(${n} AS TEXT) AS n`)).to.deep.equal({ n });
        }
        expect(codeOf(() => run('INSERT INTO log VALUES (?)', ['a\0b']))).to.equal('INVALID_OPTION');
      });
    });

    it('answers `run` with the rows it changed, also where there are some to read, and can be committed', async () => {
      await target.commit([], ({ run }) => {
        expect(run('INSERT INTO log VALUES (1), (2) RETURNING n')).to.equal(2);
        expect(run('SELECT n FROM log')).to.equal(0);
        expect(run('CREATE TABLE other (n)')).to.equal(0);
        expect(run('PRAGMA user_version')).to.equal(0);
        expect(run('UPDATE log SET n = n WHERE n > 5 RETURNING n')).to.equal(0);
        expect(run('WITH x AS (SELECT 1 AS n) UPDATE log SET n = n + 1 WHERE n IN (SELECT n FROM x)')).to.equal(1);
        expect(run('DROP TABLE other')).to.equal(0);
      });
      expect(await rows('log')).to.deep.equal([2, 2]);
    });

    it('answers `get` and `all` with rows and nothing else', async () => {
      await target.commit([], ({ run, get, all }) => {
        expect(Object.entries(get('INSERT INTO log VALUES (1), (2) RETURNING n')!)).to.deep.equal([['n', 1]]);
        expect(JSON.stringify(get('SELECT n, n + 1 AS _metadata FROM log'))).to.equal('{"n":1,"_metadata":2}');
        expect(get('INSERT INTO log VALUES (3)')).to.equal(undefined);
        expect(all('INSERT INTO log VALUES (4)')).to.deep.equal([]);
        for (const row of [get('SELECT 1 AS one'), ...all('SELECT 1 AS one')])
          expect(Object.getPrototypeOf(row)).to.equal(Object.prototype);
        run('DELETE FROM log WHERE n = ?', [2]);
      });
      expect(await rows('log')).to.deep.equal([1, 3, 4]);
    });

    for (const [what, sql] of [
      ['OR ROLLBACK', 'INSERT OR ROLLBACK INTO seen (n) VALUES (1)'],
      ['RAISE(ROLLBACK)', 'INSERT INTO log VALUES (-1)'],
    ] as const)
      for (const log of ['elsewhere', 'in the file'] as const)
        it(`writes nothing where a statement rolls back and the handler goes on: ${what}, the log ${log}`, async () => {
          await open(log === 'elsewhere' ? memory() : sqlite(join(folder, 'views.db'), { driver }));
          const codes: string[] = [];
          const consumer = bus.consume(
            'views',
            'a',
            ({ payload }, { tx, publish }) => {
              tx.run('INSERT OR IGNORE INTO seen (n) VALUES (1)');
              tx.run('INSERT INTO log VALUES (?)', [payload as number]);
              if (payload === 3) return;
              if (log === 'in the file') void publish('b', 1).catch(() => undefined);
              expect(() => tx.run(sql)).to.throw();
              if (payload === 2) codes.push(codeOf(() => tx.run('INSERT INTO log VALUES (9)')));
            },
            { checkpointIn: target, retry: 2 },
          );
          for (const n of [1, 2, 3]) await bus.publish('a', n);
          await consumer.caughtUp();
          expect(await rows('log')).to.deep.equal([3]);
          expect(codes).to.deep.equal(['HANDLER_FAILED', 'HANDLER_FAILED']);
          const letters = await bus.deadLetters.list();
          expect(letters.map(({ error }) => error.code)).to.deep.equal(['HANDLER_FAILED', 'HANDLER_FAILED']);
          expect(letters[0]!.error.message).to.match(/rolled the transaction back: .*(?:seen\.n|says no)/);
          expect(await bus.count({ type: 'b' })).to.equal(0);
          await bus.close();
        });

    it('refuses a `setup` and an `onReset` that answer with a Promise, and takes back what they wrote', async () => {
      const late = sqliteTarget(join(folder, 'late.db'), {
        driver,
        setup: (async ({ run }: SqliteTransaction) => {
          run('CREATE TABLE early (n)');
          await Promise.resolve();
          run('CREATE TABLE too_late (n)');
        }) as never,
      });
      for (const asking of [() => late.claim({ key: 'k', position: 0, epoch: 1 }), () => late.read(() => 1)])
        expect((await rejectionOf(asking())).code).to.equal('INVALID_OPTION');
      await late.close();
      const after = sqliteTarget(join(folder, 'late.db'), { driver });
      expect(
        await after.read(({ all }) => all("SELECT name FROM sqlite_master WHERE name LIKE '%a%ly%'")),
      ).to.deep.equal([]);
      await after.close();
      await open(memory());
      const onReset = (async ({ run }: SqliteTransaction) => void run('DELETE FROM log')) as never;
      const consumer = bus.consume('views', 'a', (_, { tx }) => void tx.run('INSERT INTO log VALUES (1)'), {
        checkpointIn: target,
        onReset,
      });
      await bus.publish('a', 1);
      await consumer.caughtUp();
      const refused = await rejectionOf(consumer.rewind('earliest'));
      expect([refused.code, refused.message]).to.satisfy(
        ([code, message]: string[]) => code === 'INVALID_OPTION' && message!.includes('onReset'),
      );
      await consumer.caughtUp();
      expect(await rows('log')).to.deep.equal([1]);
      await bus.close();
    });

    it('tells whoever reads first what `setup` failed of', async () => {
      const mine = new TypeError('mine');
      const failing = sqliteTarget(join(folder, 'failing.db'), {
        driver,
        setup: () => {
          throw mine;
        },
      });
      expect(await failing.read(() => 1).catch((error: unknown) => error)).to.equal(mine);
      await failing.close();
    });
  });
});
