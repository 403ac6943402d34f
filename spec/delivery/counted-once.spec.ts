import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckpointTarget, TargetCheckpoint } from '../../lib/delivery/target.ts';
import { createBus, fileTarget, memory, type Bus, type StoredEvent } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { postgresTarget, type PostgresTransaction } from '../../plugins/postgres/index.ts';
import { sqlite, sqliteTarget, type SqliteTransaction } from '../../plugins/sqlite/index.ts';
import { INSTALLED } from '../sqlite/drivers.ts';
import { Life, mortalStore } from '../support/dying-store.ts';
import { ask, dropSchema, schemaName, sharedServer, type TestServer } from '../support/postgres-server.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { viewOfShared } from '../support/shared-views.ts';
import { skip } from '../support/skip.ts';
import { turn } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

/** Payloads as several consumers have projected them, each for itself. */
interface Views {
  readonly target: CheckpointTarget;
  readonly add: (tx: never, name: string, n: number) => unknown;
  readonly seen: (name: string) => Promise<readonly number[]>;
  /** Somebody deletes the checkpoints, and nothing else. */
  readonly forget?: (tx: never) => unknown;
  /** Where that is not any. */
  readonly log?: Store;
  readonly close: () => Promise<unknown>;
}

interface Place {
  readonly folder: string;
  readonly server: TestServer;
}

const addToState = ({ state }: { state: Record<string, number[]> }, name: string, n: number): void =>
  void (state[name] ??= []).push(n);

function inFile({ folder }: Place): Views {
  const target = fileTarget<Record<string, number[]>>(join(folder, 'views.json'), {});
  const seen = async (name: string): Promise<readonly number[]> => (await target.read())[name] ?? [];
  return { target, add: addToState, seen, close: async () => undefined };
}

const sqliteDoes = {
  setup: ({ run }: SqliteTransaction) => run('CREATE TABLE IF NOT EXISTS seen (name TEXT, n INTEGER)'),
  add: ({ run }: SqliteTransaction, name: string, n: number) => run('INSERT INTO seen VALUES (?, ?)', [name, n]),
  forget: ({ run }: SqliteTransaction) => run('DELETE FROM telltale_checkpoints'),
};

function inSqlite({ folder }: Place): Views {
  const { setup, add, forget } = sqliteDoes;
  const target = sqliteTarget(join(folder, 'views.db'), { setup, durability: 'os' });
  const seen = (name: string): Promise<number[]> =>
    target.read(({ all }) => all('SELECT n FROM seen WHERE name = ?', [name]).map(({ n }) => Number(n)));
  return { target, add, seen, forget, close: () => target.close() };
}

function inPostgres({ server }: Place): Views {
  const schema = schemaName();
  const table = `"${schema}".seen`;
  const setup = ({ run }: PostgresTransaction): Promise<number> =>
    run(`CREATE TABLE IF NOT EXISTS ${table} (name text, n int)`);
  const target = postgresTarget({ url: server.url, schema, setup, poolSize: 2 });
  const add = ({ run }: PostgresTransaction, name: string, n: number): Promise<number> =>
    run(`INSERT INTO ${table} VALUES ($1, $2)`, [name, n]);
  const seen = async (name: string): Promise<number[]> =>
    (await ask<{ n: number }>(server, `SELECT n FROM ${table} WHERE name = '${name}'`)).map(({ n }) => n);
  const forget = ({ run }: PostgresTransaction): Promise<number> =>
    run(`DELETE FROM "${schema}".projection_checkpoints`);
  return { target, add, seen, forget, close: () => target.close().then(() => dropSchema(server, schema)) };
}

const TARGETS = { fileTarget: inFile, sqliteTarget: inSqlite, postgresTarget: inPostgres } as const;
const PLACES: Readonly<Record<string, (place: Place) => Views>> = {
  ...TARGETS,
  'sqliteTarget in the file of the log': (place) => ({
    ...inSqlite(place),
    log: sqlite(join(place.folder, 'views.db'), { durability: 'os' }),
  }),
};

const EVENTS = [1, 2, 3];
/** What the handler cannot do until it is mended. */
const BAD = 2;
/** What changes anything; between two of them a death is like one at the first. */
const WRITES = ['putDocument', 'claim', 'commit', 'retry'];

const noop = (): void => undefined;

const at = (position: number, isSkipped?: true): TargetCheckpoint[] => [
  { key: 'k', position, epoch: 1, ...(isSkipped && { isSkipped }) },
];

/** A consumer of its own for each step, in one log and one target. */
interface Round {
  readonly views: Views;
  readonly log: Store;
  readonly name: string;
  readonly isMended: boolean;
}

async function open(log: Store): Promise<Bus> {
  const bus = await createBus({ store: viewOfShared(log, { shared: false }) });
  for (const type of ['$bus.handler.failed', '$bus.consumer.**']) bus.on(type, noop);
  return bus;
}

