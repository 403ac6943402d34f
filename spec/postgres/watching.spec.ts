import { expect } from 'chai';
import pg from 'pg';
import { createVirtualClock } from '../../lib/plugin.ts';
import type { Store, StoredEvent } from '../../lib/plugin.ts';
import { buildEvent, buildEvents } from '../support/event-builder.ts';
import { ask, schemaName } from '../support/postgres-server.ts';
import { pendingAppend } from '../support/pending-append.ts';
import { Stores } from './stores.ts';

const stores = new Stores();

/** Resolves when a listener of the store has been told of a position. */
function told(store: Store, position: number): Promise<number[]> {
  const seen: number[] = [];
  return new Promise((resolve) => {
    const undo = store.onCommit((events: readonly StoredEvent[]) => {
      seen.push(...events.map((event) => event.position));
      if (seen.at(-1)! < position) return;
      undo();
      resolve(seen);
    });
  });
}

/** Resolves when the watcher's own connection listens. */
async function listening(schema: string): Promise<number> {
  for (;;) {
    const [row] = await ask<{ pid: number }>(
      stores.server,
      `SELECT pid FROM pg_stat_activity WHERE application_name = $1 AND query LIKE 'LISTEN %'`,
      [schema],
    );
    if (row !== undefined) return row.pid;
  }
}

describe('postgres: watching', function () {
  this.timeout(120_000);
  let writer: Store;
  let watcher: Store;

  before(async function () {
    await stores.begin(this);
  });

  // Looks of its own every hour: what arrives was notified.
  beforeEach(async () => {
    writer = stores.create({ poll: '1h' });
    await writer.open();
    const schema = stores.schemaOf(writer);
    watcher = stores.again(writer, {
      connection: { connectionString: stores.server.url, application_name: schema },
    });
    await watcher.open();
    await listening(schema);
  });

  afterEach(async () => {
    await watcher.close();
    await writer.close();
    await stores.cleanUp(writer);
  });

  it('tells of what another store writes, all of it in order, and of its own', async () => {
    const all = told(watcher, 250);
    for (let n = 0; n < 50; n++) await writer.append(buildEvents(4));
    await watcher.append(buildEvents(50));
    expect(await all).to.deep.equal(Array.from({ length: 250 }, (_, n) => n + 1));
  });

  it('goes on when its connection was terminated, and tells what it missed', async () => {
    const schema = stores.schemaOf(writer);
    const first = await listening(schema);
    const all = told(watcher, 3);
    await writer.append([buildEvent()]);
    await ask(stores.server, 'SELECT pg_terminate_backend($1)', [first]);
    await writer.append([buildEvent()]);
    while ((await listening(schema)) === first);
    await writer.append([buildEvent()]);
    expect(await all).to.deep.equal([1, 2, 3]);
  });

  /** Delivers while a transaction that has written is open in the database of the url. */
  async function deliverBeside(url: string): Promise<void> {
    const other = new pg.Client({ connectionString: url });
    await other.connect();
    try {
      const table = `${stores.schemaOf(writer)}.elsewhere`;
      await other.query(`CREATE SCHEMA IF NOT EXISTS ${stores.schemaOf(writer)}`);
      await other.query(`CREATE TABLE ${table} (a int)`);
      await other.query('BEGIN');
      await other.query(`INSERT INTO ${table} VALUES (1)`);
      const all = told(watcher, 1);
      await writer.append([buildEvent()]);
      expect(await all).to.deep.equal([1]);
      await other.query('COMMIT');
    } finally {
      await other.end();
    }
  }

  it('is held up by no transaction that writes elsewhere', () => deliverBeside(stores.server.url));

  it('is held up by no transaction that writes in another database of the server', async () => {
    const database = schemaName();
    const url = new URL(stores.server.url);
    url.pathname = database;
    await ask(stores.server, `CREATE DATABASE ${database}`);
    try {
      await deliverBeside(url.href);
    } finally {
      await ask(stores.server, `DROP DATABASE ${database}`);
    }
  });

  it('tells of what was appended within a transaction of somebody else, when it is told that it was committed', async () => {
    const client = new pg.Client({ connectionString: stores.server.url });
    await client.connect();
    const all = told(watcher, 1);
    const store = stores.again(writer);
    await store.open();
    await client.query('BEGIN');
    const { records } = await store.appendWithin(client, [pendingAppend([buildEvent()])]);
    expect(await writer.head()).to.deep.equal({ position: 0, storedAt: 0 });
    await client.query('COMMIT');
    store.committed();
    expect(await all).to.deep.equal(records.map(({ position }) => position));
    await store.close();
    await client.end();
  });
});

