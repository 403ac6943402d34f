import { expect } from 'chai';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TelltaleError } from '../../lib/errors.ts';
import { buildEvent, buildEvents } from '../../plugins/contract/build-event.ts';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { memory } from '../../plugins/memory/index.ts';
import { postgres } from '../../plugins/postgres/index.ts';
import { loadDriver } from '../../plugins/sqlite/drivers.ts';
import { sqlite } from '../../plugins/sqlite/index.ts';
import type { DriverName, SqliteOptions } from '../../plugins/sqlite/index.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { skip } from '../support/skip.ts';
import { missing, withEachDriver } from './drivers.ts';

describe('sqlite: what it is given', () => {
  let folder: string;
  let path: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'telltale-sqlite-'));
    path = join(folder, 'log.db');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function refusal(options: unknown, at: unknown = path): TelltaleError {
    try {
      sqlite(at as string, options as SqliteOptions);
    } catch (error) {
      if (error instanceof TelltaleError) return error;
    }
    throw new Error('expected a refusal');
  }

  it('refuses unknown options by name and wrong values with what came', () => {
    expect(refusal({ sync: true }).message).to.match(/`sync`.*driver, durability/);
    expect(refusal({ driver: 'sqlite3' }).message).to.match(/`driver`.*"sqlite3"/);
    expect(refusal({ index: ['id'] }).message).to.match(/`index\.0`.*source or a dotted path/);
    expect(refusal({ compressAbove: 1 }).message).to.match(/`compressAbove`.*1 \(number\)/);
    expect(refusal({ busyTimeout: -1 }).message).to.match(/`busyTimeout`/);
    for (const at of ['', ':memory:', 'file:x?mode=memory', 'sqlite:./x.db', 7, 'a\0b'])
      expect(refusal({}, at).code).to.equal('INVALID_OPTION');
  });

  it('refuses paths that cannot be followed, at once and in every store that takes some', () => {
    const paths = ['payload.constructor', 'payload.__proto__.x', `payload.${'x'.repeat(512)}`, 'payload.\ud800'];
    const makers = [
      (index: string[]) => sqlite(path, { index }),
      (index: string[]) => memory({ index }),
      (index: string[]) => jsonFile(folder, { index }),
      (index: string[]) => postgres({ url: 'postgres://nowhere/none', index }),
    ];
    for (const make of makers)
      for (const bad of paths)
        expect(() => make([bad]))
          .to.throw(TelltaleError)
          .with.property('code', 'INVALID_OPTION');
    expect(existsSync(path)).to.equal(false);
  });

  it('opens a file that has a path which cannot be followed, and says so', async () => {
    let store = sqlite(path);
    await store.open();
    await store.close();
    const own = loadDriver().open(path);
    own.exec("INSERT INTO telltale_paths (path, indexed_to, indexed_from) VALUES ('payload.constructor', 0, 5)");
    own.close();
    store = sqlite(path, { index: ['payload.total'] });
    await store.open();
    await store.append([buildEvent({ payload: { total: 7 } })]);
    const found = await store.page({
      after: 0,
      through: 9,
      descending: false,
      limit: 9,
      where: { 'payload.total': 7 },
    });
    expect(found).to.include({ index: 'payload.total' });
    expect(store.health().notices.join()).to.match(/payload\.constructor/);
    await store.close();
  });

  it('says what to install where a driver is missing', async function (): Promise<void> {
    const reason = missing('better-sqlite3') ?? missing('node:sqlite');
    if (reason === undefined) return skip(this, 'a missing driver: all of them are installed');
    expect(reason).to.match(/npm install|Node 22\.13/);
    const driver = missing('better-sqlite3') === undefined ? 'node:sqlite' : 'better-sqlite3';
    expect((await rejectionOf(sqlite(path, { driver }).open())).code).to.equal('NOT_SUPPORTED');
    expect(existsSync(path), 'no file is made').to.equal(false);
  });

  it('makes the file and the folders above it, unless told not to', async () => {
    const deep = join(folder, 'a', 'b', 'log.db');
    expect((await rejectionOf(sqlite(deep, { create: false }).open())).code).to.equal('STORE_PATH');
    expect((await rejectionOf(sqlite(deep, { readOnly: true }).open())).code).to.equal('STORE_PATH');
    expect(readdirSync(folder)).to.deep.equal([]);
    const store = sqlite(deep);
    await store.open();
    await store.append([buildEvent()]);
    await store.close();
    // libsql keeps a file open until its statements are collected as garbage; what is beside the log is empty then.
    const left = statSync(`${deep}-wal`, { throwIfNoEntry: false })?.size ?? 0;
    expect(left, 'bytes that are not in the file').to.equal(0);
  });

  withEachDriver((driver) => {
    it(`refuses what is no log, and does not change it, with ${driver}`, async () => {
      expect(await openingOf(folder, driver)).to.include({ code: 'STORE_PATH' });
      writeFileSync(path, 'not a database at all, and long enough to be looked at. '.repeat(200));
      const before = readFileSync(path);
      expect((await openingOf(path, driver)).message).to.match(/a SQLite database/);
      expect(readFileSync(path).equals(before)).to.equal(true);
      expect((await openingOf(join(path, 'below'), driver)).code).to.equal('STORE_PATH');
    });

    it(`refuses another program's database, and does not change it, with ${driver}`, async () => {
      const own = loadDriver(driver).open(path);
      own.exec('CREATE TABLE events (a); INSERT INTO events VALUES (1)');
      own.close();
      const before = readFileSync(path);
      const error = await rejectionOf(sqlite(path, { driver }).open());
      expect(error.code).to.equal('STORE_PATH');
      expect(error.message).to.match(/another program's database/);
      expect(readFileSync(path).equals(before)).to.equal(true);
    });

    it(`refuses tables of a newer version, with ${driver}`, async () => {
      const store = sqlite(path, { driver });
      await store.open();
      await store.close();
      const own = loadDriver(driver).open(path);
      own.exec(`UPDATE telltale_meta SET value = '99' WHERE name = 'version'`);
      own.close();
      const error = await rejectionOf(sqlite(path, { driver }).open());
      expect(error.code).to.equal('STORE_VERSION');
      expect(error.message).to.match(/version 99/);
    });
  });

  it('names a file that may not be read', async function (): Promise<void> {
    writeFileSync(path, '');
    chmodSync(path, 0);
    if (process.getuid?.() === 0) return skip(this, 'a file that may not be read: root reads everything');
    expect((await rejectionOf(sqlite(path).open())).code).to.equal('STORE_PATH');
  });

  it('names a folder in which no file can be made', async () => {
    writeFileSync(join(folder, 'file'), '');
    expect((await rejectionOf(sqlite(join(folder, 'file', 'log.db')).open())).code).to.equal('STORE_PATH');
    mkdirSync(path);
    expect((await rejectionOf(sqlite(path).open())).message).to.match(/a file, got "a folder"/);
  });

  it('takes nothing where it is opened for reading only, and follows who writes', async () => {
    const writer = sqlite(path);
    await writer.open();
    await writer.append(buildEvents(2));
    const reader = sqlite(path, { readOnly: true, pollMs: 2 });
    await reader.open();
    expect(reader.supports.readOnly).to.equal(true);
    const calls = [
      () => reader.append([buildEvent()]),
      () => reader.putDocument('a', 'b', 1),
      () => reader.deleteDocument('a', 'b'),
      () => reader.remove([{ from: 1, to: 1 }], 'x'),
    ];
    for (const call of calls) expect((await rejectionOf(call())).code).to.equal('STORE_READ_ONLY');
    const told = new Promise<number>((resolve) => reader.onCommit((events) => resolve(events[0]!.position)));
    await writer.append([buildEvent()]);
    expect(await told).to.equal(3);
    await reader.close();
    await writer.close();
  });
});

function openingOf(path: string, driver: DriverName): Promise<TelltaleError> {
  return rejectionOf(sqlite(path, { driver }).open());
}
