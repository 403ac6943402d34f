import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { sqlite } from '../../plugins/sqlite/index.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { skip } from '../support/skip.ts';
import { withEachDriver } from './drivers.ts';

const CHILD = join(import.meta.dirname, 'child.js');
/** Root may do everything: a child gives that up. */
const NOBODY = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

describe('sqlite: missing rights', function () {
  this.timeout(60_000);

  let folder: string;
  let path: string;
  before(function () {
    const { error, status } = spawnSync(
      process.execPath,
      ['-e', `import(${JSON.stringify(CHILD)}).catch(() => {})`],
      NOBODY,
    );
    if (process.platform === 'win32' || error !== undefined || status === null)
      skip(this, 'missing rights: no user without them can run Node here');
  });
  beforeEach(async () => {
    folder = mkdtempSync(join(quickFolder(), 'telltale-sqlite-'));
    path = join(folder, 'in', 'log.db');
    mkdirSync(join(folder, 'in'));
    chmodSync(folder, 0o755);
  });
  afterEach(() => {
    chmodSync(join(folder, 'in'), 0o755);
    rmSync(folder, { recursive: true, force: true });
  });

  function refusal(what: string, why: string): RegExp {
    return new RegExp(`^STORE_PATH expected to ${what} the file ${path}.* -wal and -shm beside it: .*${why}`);
  }

  withEachDriver((driver) => {
    async function make(rights: { readonly folder: number; readonly file: number }): Promise<void> {
      const store = sqlite(path, { driver });
      await store.open();
      await store.close();
      chmodSync(path, rights.file);
      chmodSync(join(folder, 'in'), rights.folder);
    }

    /** What becomes of opening it for writing, and then for reading only. */
    function reach(at = path): readonly [write: string, read: string] {
      const { stdout, stderr } = spawnSync(process.execPath, [CHILD, 'reach', driver, at, '0'], {
        encoding: 'utf8',
        ...NOBODY,
      });
      const [write = stderr, read = stderr] = stdout.trim().split('\n');
      return [write, read];
    }

    it(`are STORE_PATH where no file or folder can be made, and none is, with ${driver}`, () => {
      chmodSync(join(folder, 'in'), 0o555);
      expect(reach()[0]).to.match(refusal('read and write', 'EACCES'));
      expect(reach(join(folder, 'in', 'deep', 'log.db'))[0]).to.match(/^STORE_PATH .*EACCES/);
      expect(readdirSync(join(folder, 'in'))).to.deep.equal([]);
    });

    it(`are STORE_PATH where the file may only be read, or not even that, with ${driver}`, async () => {
      await make({ folder: 0o777, file: 0o444 });
      const [write, read] = reach();
      expect(write).to.match(refusal('read and write', 'EACCES'));
      expect(read).to.equal('open');
      chmodSync(path, 0);
      const [noWrite, noRead] = reach();
      expect(noWrite).to.match(refusal('read and write', 'EACCES'));
      expect(noRead).to.match(refusal('read', 'EACCES'));
    });

    it(`are STORE_PATH where nothing can be made beside the file, also to read it, with ${driver}`, async () => {
      await make({ folder: 0o555, file: 0o666 });
      for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true });
      const [write, read] = reach();
      expect(write).to.match(refusal('read and write', ''));
      expect(read).to.match(refusal('read', ''));
    });
  });
});