describe('postgres: notifying', function () {
  this.timeout(120_000);

  before(async function () {
    await stores.begin(this);
  });

  it('tells of the first commit at once, and of all that follow within 5 ms together', async () => {
    const clock = createVirtualClock();
    const schema = schemaName();
    const store = stores.create({
      schema,
      connection: { connectionString: stores.server.url, application_name: schema },
    });
    await store.open({ clock });
    const [row] = await ask<{ query: string }>(stores.server, 'SELECT query FROM pg_stat_activity WHERE pid = $1', [
      await listening(schema),
    ]);
    const other = new pg.Client({ connectionString: stores.server.url });
    await other.connect();
    const heard: (string | undefined)[] = [];
    other.on('notification', ({ payload }) => heard.push(payload));
    await other.query(row!.query);
    const hear = async (count: number): Promise<void> => {
      while (heard.length < count) await other.query('SELECT 1');
    };
    await store.append([buildEvent()]);
    await hear(1);
    for (let n = 0; n < 20; n++) await store.append([buildEvent()]);
    await other.query(row!.query.replace(/^LISTEN (.*)$/, "NOTIFY $1, 'end'"));
    await hear(2);
    expect(heard).to.deep.equal(['', 'end']);
    while (heard.length < 3) {
      await clock.advance(5);
      await other.query('SELECT 1');
    }
    expect(heard).to.deep.equal(['', 'end', '']);
    await other.end();
    await store.close();
    await stores.cleanUp(store);
  });
});

describe('postgres: watching without notifications', function () {
  this.timeout(120_000);

  before(async function () {
    await stores.begin(this);
  });

  it('says why none are heard, and until when', async () => {
    let isRoom = false;
    // The pool itself connects with a callback.
    class Client extends pg.Client {
      override connect(done?: (...answer: never[]) => void): Promise<pg.Client> {
        if (done !== undefined) return super.connect(done as never) as unknown as Promise<pg.Client>;
        return isRoom ? super.connect() : Promise.reject(new Error('no room for it'));
      }
    }
    const pool = new pg.Pool({ connectionString: stores.server.url, max: 3, Client });
    const clock = createVirtualClock();
    const store = stores.create({ pool });
    await store.open({ clock });
    while (store.health().notices.length === 0) await new Promise(setImmediate);
    expect(store.health().notices).to.deep.equal([
      'no notifications are heard or sent (no room for it): what others write is found after 1000 ms',
    ]);
    isRoom = true;
    await clock.advance(100);
    while (store.health().notices.length > 0) await new Promise(setImmediate);
    await store.close();
    await pool.end();
    await stores.cleanUp(store);
  });

  it('finds what others wrote by looking', async () => {
    const writer = stores.create({ poll: '1h' });
    await writer.open();
    const watcher = stores.again(writer, { poll: '10ms' });
    await watcher.open();
    const all = told(watcher, 1);
    const schema = stores.schemaOf(writer);
    // Written past every store: nobody notifies.
    await ask(
      stores.server,
      `INSERT INTO ${schema}.events SELECT 1, 'x', 'task.created', 's', 0, NULL, 0, 'x', NULL, 1, 0, '1', NULL`,
    );
    await ask(stores.server, `UPDATE ${schema}.counter SET position = 1`);
    expect(await all).to.deep.equal([1]);
    await watcher.close();
    await writer.close();
    await stores.cleanUp(writer);
  });
});
