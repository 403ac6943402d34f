import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createBus } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { memory } from '../../plugins/memory/index.ts';
import { isStoreUrl, openStore, optionsFromEnv, storeAt, withoutPassword } from '../../plugins/open.ts';
import { postgres } from '../../plugins/postgres/index.ts';
import { sqlite } from '../../plugins/sqlite/index.ts';
import { buildEvents } from '../support/event-builder.ts';
import { ask, schemaName, sharedServer } from '../support/postgres-server.ts';
import { rejectionOf } from '../support/rejection-of.ts';

/** The names that an error says are known. */
function knownIn({ message }: Error): string[] {
  return /\(known: ([^)]+)\)/.exec(message)![1]!.split(', ');
}

async function using<T>(store: Store, work: (store: Store) => Promise<T>): Promise<T> {
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

describe('openStore', () => {
  const home = mkdtempSync(join(tmpdir(), 'telltale-open-'));
  after(() => rmSync(home, { recursive: true, force: true }));

  it('opens a store in memory, with options', async () => {
    await using(await openStore('memory:?capacity=5&index=payload.total,source'), async (store) => {
      await store.append(buildEvents(8));
      expect([store.name, (await store.size()).events]).to.deep.equal(['memory', 5]);
    });
  });

  it('opens a folder, by a path of any form', async () => {
    const spaced = join(home, 'a folder');
    for (const url of [
      `file:${encodeURI(spaced)}?durability=os&segmentEvents=16`,
      `file://${encodeURI(spaced)}`,
      `FILE://localhost${encodeURI(spaced)}`,
    ])
      await using(await openStore(url), async (store) => {
        expect(store.name).to.equal(`json-file ${spaced}`);
        expect(store.supports.durability).to.equal(url.includes('=os') ? 'os' : 'disk');
        await store.append(buildEvents(1));
      });
    await using(await openStore(`file:${encodeURI(spaced)}?readOnly=true`), async (store) => {
      expect((await store.head()).position).to.equal(3);
      expect(store.supports.readOnly).to.equal(true);
    });
  });

  it('opens an SQLite file', async () => {
    await using(await openStore(`sqlite:${join(home, 'events.db')}?busyTimeout=100&index=payload.n`), async (store) => {
      await store.append(buildEvents(2));
      expect((await store.head()).position).to.equal(2);
    });
  });

  it('opens a schema of PostgreSQL, leaving the parameters of the driver in the url', async function () {
    this.timeout(120_000);
    const server = await sharedServer(this);
    const schema = schemaName();
    const url = new URL(server.url);
    url.searchParams.set('schema', schema);
    url.searchParams.set('application_name', 'telltale-open');
    await using(await openStore(url.href), async (store) => {
      await store.append(buildEvents(2));
      const names = await ask<{ n: string }>(
        server,
        `SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'telltale-open'`,
      );
      expect(Number(names[0]!.n)).to.be.greaterThan(0);
    });
    await ask(server, `DROP SCHEMA "${schema}" CASCADE`);
  });

  it('leaves a socket, a host or a port that parameters name to the driver', async function () {
    this.timeout(120_000);
    const server = await sharedServer(this);
    const { username, password, hostname, port, pathname } = new URL(server.url);
    for (const user of [`${username}:${password}@`, `${username}:${password}@elsewhere.invalid:1`]) {
      const schema = schemaName();
      const url = `postgres://${user}${pathname}?host=${hostname}&port=${port}&schema=${schema}`;
      await using(await openStore(url), async (store) => void (await store.append(buildEvents(2))));
      await ask(server, `DROP SCHEMA "${schema}" CASCADE`);
    }
  });

  it('refuses what names no store, and says what does', async () => {
    const bad = [
      './events',
      '',
      'mysql://u:secret@h/d',
      'http://x',
      'memory:stuff',
      'file:',
      'file://elsewhere/path',
      'file:./%zz',
      'file:~/events',
      'sqlite:',
      'sqlite:~/events.db',
      'postgres:db',
      'constructor:x',
      7,
      undefined,
    ];
    for (const url of bad) {
      const error = await rejectionOf(openStore(url as string));
      expect(error.code, String(url)).to.equal('INVALID_OPTION');
      expect(error.message).not.to.include('secret');
    }
    expect((await rejectionOf(openStore('./events'))).message)
      .to.include('file:./events')
      .and.include('memory:');
  });

  it('refuses unknown parameters and wrong values, and names them', async () => {
    const bad: Readonly<Record<string, string>> = {
      'memory:?capacty=5': 'capacty',
      'memory:?capacity=many': 'capacity',
      'memory:?capacity=': 'capacity',
      'memory:?capacity=0': 'capacity',
      'memory:?capacity=5&capacity=6': 'capacity',
      'file:./x?compress=maybe': 'compress',
      'file:./x?durability=memory': 'durability',
      'sqlite:./x?driver=oracle': 'driver',
      'postgres://h/d?shema=x': 'shema',
      'postgres://h/d?url=x': 'url',
      'postgres://h/d?poolSize=1': 'poolSize',
    };
    for (const [url, named] of Object.entries(bad)) {
      const error = await rejectionOf(openStore(url));
      expect([error.code, error.message.includes(named)], error.message).to.deep.equal(['INVALID_OPTION', true]);
    }
  });

  it('takes every option of each store but those that no url can say', async () => {
    const unsaid = ['url', 'connection', 'pool'];
    const stores: Readonly<Record<string, (options: object) => unknown>> = {
      'memory:': (options) => memory(options),
      'file:./x': (options) => jsonFile('./x', options),
      'sqlite:./x.db': (options) => sqlite('./x.db', options),
      'postgres://h/d': (options) => postgres({ url: 'postgres://h/d', ...options }),
    };
    for (const [url, create] of Object.entries(stores)) {
      const options = knownIn(await rejectionOf(Promise.resolve().then(() => create({ unheardOf: 1 }))));
      const parameters = knownIn(await rejectionOf(openStore(`${url}?unheardOf=1`)));
      expect(parameters, url).to.have.members(options.filter((name) => !unsaid.includes(name)));
    }
  });

  it('names the url without its password in what is thrown', async () => {
    const url = 'postgres://ann:s3cr%40t@127.0.0.1:1/db?timeout=500';
    const error = await rejectionOf(openStore(url));
    expect(error.code).to.equal('STORE_UNAVAILABLE');
    expect(error.message).to.include('postgres://ann:***@127.0.0.1:1/db');
    for (let at: unknown = error; at instanceof Error; at = at.cause) expect(String(at.stack)).not.to.include('s3cr');
  });

  it('hides passwords wherever a url may have them, and nothing else', () => {
    expect(withoutPassword('postgres://ann:p@ss:w@h:5/db?x=1')).to.equal('postgres://ann:***@h:5/db?x=1');
    for (const password of ['p#ss', 'p/ss', 'p?ss', 'p@/s:s', 'p?a=b#c/d', 'p@ss?wo@rd', 'p@s/s?x', 's3c@ret#x'])
      expect(withoutPassword(`postgres://ann:${password}@h/db`)).to.equal('postgres://ann:***@h/db');
    expect(withoutPassword('postgres://ann@h/db')).to.equal('postgres://ann@h/db');
    expect(withoutPassword('postgres://h/db?user=a&password=b&x=1')).to.equal(
      'postgres://h/db?user=a&password=***&x=1',
    );
    expect(withoutPassword('file:./a:b@c')).to.equal('file:./a:b@c');
  });

  it('says nothing of a password that was not encoded and that a url cannot have', async () => {
    for (const password of ['q7@q7?q7@q7', 'q7@q/s?q7', 'q7@q7#q7', 'q7?q7=1&q7']) {
      const error = await rejectionOf(openStore(`postgres://ann:${password}@h/db`));
      expect(error.code).to.equal('INVALID_OPTION');
      expect(JSON.stringify([error.message, error.details]), password)
        .to.include('ann:***@h/db')
        .and.not.include('q7');
    }
  });

  it('tells urls from paths', () => {
    for (const url of ['memory:', 'file:./x', 'sqlite:x', 'postgres://h/d', 'postgresql://h/d', 'SQLITE:x'])
      expect(isStoreUrl(url), url).to.equal(true);
    for (const path of ['./file', '/x/sqlite:y', 'events', 'C:\\events', 'postgres'])
      expect(isStoreUrl(path), path).to.equal(false);
  });

  it('makes a store that is not open yet', async () => {
    const store = await storeAt(`file:${join(home, 'missing')}`, { readOnly: true });
    expect(store.health().status).to.equal('closed');
    expect((await rejectionOf(store.open())).code).to.equal('STORE_PATH');
  });
});

describe('optionsFromEnv', () => {
  const home = mkdtempSync(join(tmpdir(), 'telltale-env-'));
  after(() => rmSync(home, { recursive: true, force: true }));

  it('makes a bus of what the environment says', async () => {
    const options = await optionsFromEnv({
      PATH: '/bin',
      TELLTALE_STORE: `file:${home}/events`,
      TELLTALE_DURABILITY: 'os',
      TELLTALE_RETENTION: '30d',
      TELLTALE_CACHE_TTL: '5s',
    });
    expect(options.store!.supports.durability).to.equal('os');
    expect(options.retention).to.deep.equal({ every: '1m', rules: [{ match: '**', keepFor: '30d' }] });
    expect(options.cache).to.deep.equal({ ttl: '5s' });
    const bus = await createBus(options);
    expect((await bus.publish('a.b', 1)).durability).to.equal('os');
    await bus.close();
  });

  it('answers nothing where nothing is set', async () => {
    expect(await optionsFromEnv({ HOME: '/root' })).to.deep.equal({});
  });

  it('refuses what is no environment, and says what retention may be', async () => {
    for (const env of [null, 'memory:', new Map([['TELLTALE_STORE', 'memory:']])])
      expect((await rejectionOf(optionsFromEnv(env as never))).message).to.match(/optionsFromEnv to be .*process\.env/);
    const { message } = await rejectionOf(optionsFromEnv({ TELLTALE_STORE: 'memory:', TELLTALE_RETENTION: '{30d' }));
    expect(message).to.match(/expected TELLTALE_RETENTION to be a duration such as 30d, or JSON .* got "\{30d"/);
  });

  it('takes retention as JSON', async () => {
    const rules = [{ match: 'token.**', keepFor: '1h' }];
    const env = { TELLTALE_STORE: 'memory:' };
    const given = [JSON.stringify(rules), JSON.stringify({ every: '5m', rules })];
    const taken = [];
    for (const TELLTALE_RETENTION of given)
      taken.push((await optionsFromEnv({ ...env, TELLTALE_RETENTION })).retention);
    expect(taken).to.deep.equal([
      { every: '1m', rules },
      { every: '5m', rules },
    ]);
  });

  it('refuses unknown variables, values that fit no store, and options without a store', async () => {
    const bad: readonly (readonly [Record<string, string>, string])[] = [
      [{ TELLTALE_STORE: 'memory:', TELLTALE_STOER: 'x' }, 'TELLTALE_STOER'],
      [{ TELLTALE_CACHE_TTL: '5s' }, 'TELLTALE_STORE'],
      [{ TELLTALE_STORE: 'memory:', TELLTALE_SCHEMA: 'x' }, 'TELLTALE_SCHEMA'],
      [{ TELLTALE_STORE: 'memory:', TELLTALE_DURABILITY: 'disk' }, 'TELLTALE_DURABILITY'],
      [{ TELLTALE_STORE: 'file:./x', TELLTALE_DURABILITY: 'memory' }, 'TELLTALE_DURABILITY'],
      [{ TELLTALE_STORE: 'memory:', TELLTALE_RETENTION: 'for ever' }, 'TELLTALE_RETENTION'],
      [{ TELLTALE_STORE: 'memory:', TELLTALE_RETENTION: '[oops' }, 'TELLTALE_RETENTION'],
      [{ TELLTALE_STORE: 'memory:', TELLTALE_CACHE_TTL: '' }, 'TELLTALE_CACHE_TTL'],
      [{ TELLTALE_STORE: '' }, 'TELLTALE_STORE'],
      [{ TELLTALE_STORE: 'sqlite:./x.db?driver=none' }, 'TELLTALE_STORE'],
      [{ TELLTALE_STORE: 'postgres://h/d', TELLTALE_SCHEMA: 'a b' }, 'TELLTALE_SCHEMA'],
      [{ TELLTALE_STORE: 'memory:', TELLTALE_RETENTION: '30' }, 'TELLTALE_RETENTION'],
      [{ TELLTALE_STORE: 'memory:', TELLTALE_RETENTION: '0d' }, 'TELLTALE_RETENTION'],
      [{ TELLTALE_STORE: 'memory:', TELLTALE_RETENTION: '{"evry":"1m"}' }, 'TELLTALE_RETENTION'],
      [{ TELLTALE_STORE: 'memory:', TELLTALE_RETENTION: '[{"keepFor":"30x"}]' }, 'TELLTALE_RETENTION'],
      [{ TELLTALE_STORE: 'memory:', TELLTALE_CACHE_TTL: '0' }, 'TELLTALE_CACHE_TTL'],
    ];
    for (const [env, named] of bad) {
      const error = await rejectionOf(optionsFromEnv(env));
      expect([error.code, error.message.includes(named)], error.message).to.deep.equal(['INVALID_OPTION', true]);
    }
  });
});
