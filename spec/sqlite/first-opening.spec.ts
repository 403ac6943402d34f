import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildEvent } from '../../plugins/contract/build-event.ts';
import type { DriverName, SqliteDriver } from '../../plugins/sqlite/driver.ts';
import { loadDriver } from '../../plugins/sqlite/drivers.ts';
import { sqlite, sqliteTarget, verify } from '../../plugins/sqlite/index.ts';
import { parseOptions } from '../../plugins/sqlite/options.ts';
import { SqliteStore } from '../../plugins/sqlite/store.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { skip } from '../support/skip.ts';
import { Child } from './children.ts';
import { driverOver } from './driver-over.ts';
import { withEachDriver } from './drivers.ts';
import { faulty, real } from './faulty.ts';
import type { Fault } from './faulty.ts';

describe('sqlite: a first opening that fails', () => {
  let folder: string;
  let path: string;

  beforeEach(() => {
    folder = mkdtempSync(join(quickFolder(), 'telltale-sqlite-'));
    path = join(folder, 'a', 'b', 'log.db');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const storeOver = (driver: SqliteDriver): SqliteStore =>
    new SqliteStore(path, parseOptions(path, { busyTimeout: 0, search: true, index: ['payload.lane'] }), () => driver);

  it('leaves nothing behind, or a whole log, at whichever step that was', async () => {
    let whole = 0;
    let nth = 0;
    for (let failed = true; failed;) {
      nth++;
      const fault: Fault = (_, serial) => (serial === nth ? 'FULL' : undefined);
      const store = storeOver(faulty(fault));
      failed = await store.open().then(
        () => false,
        () => true,
      );
      if (!failed) await store.close();
      if (readdirSync(folder).length === 0) continue;
      whole++;
      expect(readdirSync(join(folder, 'a', 'b')), `call ${nth}`).to.include('log.db');
      expect(await verify(path), `call ${nth}`).to.deep.include({ head: 0, findings: [] });
      rmSync(join(folder, 'a'), { recursive: true });
    }
    expect(nth, 'calls that failed').to.be.greaterThan(15);
    expect(whole, 'that came after the tables').to.be.lessThan(nth / 2);
  });

  it('leaves nothing behind where the disk stays full, or the library cannot open a file', async () => {
    const broken: SqliteDriver = {
      name: real.name,
      open: () => {
        throw new Error('no such library');
      },
    };
    const full = faulty((sql) => (/^CREATE|^COMMIT|INSERT/.test(sql.trim()) ? 'FULL' : undefined));
    for (const driver of [broken, full]) {
      expect((await rejectionOf(storeOver(driver).open())).code).to.equal('STORE_UNAVAILABLE');
      expect(readdirSync(folder)).to.deep.equal([]);
    }
  });

  it('leaves what was there: an empty file, folders, and what others have put into them since', async () => {
    const full = faulty((sql) => (sql === 'COMMIT' ? 'FULL' : undefined));
    await rejectionOf(
      storeOver({ ...full, open: (at) => (writeFileSync(join(folder, 'a', 'note'), ''), full.open(at)) }).open(),
    );
    expect(readdirSync(folder, { recursive: true })).to.have.members(['a', 'a/note']);
    path = join(folder, 'empty.db');
    writeFileSync(path, '');
    await rejectionOf(storeOver(full).open());
    expect(readdirSync(folder)).to.include('empty.db');
  });

  it('leaves no folder where a name is too long', async () => {
    path = join(folder, 'a', 'x'.repeat(300), 'log.db');
    const { code, message } = await rejectionOf(sqlite(path).open());
    expect(code).to.equal('STORE_PATH');
    expect(message).to.match(/expected to read and write .*ENAMETOOLONG/);
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('leaves nothing of a target whose `setup` throws', async () => {
    const target = sqliteTarget(path, {
      setup: ({ run }) => {
        run('CREATE TABLE totals (sum REAL)');
        throw new RangeError('mine');
      },
    });
    const thrown = await target.claim({ key: 'a', position: 0, epoch: 1 }).catch((error: unknown) => error);
    expect(thrown).to.be.instanceOf(RangeError);
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('leaves the file to another process that is about to make its tables', async () => {
    const other = loadDriver();
    let begun: ReturnType<SqliteDriver['open']> | undefined;
    // Between the first look at the file and the lock.
    const overtaken = faulty((sql) => {
      if (!sql.startsWith('BEGIN') || begun !== undefined) return undefined;
      begun = other.open(path);
      begun.exec('BEGIN IMMEDIATE; CREATE TABLE theirs (a)');
      return undefined;
    });
    expect((await rejectionOf(storeOver(overtaken).open())).code).to.equal('STORE_UNAVAILABLE');
    begun!.exec('COMMIT');
    expect(readdirSync(join(folder, 'a', 'b'))).to.include('log.db');
    begun!.close();
  });

  it('leaves the file to another process that opens it right behind, whose events stay', async () => {
    const full = faulty((sql) => (/synchronous/.test(sql) ? 'FULL' : undefined));
    const other = sqlite(path);
    let opened: Promise<void> | undefined;
    const overtaken = driverOver(full, (database) => ({
      close: () => {
        opened = other.open();
        database.close();
      },
    }));
    await rejectionOf(storeOver(overtaken).open());
    await opened;
    expect(await other.append([buildEvent()])).to.include({ position: 1 });
    await other.close();
    expect(await verify(path)).to.deep.include({ head: 1, findings: [] });
  });

  it('fails for who has opened the file that goes, and writes nothing', async () => {
    const other = loadDriver();
    const store = storeOver({
      name: other.name,
      open: (at) => {
        const database = other.open(at);
        rmSync(at);
        return database;
      },
    });
    await rejectionOf(store.open());
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('leaves a link that leads nowhere as it was', async () => {
    const link = join(folder, 'link.db');
    symlinkSync(join('a', 'b', 'log.db'), link);
    path = link;
    await rejectionOf(storeOver(faulty((sql) => (/synchronous/.test(sql) ? 'FULL' : undefined))).open());
    expect(readdirSync(folder, { recursive: true })).to.deep.equal(['link.db']);
    const store = sqlite(link);
    await store.open();
    await store.close();
    expect(readdirSync(join(folder, 'a', 'b'))).to.include('log.db');
  });

  async function killAt(nth: number, driver: DriverName): Promise<boolean> {
    const at = join(folder, `${nth}`, 'log.db');
    const child = new Child('open', driver, at, nth);
    await child.end();
    const store = sqlite(at, { driver, search: true });
    await store.open();
    expect(await store.append([buildEvent()])).to.include({ position: 1 });
    await store.close();
    expect((await verify(at, { driver })).findings, `call ${nth}`).to.deep.equal([]);
    return child.lines.includes('open');
  }

  withEachDriver((driver) => {
    it(`says so where the process may open no more files, with ${driver}`, function (): void {
      if (process.platform === 'win32') return skip(this, 'a limit of open files: Windows has none');
      const child = [process.execPath, join(import.meta.dirname, 'child.js'), 'starve', driver, path, '0'];
      const { stdout } = spawnSync('sh', ['-c', 'ulimit -n 512; exec "$@"', 'sh', ...child], { encoding: 'utf8' });
      const lines = stdout.trim().split('\n');
      // libsql ends the process where there are some, and too few.
      expect(lines[0]).to.match(/too many open files/i);
      for (const line of lines) expect(line).to.match(/^(?:open$|STORE_UNAVAILABLE )/);
    });

    it(`can be done again after the process was killed at whichever step, with ${driver}`, async () => {
      const isOpen = await Promise.all([1, 2, 5, 12, 20, 30].map((nth) => killAt(nth, driver)));
      expect(isOpen).to.deep.equal([false, false, false, false, false, false]);
    }).timeout(120_000);
  });
});
