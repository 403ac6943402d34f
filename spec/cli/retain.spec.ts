import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { createBus, jsonFile } from 'telltale';
import { commandLine } from '../support/command-line.ts';
import type { Ended } from '../support/command-line.ts';
import { quickFolder } from '../support/quick-folder.ts';

describe('telltale retain', function () {
  this.timeout(60_000);
  let home: string;
  let log: string;

  before(async () => {
    home = mkdtempSync(join(quickFolder(), 'telltale-retain-'));
    log = join(home, 'log');
    const bus = await createBus({ store: jsonFile(log) });
    for (let n = 0; n < 40; n++)
      bus.emit(n % 4 === 0 ? 'error.db.timeout' : 'token.received', { n }, { correlationId: `c${n % 5}` });
    await bus.close();
  });
  after(() => rmSync(home, { recursive: true }));

  const retain = (...words: readonly string[]): Promise<Ended> => commandLine(['retain', ...words], home);

  async function count(): Promise<number> {
    const bus = await createBus({ store: jsonFile(log, { readOnly: true }) });
    const events = await bus.count();
    await bus.close();
    return events;
  }

  it('shows by rule and by type what would go, warnings, and who waits, within 80 columns', async () => {
    const rules = join(home, 'rules.json');
    const list = [
      { match: 'token.**', keepCount: 10, wholeCorrelations: { atMost: 3 } },
      { match: 'error.*', keepFor: '1d' },
    ];
    writeFileSync(rules, JSON.stringify({ rules: list }));
    const { code, out, err } = await retain(log, '--preview', '--rules', rules);
    expect([code, err]).to.deep.equal([0, '']);
    expect(out).to.match(/^ {2}\d+ events would go \([\d.]+ kB\), \d+ stay/m);
    expect(out).to.match(/^ {2}0 {2}token\.\*\* +\d+/m);
    expect(out).to.match(/^ {5}no rule +0 +10/m);
    expect(out).to.match(/^goes, by type\n {2}token\.received {2}\d+ {2}[\d.]+ kB {2}█+$/m);
    expect(out).to.match(/^held back by\n {2}correlation c\d: \d events? .* until event \d+ may go$/m);
    expect(out.replaceAll('\n  ', ' ')).to.match(/error\.db\.timeout is not matched by error\.\*: error\.\*\*\?/);
    expect(out.split('\n').filter((line) => line.length > 80 && !line.includes(home))).to.deep.equal([]);
    expect(await count()).to.equal(40);
  });

  it('prints JSON', async () => {
    const { out } = await retain(log, '--preview', '--match', 'token.*', '--keep-count', '5', '--json');
    expect(JSON.parse(out)).to.deep.include({ head: 40, through: 40, fates: 21 });
  });

  it('refuses wrong input in one line, with exit code 2', async () => {
    const missing = join(home, 'nowhere');
    const broken = join(home, 'broken.json');
    writeFileSync(broken, '{');
    const odd = Object.fromEntries(
      ['5', 'null', '"all"', '{}', '{"rules":5}'].map((text, n) => [text, join(home, `odd-${n}.json`)]),
    );
    for (const [text, file] of Object.entries(odd)) writeFileSync(file, text);
    const wrong: readonly (readonly [words: readonly string[], text: RegExp])[] = [
      [[log, '--preview'], /say what is kept: .*--preview --match/],
      [[log, '--preview', '--keep-for', 'ages'], /keepFor` to be milliseconds/],
      [[log, '--preview', '--keep-count', '-1'], /--keep-count is a number from 0, not -1/],
      [[log, '--preview', '--match', 'a.*b', '--keep-count', '1'], /pattern/],
      [[log, '--preview', '--keep-count', '0', '--keep-for', '1d'], /contradict themselves/],
      [[log, '--preview', '--rules', missing], /the rules cannot be read/],
      [[log, '--preview', '--rules', broken], /no JSON array of rules/],
      ...Object.entries(odd).map(
        ([text, file]) =>
          [
            [log, '--preview', '--rules', file],
            new RegExp(`holds ${text}; expected a JSON array of rules, or an object such as`),
          ] as const,
      ),
      [[log, '--preview', '--rules', broken, '--keep-count', '1'], /--rules names a file/],
      [[log, '--preview', '--yes', '--keep-count', '1'], /--preview removes none/],
      [[log, '--keep-count', '1'], /nothing was removed: --yes removes/],
      [[missing, '--preview', '--keep-count', '1'], /does not exist/],
    ];
    for (const [words, text] of wrong) {
      const { code, err } = await retain(...words);
      expect(code, words.join(' ')).to.equal(2);
      expect(err, words.join(' '))
        .to.match(text)
        .and.match(/^telltale: [^\n]+\n$/);
    }
    expect(await count()).to.equal(40);
  });

  it('prints one JSON document also where it removes', async () => {
    const { code, out } = await retain(log, '--yes', '--match', 'token.*', '--keep-count', '20', '--json');
    expect(code).to.equal(0);
    const { plans, removed, left } = JSON.parse(out) as Record<string, unknown>;
    expect(plans).to.be.an('array').with.length(1);
    expect((plans as readonly object[])[0]).to.deep.include({ head: 40, through: 40 });
    expect(removed).to.deep.include({ events: 10, byRule: { 'token.*': 10 } });
    expect(left).to.deep.equal({ events: 0, why: {} });
    expect(await count()).to.equal(30);
  });

  it('removes what it shows, with --yes', async () => {
    const { code, out } = await retain(log, '--yes', '--match', 'token.*', '--keep-count', '5');
    expect(code).to.equal(0);
    expect(out).to.match(/^removed 15 events \([\d.]+ kB\)$/m);
    expect(await count()).to.equal(15);
  });
});
