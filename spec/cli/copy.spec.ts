import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { jsonFile } from 'telltale';
import { buildEvent } from '../support/event-builder.ts';
import { commandLine } from '../support/command-line.ts';
import { root } from '../support/root.ts';

const main = join(root, 'dist/plugins/cli/main.js');

describe('telltale copy, backup and restore', function () {
  this.timeout(60_000);
  let home: string;

  beforeEach(async () => {
    home = mkdtempSync(join(tmpdir(), 'telltale-copy-cli-'));
    await fill('log', 60);
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  async function fill(name: string, count: number): Promise<void> {
    const store = jsonFile(join(home, name), { durability: 'os' });
    await store.open();
    for (let n = 0; n < count; n += 500)
      await store.append(
        Array.from({ length: Math.min(500, count - n) }, (_, i) =>
          buildEvent({ id: `${name}-${n + i}`, entity: `task/${i % 3}`, payload: { secret: n + i } }),
        ),
      );
    await store.remove([{ from: 3, to: 5 }], 'too old');
    await store.putDocument('checkpoints', 'reader', { position: 20 });
    await store.close();
  }

  async function jsonOf(...words: readonly string[]): Promise<Record<string, unknown>> {
    const { code, out, err } = await commandLine(words, home);
    expect([code, err]).to.deep.equal([0, '']);
    return JSON.parse(out.trim().split('\n').at(-1)!) as Record<string, unknown>;
  }

  it('copies a folder into an SQLite file and back, and says what it did', async () => {
    const { code, out } = await commandLine(['copy', 'log', 'sqlite:./events.db'], home);
    expect(code).to.equal(0);
    expect(out).to.include('telltale copy').and.include('log → sqlite:./events.db');
    expect(out).to.include('57 events copied · 3 ids of removed events · 1 document');
    expect(out).to.include('everything up to position 60 is there');
    const back = await jsonOf('copy', 'file:./log', 'again', '--json');
    expect(back).to.include({ position: 60, events: 57, documents: 1 });
    const query = await commandLine(['query', 'sqlite:./events.db', '--limit', '2', '--json'], home);
    expect(
      query.out
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { position: number }).position),
    ).to.deep.equal([60, 59]);
  });

  it('backs up into a file, brings the backup up to date, and restores it', async () => {
    expect(await jsonOf('backup', 'log', 'saved.db', '--json')).to.include({ position: 60, resumedFrom: 0 });
    const store = jsonFile(join(home, 'log'));
    await store.open();
    await store.append([buildEvent({ id: 'later' })]);
    await store.close();
    expect(await jsonOf('backup', 'log', 'saved.db', '--json')).to.include({
      position: 61,
      resumedFrom: 60,
      events: 1,
    });
    expect(await jsonOf('restore', 'saved.db', 'file:./restored', '--json')).to.include({ position: 61, events: 58 });
    expect(await jsonOf('backup', 'file:./restored', 'folder', '--json')).to.include({ position: 61, events: 58 });
    const stats = await jsonStats('folder');
    expect(stats).to.equal(await jsonStats('log'));
  });

  async function jsonStats(place: string): Promise<unknown> {
    const { out } = await commandLine(['stats', place, '--json'], home);
    return (JSON.parse(out) as { events: unknown }).events;
  }

  it('changes events with a module', async () => {
    writeFileSync(
      join(home, 'anonymise.mjs'),
      'export default (e) => (e.position % 2 ? null : { ...e, payload: {} });',
    );
    const report = await jsonOf(
      'copy',
      'log',
      'anonymous',
      '--map',
      'anonymise.mjs',
      '--forget',
      '--no-documents',
      '--json',
    );
    expect(report).to.include({ position: 60, leftOut: 28, tombstones: 0, documents: 0 });
    const { out } = await commandLine(['query', 'anonymous', '--json'], home);
    expect(out).not.to.include('secret');
  });

  it('says in one line what is wrong', async () => {
    await fill('other', 10);
    const bad: readonly (readonly [readonly string[], string])[] = [
      [['copy', 'log', 'other'], 'to be empty, or the beginning of this copy'],
      [['copy', 'missing', 'x'], 'does not exist'],
      [['copy', 'log', 'memory:'], 'gone with this command'],
      [['copy', 'log', 'x', '--map', 'nothing.mjs'], '--map nothing.mjs cannot be loaded'],
      [['copy', 'memory:', 'x'], 'holds nothing'],
      [['restore', 'log', 'sqlite:./x.db?colour=red'], 'colour'],
      [['show', 'sqlite:./nothing.db'], 'nothing.db'],
    ];
    for (const [words, text] of bad) {
      const { code, err } = await commandLine(words, home);
      expect([code, err.includes(text)], err).to.deep.equal([2, true]);
      expect(err.trim().split('\n').length).to.be.lessThan(3);
    }
  });

  it('stops at Ctrl-C with exit code 130, and goes on the next time', async () => {
    // The first time it waits for Ctrl-C, however fast the machine is.
    const map = `import { existsSync, writeFileSync } from 'node:fs';
      export default async (event) => {
        if (event.position === 10 && !existsSync('waited')) {
          const timer = setInterval(() => undefined, 60_000);
          await new Promise((resolve) => { process.once('SIGINT', resolve); writeFileSync('waited', ''); console.log('waiting'); });
          clearInterval(timer);
        }
        return event;
      };`;
    writeFileSync(join(home, 'waiting.mjs'), map);
    await fill('big', 2_000);
    const words = ['copy', 'big', 'sqlite:./big.db', '--map', 'waiting.mjs'];
    const child = spawn(process.execPath, [main, ...words], { cwd: home });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      if (text.includes('waiting')) child.kill('SIGINT');
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect([code, out.includes('The same command goes on from there')], out).to.deep.equal([130, true]);
    const report = await jsonOf(...words, '--json');
    expect(report['position']).to.equal(2_000);
  });
});
