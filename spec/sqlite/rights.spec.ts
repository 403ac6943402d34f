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

    function reach(how: 'write' | 'read', at = path): string {
      const child = spawnSync(process.execPath, [CHILD, 'reach', driver, at, how === 'read' ? '1' : '0'], {
        encoding: 'utf8',
        ...NOBODY,
      });
      return child.stdout.trim() || child.stderr;
    }

    it(`are STORE_PATH where no file or folder can be made, and none is, with ${driver}`, () => {
      chmodSync(join(folder, 'in'), 0o555);
      expect(reach('write')).to.match(refusal('read and write', 'EACCES'));
      expect(reach('write', join(folder, 'in', 'deep', 'log.db'))).to.match(/^STORE_PATH .*EACCES/);
      expect(readdirSync(join(folder, 'in'))).to.deep.equal([]);
    });

    it(`are STORE_PATH where the file may only be read, or not even that, with ${driver}`, async () => {
      await make({ folder: 0o777, file: 0o444 });
      expect(reach('write')).to.match(refusal('read and write', 'EACCES'));
      expect(reach('read')).to.equal('open');
      chmodSync(path, 0);
      expect(reach('write')).to.match(refusal('read and write', 'EACCES'));
      expect(reach('read')).to.match(refusal('read', 'EACCES'));
    });

    it(`are STORE_PATH where nothing can be made beside the file, also to read it, with ${driver}`, async () => {
      await make({ folder: 0o555, file: 0o666 });
      for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true });
      expect(reach('write')).to.match(refusal('read and write', ''));
      expect(reach('read')).to.match(refusal('read', ''));
    });
  });
});
