import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { root } from './support/root.ts';

const run = promisify(execFile);
const main = join(root, 'dist/plugins/cli/main.js');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
// Within the package, so that `telltale` resolves to it; of this process alone, so that runs do not meet.
const folder = join(root, 'build/readme-tree', String(process.pid));

const program = /^```js\n([^]*?)^```$/m.exec(readme)![1]!;
const isComment = (line: string): boolean => line.startsWith('// ');
const programLines = program.trimEnd().split('\n');
/** What the README says the command shows: the comment behind the program. */
const shownTree = programLines.filter(isComment).map((line) => line.slice(3));

/** Lines without what differs from run to run: the milliseconds, however wide they are. */
const withoutTimes = (lines: readonly string[]): string[] =>
  lines.map((line) => line.replace(/ +\d[\d.]* m?s$/, '  … ms'));

describe('the first program of the README', function () {
  this.timeout(120_000);

  before(() => mkdirSync(folder, { recursive: true }));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('leaves the tree that the README shows, failure and cause included', async () => {
    writeFileSync(join(folder, 'first.mjs'), program);
    const { stdout } = await run(process.execPath, ['first.mjs'], { cwd: folder });
    const [, log, id] = /^npx telltale show (\S+) (\S+)$/m.exec(stdout)!;
    const shown = await run(process.execPath, [main, 'show', log!, id!], { cwd: folder });
    const [head, tree] = shown.stdout.trimEnd().split('\n\n');
    expect(head).to.match(/^correlation \S+\n {2}4 events, began .* UTC, took .*\n {2}1 failure, marked ✗$/);
    const printed = tree!.split('\n').map((line) => line.slice(2));
    expect(withoutTimes(printed)).to.deep.equal(withoutTimes(shownTree));
    expect(printed.at(-1)).to.contain('mail server is down');
  });

  it('stands with all that belongs to it on a first screen of 25 lines', () => {
    const screen = readme.split('\n').slice(0, 25);
    for (const part of [
      'npm i telltale',
      'npx telltale demo',
      '✗ dead letter',
      '| Temporal |',
      'Not for',
      '`publish` =',
    ])
      expect(
        screen.some((line) => line.includes(part)),
        part,
      ).to.equal(true);
  });

  it('has at most ten lines', () => {
    expect(programLines.filter((line) => !isComment(line)).length).to.be.at.most(10);
  });
});
