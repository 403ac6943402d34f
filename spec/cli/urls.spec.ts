import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { openStore } from '../../plugins/open.ts';
import { commandLine } from '../support/command-line.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { skip } from '../support/skip.ts';

const WRONG = 'sqlit://me:secret@here/x';

describe('a command', function () {
  this.timeout(60_000);
  let home: string;

  before(async () => {
    home = mkdtempSync(join(tmpdir(), 'telltale-urls-'));
    await (await openStore(`file:${home}/log`)).close();
  });
  after(() => rmSync(home, { recursive: true, force: true }));

  it('says of a url of no kind what the kinds are, as openStore does, and makes nothing', async () => {
    const { message } = await rejectionOf(openStore(WRONG));
    for (const words of [
      ['doctor', WRONG],
      ['doctor', WRONG, '--salvage', 'salvaged'],
      ['copy', WRONG, 'copied'],
      ['copy', 'log', WRONG],
      ['backup', WRONG, 'saved.db'],
      ['backup', 'log', WRONG],
      ['restore', WRONG, 'restored'],
      ['restore', 'log', WRONG],
      ['verify', WRONG],
      ['show', WRONG],
      ['stats', WRONG],
      ['query', WRONG],
      ['search', WRONG, 'word'],
      ['replay', WRONG],
      ['letters', WRONG],
      ['retain', WRONG, '--keep-for', '1d', '--yes'],
    ])
      expect(await commandLine(words, home), words.join(' ')).to.deep.equal({
        code: 2,
        out: '',
        err: `telltale: ${message}\n`,
      });
    expect(readdirSync(home)).to.deep.equal(['log']);
  });

  it('takes no url where a file or a folder belongs, and shows no password', async () => {
    for (const words of [
      ['import', WRONG],
      ['demo', WRONG],
      ['demo', 'log', '--log', WRONG],
      ['doctor', 'log', '--salvage', WRONG],
    ]) {
      const { code, out, err } = await commandLine(words, home);
      expect([code, out, err], words.join(' ')).to.deep.equal([
        2,
        '',
        `telltale: ${err.slice(10, err.indexOf(','))}, and sqlit://me:***@here/x is a url\n`,
      ]);
      expect(err).to.match(/ (?:file|folder),/);
    }
    expect(readdirSync(home)).to.deep.equal(['log']);
  });

  it('says what to name where the name is empty', async () => {
    for (const words of [
      ['show', ''],
      ['doctor', ''],
      ['copy', '', 'copied'],
      ['doctor', 'log', '--salvage', ''],
    ]) {
      const { code, out, err } = await commandLine(words, home);
      expect([code, out], words.join(' ')).to.deep.equal([2, '']);
      expect(err).to.match(/^telltale: (?:the name|--salvage) is empty; name .*\n$/);
    }
  });

  it('ends where no folder can be made', async function () {
    if (!existsSync('/proc/self')) skip(this, 'folders that cannot be made: there is no /proc');
    writeFileSync(join(home, 'events.ndjson'), '{"type":"note.written"}\n');
    for (const words of [
      ['import', 'events.ndjson', '--log', '/proc/logs/new'],
      ['copy', 'log', 'sqlite:/proc/logs/new.db'],
      ['copy', 'log', '/proc/logs/new'],
    ]) {
      const { code, err } = await commandLine(words, home);
      expect([code, err.includes('/proc/logs/new')], err).to.deep.equal([2, true]);
    }
    rmSync(join(home, 'events.ndjson'));
  });

  it('takes what is there, or has a time in its name, for a path', async () => {
    mkdirSync(join(home, 'log:night'));
    writeFileSync(join(home, 'not:text'), '');
    expect((await commandLine(['show', 'log:night'], home)).err).to.contain('log:night holds no log');
    expect((await commandLine(['show', 'not:text'], home)).err).to.contain('not:text is a file');
    expect((await commandLine(['backup', 'log', 'log-2026-01-31T12:00.db'], home)).code).to.equal(0);
  });
});
