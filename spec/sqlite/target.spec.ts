import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { createBus, memory } from '../../lib/index.ts';
import type { AnyEvents, Bus, Consumer, ConsumerContext, StoredEvent } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { loadDriver } from '../../plugins/sqlite/drivers.ts';
import { sqlite, sqliteTarget } from '../../plugins/sqlite/index.ts';
import type { DriverName, SqliteTarget, SqliteTransaction } from '../../plugins/sqlite/index.ts';
import { codeOf } from '../support/code-of.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { turnsUntil } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';
import { withEachDriver } from './drivers.ts';

type Context = ConsumerContext<AnyEvents, SqliteTransaction>;

const setup = ({ run }: SqliteTransaction): void => {
  run('CREATE TABLE IF NOT EXISTS seen (n INTEGER NOT NULL, position INTEGER NOT NULL)');
};

const add = ({ payload, position }: StoredEvent, { tx }: { tx: SqliteTransaction }): void => {
  tx.run('INSERT INTO seen VALUES (?, ?)', [payload as number, position]);
};

const onReset = ({ run }: SqliteTransaction): number => run('DELETE FROM seen');

const quiet = (bus: Bus): Bus => {
  for (const type of ['$bus.handler.failed', '$bus.consumer.**', '$bus.publish.failed']) bus.on(type, () => undefined);
  return bus;
};

const publish = async (bus: Bus, from: number, to: number): Promise<void> => {
  for (let n = from; n <= to; n++) await bus.publish('a', n, { entity: `n/${n % 7}` });
};

const seenBy = (target: SqliteTarget): Promise<readonly number[]> =>
  target.read(({ all }) => all('SELECT n FROM seen ORDER BY rowid').map(({ n }) => n as number));

const look = ({ get }: Pick<SqliteTransaction, 'get'>): unknown[] => [
  get('SELECT n FROM theirs')!['n'],
  get('PRAGMA application_id')!['application_id'],
  get('PRAGMA journal_mode')!['journal_mode'],
];

