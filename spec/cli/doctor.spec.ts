import { appendFileSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Context } from 'mocha';
import { jsonFile } from 'telltale';
import { openStore } from 'telltale/open';
import type { Store } from '../../lib/plugin.ts';
import type { PostgresStore } from '../../plugins/postgres/index.ts';
import { commandLine } from '../support/command-line.ts';
import { buildEvents } from '../support/event-builder.ts';
import { ask, dropSchema, schemaName, sharedServer, urlIn } from '../support/postgres-server.ts';
import type { TestServer } from '../support/postgres-server.ts';

describe('telltale doctor', function () {
  this.timeout(60_000);
  let home: string;
  const undo: (() => Promise<void>)[] = [];

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'telltale-doctor-'));
    await fill(`file:${home}/log`);
  });
  afterEach(async () => {
    rmSync(home, { recursive: true, force: true });
    for (const step of undo.splice(0)) await step();
  });

  async function inPostgres(test: Context): Promise<{ server: TestServer; schema: string; url: string }> {
    const server = await sharedServer(test);
    const schema = schemaName();
    undo.push(() => dropSchema(server, schema));
    return { server, schema, url: urlIn(server, schema) };
  }

  function segment(): string {
    return join(
      home,
      'log',
      readdirSync(join(home, 'log')).find((name) => name.endsWith('.ndjson'))!,
    );
  }

  async function diagnosed(place: string): Promise<{ code: number; found: number; faults: Record<string, unknown>[] }> {
    const { code, out, err } = await commandLine(['doctor', place, '--json'], home);
    expect(err).to.equal('');
    return { code, ...(JSON.parse(out) as { found: number; faults: Record<string, unknown>[] }) };
  }

  it('says that nothing is wrong with a healthy log, wherever it lies', async function () {
    const { url: postgres } = await inPostgres(this);
    await fill('sqlite:' + join(home, 'log.db'));
    await fill(postgres);
    for (const place of ['log', `file:${home}/log`, 'log.db', 'sqlite:./log.db', postgres]) {
      const { code, out, err } = await commandLine(['doctor', place], home);
      expect([code, err], out).to.deep.equal([0, '']);
      expect(out).to.include('head at position 20, 17 events').and.include('nothing is wrong');
    }
  });

  it('names a bad checksum by its offset, with exit code 1', async () => {
    const bytes = readFileSync(segment());
    const at = bytes.indexOf('"position":9,') - 1;
    const start = bytes.lastIndexOf('\n', at) + 1;
    bytes[bytes.indexOf('contract', at)]! ^= 1;
    writeFileSync(segment(), bytes);
    const { code, out } = await commandLine(['doctor', 'log'], home);
    expect(code).to.equal(1);
    expect(out).to.include(`bad checksum (${segment().split('/').at(-1)!}, byte ${start}, position 9)`);
    expect(out).to.include('1 fault found');
  });

  it('tells a torn tail, and salvages what is intact into a new folder', async () => {
    const last = readdirSync(join(home, 'log'))
      .filter((name) => name.endsWith('.ndjson'))
      .toSorted()
      .at(-1)!;
    appendFileSync(join(home, 'log', last), '{"crc":"0000');
    const before = readFileSync(join(home, 'log', last));
    expect((await diagnosed('log')).faults[0]!['problem']).to.include('torn tail of 12 bytes');
    const { code, out } = await commandLine(['doctor', 'log', '--salvage', 'saved'], home);
    expect([code, out.includes('20 intact records copied to saved; the original is as it was')], out).to.deep.equal([
      0,
      true,
    ]);
    expect(readFileSync(join(home, 'log', last)).equals(before)).to.equal(true);
    expect((await diagnosed('saved')).found).to.equal(0);
  });

  it('looks at a log that is being written', async () => {
    const store = jsonFile(join(home, 'log'));
    await store.open();
    const { out, code } = await commandLine(['doctor', 'log'], home);
    expect([code, out.includes('is writing it')], out).to.deep.equal([0, true]);
    await store.close();
  });

  it('salvages what is intact of an SQLite file and of PostgreSQL, and names the positions that are lost', async function () {
    await fill(`sqlite:${home}/log.db`);
    damage('log.db', '"tenth"');
    const { server, schema, url } = await inPostgres(this);
    await fill(url);
    await ask(server, `DELETE FROM "${schema}".events WHERE position = 10`);
    for (const [i, place] of ['log.db', `sqlite:${home}/log.db`, url].entries()) {
      const { code, out } = await commandLine(['doctor', place, '--salvage', `saved${i}`], home);
      expect([code, out.includes(`19 intact records copied to saved${i}`)], out).to.deep.equal([0, true]);
      expect(out).to.include('1 position recorded as lost: 10');
      const [saved, store] = [
        jsonFile(join(home, `saved${i}`)),
        await openStore(place === 'log.db' ? `sqlite:${home}/log.db` : place),
      ];
      await saved.open();
      const [kept, there] = [await positionsIn(saved), await positionsIn(store)];
      expect(kept).to.deep.equal(there.filter((position) => position !== 10));
      expect(
        (await saved.removed({ from: 1, to: 20 })).map(({ from, to, reason }) => [from, to, reason]),
      ).to.deep.equal([
        [4, 6, 'old'],
        [10, 10, 'lost'],
      ]);
      expect((await saved.document('checkpoints', 'reader'))?.value).to.deep.equal({ position: 20 });
      await saved.close();
      await store.close();
      expect((await diagnosed(`saved${i}`)).found).to.equal(0);
    }
    const again = await commandLine(['doctor', url, '--salvage', 'saved2'], home);
    expect([again.code, again.err.includes('saved2 is not empty')]).to.deep.equal([2, true]);
    const json = await commandLine(['doctor', 'log.db', '--salvage', 'other', '--json'], home);
    expect(JSON.parse(json.out)).to.have.nested.property('salvaged.kept', 19);
  });

  it('leaves no damage unseen in a copy of an SQLite file', async () => {
    await fill(`sqlite:${home}/log.db`);
    damage('log.db', '"tenth"');
    const { code, err } = await commandLine(['backup', 'sqlite:./log.db', 'saved'], home);
    expect([code, err.includes('position 10 is damaged'), err.includes('--salvage')], err).to.deep.equal([
      2,
      true,
      true,
    ]);
  });

  /** Turns a bit wherever a text is. */
  function damage(name: string, text: string): void {
    const bytes = readFileSync(join(home, name));
    for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) bytes[at + 1]! ^= 1;
    writeFileSync(join(home, name), bytes);
  }

  it('finds damage in an SQLite file', async () => {
    const path = join(home, 'log.db');
    await fill(`sqlite:${path}`);
    const bytes = readFileSync(path);
    for (let at = bytes.indexOf('write the contract'); at >= 0; at = bytes.indexOf('write the contract', at + 1))
      bytes[at] = 87;
    writeFileSync(path, bytes);
    const { code, found } = await diagnosed('log.db');
    expect([code, found > 0]).to.deep.equal([1, true]);
  });

  it('finds holes and documents ahead in PostgreSQL', async function () {
    const { server, schema, url } = await inPostgres(this);
    await fill(url);
    await ask(server, `DELETE FROM "${schema}".events WHERE position IN (9, 10)`);
    const store = await openStore(url);
    await store.putDocument('checkpoints', 'other', { position: 99 });
    await store.close();
    const { code, faults } = await diagnosed(url);
    expect(code).to.equal(1);
    expect(faults.map(({ problem }) => problem)).to.deep.equal([
      'positions 9 to 10 are missing',
      'document checkpoints/other is ahead of the log, which ends at 20',
    ]);
  });

  for (const [what, sql, problem, position] of [
    ['an edited payload', `UPDATE events SET payload = '{"n":9}' WHERE position = 9`, 'is not what was stored', 9],
    ['a lowered revision', 'UPDATE events SET revision = 1 WHERE position = 9', 'was stored as revision 9', 9],
    ['a stream set back', 'UPDATE streams SET revision = 3', 'stands at 3, and revision 20 is there', 20],
    ['a missing stream', 'DELETE FROM streams', 'is missing, and revision 20 is there', 20],
    ['a removal over events', `INSERT INTO removed VALUES (9, 10, 'x', 0)`, 'both an event and its removal', 9],
    ['a counter set back', 'UPDATE counter SET position = 15', 'is at 15, and there is something behind it', 16],
  ] as const)
    it(`finds ${what} in PostgreSQL`, async function () {
      const { server, schema, url } = await inPostgres(this);
      await fill(url, { position: 1 });
      await ask(server, `SET search_path = "${schema}"; ${sql}`);
      const { code, faults } = await diagnosed(url);
      expect(code).to.equal(1);
      const fault = faults.find((one) => String(one['problem']).includes(problem));
      expect(fault, JSON.stringify(faults)).to.deep.include({ position });
      const { out } = await commandLine(['doctor', url, '--salvage', 'saved'], home);
      expect(out).to.include('20 intact records').and.include('0 positions recorded as lost');
    });

  it('salvages events in PostgreSQL whose stream was set back, and gives them the next revisions', async function () {
    const { server, schema, url } = await inPostgres(this);
    await fill(url);
    await ask(server, `UPDATE "${schema}".streams SET revision = 3`);
    const store = await openStore(url);
    await store.append(buildEvents(2, { entity: 'task/a' }));
    await store.close();
    const { out } = await commandLine(['doctor', url, '--salvage', 'saved'], home);
    expect(out).to.include('22 intact records').and.include('2 events given the next revision');
    const saved = jsonFile(join(home, 'saved'));
    await saved.open();
    const revisions = [];
    for await (const { revision } of saved.read({ after: 19 })) revisions.push(revision);
    expect(revisions).to.deep.equal([20, 21, 22]);
    await saved.close();
  });

  it('salvages a log in PostgreSQL that has lost its counter', async function () {
    const { server, schema, url } = await inPostgres(this);
    await fill(url);
    for (const [i, sql] of [`DELETE FROM "${schema}".counter`, `DROP TABLE "${schema}".counter`].entries()) {
      await ask(server, sql);
      const { code, out, err } = await commandLine(['doctor', url, '--salvage', `saved${i}`], home);
      expect([code, err], out).to.deep.equal([0, '']);
      expect(out).to.include('1 fault found').and.include('20 intact records copied');
    }
  });

  it('finds a block of texts in PostgreSQL that does not say what its events do', async function () {
    const { server, schema, url: plain } = await inPostgres(this);
    const url = `${plain}&search=true`;
    const store = (await openStore(url)) as PostgresStore;
    await store.append(buildEvents(1_100));
    await store.idle();
    await store.close();
    expect((await diagnosed(url)).found).to.equal(0);
    await ask(server, `DELETE FROM "${schema}".search WHERE block = 1`);
    const { faults } = await diagnosed(url);
    expect(faults.map(({ position }) => position)).to.deep.equal([513]);
    expect(faults[0]!['problem']).to.include('the index of texts');
  });

  it('makes nothing in a database to find out that there is no log, nor do the others that only read', async function () {
    const { server, schema, url } = await inPostgres(this);
    for (const words of [
      ['doctor', url],
      ['show', url],
      ['stats', url],
      ['query', url],
      ['search', url, 'word'],
      ['replay', url],
      ['letters', url],
      ['letters', url, 'an-id', '--discard', '--because', 'old'],
      ['retain', url, '--keep-for', '1d', '--yes'],
      ['copy', url, 'copied'],
      ['backup', url, 'saved.db'],
    ]) {
      const { code, err } = await commandLine(words, home);
      expect([code, err.includes(schema), err.trim().split('\n').length], `${words[0]}: ${err}`).to.deep.equal([
        2,
        true,
        1,
      ]);
    }
    expect(await ask(server, 'SELECT 1 FROM pg_namespace WHERE nspname = $1', [schema])).to.deep.equal([]);
    expect(readdirSync(home)).to.deep.equal(['log']);
  });

  it('says in one line what is wrong with its words', async () => {
    writeFileSync(join(home, 'log.db'), '');
    for (const [words, text] of [
      [['doctor', 'nowhere'], 'does not exist'],
      [['doctor', 'nowhere.db'], 'does not exist'],
      [['doctor', 'sqlite:./nowhere.db'], 'does not exist'],
      [['doctor', 'memory:'], 'holds nothing'],
      [['doctor', '.'], '. holds no log; did you mean log?'],
      [['show', 'log.db'], 'sqlite:log.db'],
    ] as const) {
      const { code, err } = await commandLine(words, home);
      expect([code, err.includes(text)], err).to.deep.equal([2, true]);
    }
  });
});

async function positionsIn(store: Store): Promise<number[]> {
  const positions = [];
  for await (const { position } of store.read()) positions.push(position);
  return positions;
}

async function fill(url: string, checkpoint = { position: 20 }): Promise<void> {
  const store = await openStore(url);
  const events = buildEvents(20, { entity: 'task/a' });
  await store.append(events.map((event, i) => (i === 9 ? { ...event, payload: { which: 'tenth' } } : event)));
  await store.remove([{ from: 4, to: 6 }], 'old');
  await store.putDocument('checkpoints', 'reader', checkpoint, checkpoint);
  await store.close();
}