/** One process: handles what is there, then tries its dead letters again, twice. */
async function live({ views, log, name, ...round }: Round, life: Life): Promise<void> {
  const bus = await open(mortalStore(log, life, WRITES));
  let { isMended } = round;
  const handler = ({ payload }: StoredEvent, { tx }: { tx: never }): unknown => {
    if (payload === BAD && !isMended) throw new Error('not yet');
    return views.add(tx, name, payload as number);
  };
  const checkpointIn = life.callsOf(views.target, WRITES);
  const consumer = bus.consume(name, name, handler as never, { checkpointIn, retry: false });
  await consumer.started;
  const selection = { recipient: `consumer:${name}` };
  // Before it has come to what the letters are about.
  await bus.deadLetters.retry(selection);
  await consumer.caughtUp();
  isMended = true;
  for (let i = 0; i < 2; i++) await bus.deadLetters.retry(selection);
  await bus.close();
}

/** The first process dies at a step, the one behind it goes on to the end. Answers whether the first has died. */
async function killAt(round: Round, nth: number): Promise<boolean> {
  const { views, log, name } = round;
  const bus = await open(log);
  for (const n of EVENTS) await bus.publish(name, n);
  const life = new Life(nth, 'behind');
  const first = { isOver: false };
  live({ ...round, isMended: false }, life).then(
    () => (first.isOver = true),
    (error: unknown) => life.isDead || expect.fail(String(error)),
  );
  while (!first.isOver && !life.isDead) await turn();
  await live(round, new Life(Infinity, 'before'));
  expect(await bus.deadLetters.list(), `open letters, killed at ${nth}`).to.deep.equal([]);
  expect(
    (await views.seen(name)).toSorted((a, b) => a - b),
    `killed at ${nth}`,
  ).to.deep.equal(EVENTS);
  await bus.close();
  return !first.isOver;
}

describe('a projection of events of which one fails and is tried again', function () {
  this.timeout(120_000);

  refuseUnhandledRejections();
  let folder: string;
  let views: Views;
  let log: Store;

  beforeEach(() => (folder = mkdtempSync(join(quickFolder(), 'telltale-once-'))));
  afterEach(async () => {
    await views.close();
    await log.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function begin(test: Mocha.Context, name: string): Promise<void> {
    if (name.startsWith('sqlite') && INSTALLED.length === 0) skip(test, 'no driver for SQLite is installed');
    const server = name.startsWith('postgres') ? await sharedServer(test) : (undefined as never);
    views = PLACES[name]!({ folder, server });
    await (log = views.log ?? memory()).open();
  }

  for (const place of Object.keys(PLACES))
    for (const isMended of [true, false])
      it(`has each once in ${place}, killed at any step, where it ${isMended ? 'succeeds' : 'fails'} then`, async function () {
        await begin(this, place);
        let nth = 1;
        while (await killAt({ views, log, name: `a${nth}`, isMended }, nth)) nth++;
        expect(nth, 'steps').to.be.above(10);
      });

  for (const place of Object.keys(TARGETS)) {
    const retry = (position: number, run: (tx: never) => unknown = noop): Promise<unknown> =>
      views.target.retry({ position, key: 'k' }, run as never);
    const commit = (...given: Parameters<typeof at>): Promise<unknown> => views.target.commit(at(...given), noop);

    it(`is told by ${place} what it has skipped, each once, and nothing above its checkpoint`, async function () {
      await begin(this, place);
      expect(await retry(1)).to.equal('ahead');
      await views.target.claim({ key: 'k', position: 0, epoch: 1 });
      for (const position of [2, 4, 6]) await commit(position, true);
      await commit(7);
      const failed = new Error('handler');
      const add = (tx: never): unknown => views.add(tx, 'k', 1);
      const failing = async (tx: never): Promise<void> => {
        await add(tx);
        throw failed;
      };
      expect(await retry(4, failing).catch((error: unknown) => error)).to.equal(failed);
      expect(await retry(4, add)).to.equal(undefined);
      expect([await retry(4, add), await retry(3, add), await retry(8, add)]).to.deep.equal([
        'known',
        'known',
        'ahead',
      ]);
      expect(await views.seen('k')).to.deep.equal([1]);
      await commit(2);
      expect(await retry(6, add)).to.equal('ahead');
      await commit(9);
      expect([await retry(6, add), await retry(2)]).to.deep.equal(['known', undefined]);
      if (!views.forget) return;
      await commit(10, true);
      await views.target.commit([], views.forget as never);
      await views.target.claim({ key: 'k', position: 0, epoch: 2 });
      await views.target.commit([{ key: 'k', position: 11, epoch: 2 }], noop);
      expect(await retry(10, add)).to.equal('known');
    });
  }
});