withEachDriver((driver: DriverName) => {
  describe(`sqliteTarget over ${driver}`, () => {
    refuseUnhandledRejections();
    let folder: string;
    let path: string;
    let target: SqliteTarget;
    let store: Store;
    let bus: Bus;

    beforeEach(async () => {
      folder = mkdtempSync(join(quickFolder(), 'telltale-sqlite-target-'));
      path = join(folder, 'views.db');
      target = sqliteTarget(path, { driver, setup });
      store = memory();
      bus = quiet(await createBus({ store }));
    });
    afterEach(async () => {
      await bus.close();
      await target.close();
      rmSync(folder, { recursive: true, force: true });
    });

    const checkpoints = (): Promise<readonly object[]> =>
      target.read(({ all }) =>
        all('SELECT key, position FROM telltale_checkpoints ORDER BY key').map((row) => ({ ...row })),
      );

    it('keeps what a handler writes and how far it has come, and goes on there', async () => {
      const first = bus.consume('views', 'a', add, { checkpointIn: target });
      await publish(bus, 1, 4);
      await first.caughtUp();
      await first.stop();
      await target.close();
      await store.deleteDocument('checkpoints', 'views');
      const again = sqliteTarget(path, { driver, setup });
      const second = bus.consume('views', 'a', add, { checkpointIn: again });
      await publish(bus, 5, 6);
      await second.caughtUp();
      expect(await seenBy(again)).to.deep.equal([1, 2, 3, 4, 5, 6]);
      expect(await checkpoints()).to.deep.equal([{ key: 'views', position: 6 }]);
      await second.stop();
      await again.close();
    });

    it('takes back what a handler wrote that failed', async () => {
      const consumer = bus.consume(
        'views',
        'a',
        (event, context) => {
          add(event, context);
          if (event.payload === 2) throw new Error('handler');
        },
        { checkpointIn: target, retry: 2 },
      );
      await publish(bus, 1, 3);
      await consumer.caughtUp();
      expect(await seenBy(target)).to.deep.equal([1, 3]);
      expect(await bus.deadLetters.list()).to.have.lengthOf(1);
    });

    it('refuses a handler that answers with a Promise, and takes back what it wrote', async () => {
      const late = (async (event: StoredEvent, context: { tx: SqliteTransaction }) => {
        add(event, context);
        await Promise.resolve();
        add(event, context);
      }) as unknown as typeof add;
      const consumer = bus.consume('views', 'a', late, { checkpointIn: target, retry: false, onFailure: 'pause' });
      await publish(bus, 1, 1);
      expect((await rejectionOf(consumer.caughtUp())).code).to.equal('INVALID_OPTION');
      expect(await seenBy(target)).to.deep.equal([]);
      expect(await checkpoints()).to.deep.equal([{ key: 'views', position: 0 }]);
    });

    it('has one transaction for a batch', async () => {
      await publish(bus, 1, 10);
      let calls = 0;
      const addAll = (events: readonly StoredEvent[], context: { tx: SqliteTransaction }): void => {
        calls++;
        for (const event of events) add(event, context);
      };
      await bus.consume('views', 'a', addAll, { checkpointIn: target, batch: { max: 5 } }).caughtUp();
      expect(await seenBy(target)).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      expect(calls).to.be.below(10);
    });

    it('divides a group, each partition with its checkpoint, and is rewound as a whole', async () => {
      const terms = { checkpointIn: target, onReset, group: true, key: 'entity' } as const;
      const consumer = bus.consume('views', 'a', add, terms);
      await publish(bus, 1, 20);
      await consumer.caughtUp();
      expect((await seenBy(target)).toSorted((a, b) => a - b)).to.deep.equal(
        Array.from({ length: 20 }, (_, i) => i + 1),
      );
      expect(await checkpoints()).to.have.lengthOf(64);
      await consumer.rewind(11);
      await consumer.caughtUp();
      expect((await seenBy(target)).toSorted((a, b) => a - b)).to.deep.equal(
        Array.from({ length: 10 }, (_, i) => i + 11),
      );
    });

    it('is rewound only where it is told how its tables begin anew', async () => {
      const consumer = bus.consume('views', 'a', add, { checkpointIn: target });
      await publish(bus, 1, 2);
      expect((await rejectionOf(consumer.rewind('earliest'))).code).to.equal('INVALID_OPTION');
    });

    it('refuses what a deposed holder commits', async () => {
      await target.claim({ key: 'k', position: 0, epoch: 2 });
      const rejection = await rejectionOf(target.commit([{ key: 'k', position: 5, epoch: 1 }], onReset));
      expect(rejection.code).to.equal('LEASE_LOST');
      expect((await rejectionOf(target.claim({ key: 'k', position: 0, epoch: 1 }))).code).to.equal('LEASE_LOST');
      await target.commit([{ key: 'k', position: 5, epoch: 2 }], onReset);
      expect(await target.claim({ key: 'k', position: 0, epoch: 3 })).to.include({ position: 5 });
    });

    it('hands out every kind of value, and refuses what SQLite has no name for', async () => {
      const bytes = new Uint8Array([1, 0, 255]);
      await target.commit([], ({ run, get, all }) => {
        run('CREATE TABLE kinds (a, b, c, d, e)');
        expect(run('INSERT INTO kinds VALUES (?, ?, ?, ?, ?)', [null, 1.5, 'é\u2028', bytes, true])).to.equal(1);
        const row = get('SELECT * FROM kinds')!;
        expect([row['a'], row['b'], row['c'], [...(row['d'] as Uint8Array)], row['e']]).to.deep.equal([
          null,
          1.5,
          'é\u2028',
          [1, 0, 255],
          1,
        ]);
        expect(get('SELECT 1 AS one WHERE 0')).to.equal(undefined);
        expect(
          all('SELECT d FROM kinds').map(({ d }) => [d instanceof Uint8Array, ...(d as Uint8Array)]),
        ).to.deep.equal([[true, 1, 0, 255]]);
        for (const wrong of [undefined, new Date(), {}, NaN])
          expect(codeOf(() => run('INSERT INTO kinds (a) VALUES (?)', [wrong as never]))).to.equal('INVALID_OPTION');
      });
    });

    it('keeps its transaction to itself: it is not ended by hand, and not used when it is over', async () => {
      let kept!: SqliteTransaction;
      await target.commit([], (tx) => {
        kept = tx;
        for (const sql of ['COMMIT', ' rollback', '/* x */ END', '-- x\nBEGIN', 'SAVEPOINT a', "ATTACH 'x' AS y"])
          expect(
            codeOf(() => tx.run(sql)),
            sql,
          ).to.equal('INVALID_OPTION');
      });
      expect(codeOf(() => kept.run('DELETE FROM seen'))).to.equal('INVALID_OPTION');
    });

    it('does not let `read` write', async () => {
      let refused: unknown;
      await target.read(({ all }) => all('DELETE FROM seen RETURNING n')).catch((error: unknown) => (refused = error));
      expect(refused).to.have.property('message').that.includes('readonly');
      await target.commit([], ({ run }) => run('INSERT INTO seen VALUES (1, 1)'));
      expect(await seenBy(target)).to.deep.equal([1]);
    });

    it('lives in the database of another program, and changes nothing else there', async () => {
      const other = join(folder, 'other.db');
      const theirs = loadDriver(driver).open(other);
      theirs.exec('PRAGMA application_id = 42; CREATE TABLE theirs (n); INSERT INTO theirs VALUES (7)');
      theirs.close();
      const guest = sqliteTarget(other, { driver });
      await guest.claim({ key: 'k', position: 0, epoch: 1 });
      expect(await guest.read(look)).to.deep.equal([7, 42, 'delete']);
      await guest.close();
    });

    it('refuses a table of the same name that is not its own, one of another version, and what is no database', async () => {
      const refused = async (prepare: (file: string) => void): Promise<string> => {
        const file = join(folder, 'wrong.db');
        rmSync(file, { force: true });
        prepare(file);
        return (await rejectionOf(sqliteTarget(file, { driver }).claim({ key: 'k', position: 0, epoch: 1 }))).code;
      };
      const holding = (sql: string) => (file: string) => {
        const database = loadDriver(driver).open(file);
        database.exec(sql);
        database.close();
      };
      expect(await refused(holding('CREATE TABLE telltale_checkpoints (key, position, epoch)'))).to.equal(
        'TARGET_BROKEN',
      );
      for (const version of [1, 3]) {
        const other = `CREATE TABLE telltale_checkpoints (/* telltale checkpoints ${version} */ key)`;
        expect(await refused(holding(other))).to.equal('STORE_VERSION');
      }
      for (const table of ['telltale_checkpoints (/* telltale checkpoints 2 */ key)', 'telltale_skipped (key)'])
        expect(await refused(holding(`CREATE TABLE ${table}`))).to.equal('TARGET_BROKEN');
      expect(await refused((file) => writeFileSync(file, 'no database, only a text\n'.repeat(100)))).to.equal(
        'STORE_PATH',
      );
      expect(
        (await rejectionOf(sqliteTarget(folder, { driver }).claim({ key: 'k', position: 0, epoch: 1 }))).code,
      ).to.equal('STORE_PATH');
      const unable = sqliteTarget(join(folder, 'unable.db'), { driver, setup: ({ run }) => run('CREATE nonsense') });
      let failure: unknown;
      await unable.claim({ key: 'k', position: 0, epoch: 1 }).catch((error: unknown) => (failure = error));
      expect(failure).to.have.property('message').that.includes('nonsense');
    });

    it('refuses options that are none', () => {
      expect(codeOf(() => sqliteTarget(''))).to.equal('INVALID_OPTION');
      expect(codeOf(() => sqliteTarget(':memory:'))).to.equal('INVALID_OPTION');
      expect(codeOf(() => sqliteTarget(path, { setup: 'CREATE' } as never))).to.equal('INVALID_OPTION');
      expect(codeOf(() => sqliteTarget(path, { busyTimeout: -1 }))).to.equal('INVALID_OPTION');
      expect(existsSync(path)).to.equal(false);
    });

    it('pauses the consumer, and loses no event, where another program holds the file too long', async () => {
      const brief = sqliteTarget(path, { driver, setup, busyTimeout: 20 });
      const consumer = bus.consume('views', 'a', add, { checkpointIn: brief });
      await consumer.started;
      await turnsUntil(() => existsSync(path));
      await publish(bus, 1, 1);
      await consumer.caughtUp();
      const other = loadDriver(driver).open(path);
      other.exec('BEGIN IMMEDIATE');
      await publish(bus, 2, 2);
      expect((await rejectionOf(consumer.caughtUp())).code).to.equal('STORE_UNAVAILABLE');
      other.exec('ROLLBACK');
      other.close();
      consumer.resume();
      await consumer.caughtUp();
      expect(await seenBy(brief)).to.deep.equal([1, 2]);
      expect(await bus.deadLetters.list()).to.deep.equal([]);
      await consumer.stop();
      await brief.close();
    });
  });

  describe(`a publish in a handler of sqliteTarget over ${driver}`, () => {
    refuseUnhandledRejections();
    let folder: string;
    let target: SqliteTarget;
    let bus: Bus;

    const open = async (views: string, store: Store): Promise<void> => {
      target = sqliteTarget(join(folder, views), { driver, setup });
      bus = quiet(await createBus({ store }));
    };
    const logAt = (file: string): Store => sqlite(join(folder, file), { driver });
    const typesOf = async (): Promise<readonly string[]> =>
      (await bus.query({})).events.map((event) => `${event.type} ${JSON.stringify(event.payload)}`);

    /** A consumer that adds each event, and then does as `then` says. */
    const consumeA = (
      then: (event: StoredEvent, context: Context) => unknown,
      terms: { retry?: false } = {},
    ): Consumer =>
      bus.consume(
        'views',
        'a',
        (event, context) => {
          add(event, context);
          void then(event, context);
        },
        { checkpointIn: target, ...terms },
      );

    /** Two events for such a consumer; none is tried again. */
    const handleTwo = async (then: (event: StoredEvent, put: Bus['publish']) => unknown): Promise<void> => {
      await open('log.db', logAt('log.db'));
      const consumer = consumeA((event, { publish: put }) => then(event, put), { retry: false });
      await publish(bus, 1, 2);
      await consumer.caughtUp();
    };

    beforeEach(() => (folder = mkdtempSync(join(quickFolder(), 'telltale-sqlite-join-'))));
    afterEach(async () => {
      await bus.close();
      await target.close();
      rmSync(folder, { recursive: true, force: true });
    });

    it('is stored with what the handler writes, heard here, and told to consumers', async () => {
      await open('log.db', logAt('log.db'));
      const heard: unknown[] = [];
      bus.on('b', ({ payload, causationId }) => void heard.push([payload, causationId]));
      const receipts: unknown[] = [];
      const told: unknown[] = [];
      const other = bus.consume('other', 'b', ({ payload, position }) => void told.push([payload, position]));
      const consumer = consumeA((event, context) => {
        void context
          .publish('b', { of: event.payload })
          .then((receipt) => receipts.push([receipt.position, receipt.durability]));
        void bus.publish('b', { too: event.payload });
        void bus.batch().add('c', 1).add('c', 2).commit();
      });
      const { event } = await bus.publish('a', 1);
      await consumer.caughtUp();
      await other.caughtUp();
      expect(await seenBy(target)).to.deep.equal([1]);
      expect(await typesOf()).to.deep.equal(['a 1', 'b {"of":1}', 'b {"too":1}', 'c 1', 'c 2']);
      expect(heard).to.deep.equal([
        [{ of: 1 }, event.id],
        [{ too: 1 }, event.id],
      ]);
      expect(told).to.deep.equal([
        [{ of: 1 }, 2],
        [{ too: 1 }, 3],
      ]);
      expect(receipts).to.deep.equal([[0, 'pending']]);
      const { offered, accepted, refused, stored, waiting, transient, unstored } = bus.metrics();
      expect([offered, accepted]).to.deep.equal([accepted + refused, stored + waiting + transient + unstored]);
    });

    it('goes with all the rest where the handler fails', async () => {
      await open('log.db', logAt('log.db'));
      const consumer = consumeA((_, context) => {
        void context.publish('b', context.attempt);
        if (context.attempt === 1) throw new Error('handler');
      });
      await bus.publish('a', 1);
      await consumer.caughtUp();
      expect(await typesOf()).to.deep.equal(['a 1', 'b 2']);
      expect(await seenBy(target)).to.deep.equal([1]);
    });

    it('fails the handler where the log refuses it', async () => {
      await handleTwo((_, put) => put('b', 1, { entity: 'e/1', expect: 'none' }));
      expect(await typesOf())
        .to.include('b 1')
        .and.to.include('a 2');
      expect(await seenBy(target)).to.deep.equal([1]);
      const letters = await bus.deadLetters.list();
      expect(letters.map(({ error }) => error.code)).to.deep.equal(['EXPECTATION_FAILED']);
    });

    it('fails the handler where it is refused at the door, though the handler does not look', async () => {
      for (const publishBadly of [
        (put: (type: string, payload: unknown) => unknown) => put('b', Number.NaN),
        (put: (type: string, payload: unknown) => unknown) => put('no type', 1),
        () => bus.publish('b', 1, { signal: AbortSignal.abort() }).catch(() => undefined),
        () =>
          bus
            .batch()
            .commit({ expect: -1 as number })
            .catch(() => undefined),
      ]) {
        await handleTwo(({ payload }, put) => {
          void put('c', 1);
          if (payload === 1) void publishBadly(put);
        });
        expect((await typesOf()).filter((type) => !type.startsWith('$'))).to.deep.equal(['a 1', 'a 2', 'c 1']);
        expect(await seenBy(target)).to.deep.equal([2]);
        expect(await bus.deadLetters.list()).to.not.deep.equal([]);
        await bus.close();
        await target.close();
        for (const name of readdirSync(folder)) rmSync(join(folder, name));
      }
    });

    it('is refused where the log is in another file, or in another store, though the handler does not look', async () => {
      for (const store of [logAt('log.db'), memory()]) {
        await open(`views-of-${store.name}.db`, store);
        const rejections: unknown[] = [];
        const consumer = consumeA(
          (event, context) => {
            context.emit('c', event.payload);
            void context.publish('token', 1, { transient: true });
            context.publish('b', 1).catch((error: { code: string }) => rejections.push(error.code));
          },
          { retry: false },
        );
        await bus.publish('a', 1);
        await consumer.caughtUp();
        expect(rejections).to.deep.equal(['PUBLISH_IN_TRANSACTION']);
        expect(await seenBy(target)).to.deep.equal([]);
        await bus.flush();
        // What is emitted is not taken back.
        expect((await typesOf()).filter((type) => !type.startsWith('$'))).to.deep.equal(['a 1', 'c 1']);
        if (store.name !== 'memory') {
          await bus.close();
          await target.close();
        }
      }
    });

    it('is refused by the context when the handler has ended; that of the bus goes its usual way', async () => {
      await open('views.db', memory());
      let later: (() => Promise<unknown>) | undefined;
      const consumer = consumeA((_, context) => {
        later = () => Promise.resolve(context.publish('b', 1));
      });
      await bus.publish('a', 1);
      await consumer.caughtUp();
      expect((await rejectionOf(later!())).code).to.equal('PUBLISH_IN_TRANSACTION');
      expect(await bus.publish('b', 2)).to.include({ position: 2 });
    });
  });
});
