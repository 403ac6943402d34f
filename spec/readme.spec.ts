import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './support/root.ts';

function checkSnippets(...files: readonly string[]): { readonly status: number | null; readonly output: string } {
  const script = join(root, 'spec/support/readme-check.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...files], { encoding: 'utf8' });
  return { status, output: stdout + stderr };
}

/** The snippets of README.md itself are checked by `npm run readme:check`. */
describe('the check of snippets', function () {
  this.timeout(240_000);
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'telltale-readme-'));
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  function plant(name: string, text: string): string {
    const file = join(folder, name);
    writeFileSync(file, text);
    return file;
  }

  it('accepts snippets that keep their word', () => {
    const good = plant(
      'good.md',
      [
        "```js\nconsole.log('a', 1)   // prints: a 1\nsetTimeout(() => console.log('took 12 ms'))\n// prints: took … ms\n```",
        '<!-- before: const hidden: number = 1; -->\n```ts\nconst shown: number = hidden + 1;\nconsole.log(shown); // prints: 2\n```',
        '```js no-run\nneverRun();\n```',
        '```sh\nexit 1\n```',
      ].join('\n\n'),
    );
    const { status, output } = checkSnippets(good);
    expect(status, output).to.equal(0);
    expect(output).to.contain('3 snippets, 0 failed');
  });

  it('is refused when a snippet prints something else, throws, or uses what is not there', () => {
    // Each with what the complaint must say, so that none is refused for another reason. All in one run, as it costs most.
    const broken: readonly (readonly [text: string, complaint: string])[] = [
      ["```js\nconsole.log('b'); // prints: a\n```\n", 'did not print'],
      ["```js\nconsole.log('a');\n// prints: a\n// prints: a\n```\n", 'did not print'],
      ["```js\nthrow new Error('planted');\n```\n", 'Error: planted'],
      ["```ts\nthrow new Error('planted');\n```\n", 'Error: planted'],
      ['```js no-run\nconst const;\n```\n', 'SyntaxError'],
      ["```js\nimport { noSuchName } from 'telltale';\n```\n", "does not provide an export named 'noSuchName'"],
    ];
    const { status, output } = checkSnippets(...broken.map(([text], i) => plant(`broken-${i}.md`, text)));
    expect(status, output).to.equal(1);
    expect(output).to.contain(`${broken.length} snippets, ${broken.length} failed`);
    const complaints = output.split(/^(?=broken-\d\.md:1: )/m);
    for (const [i, [text, complaint]] of broken.entries())
      expect(
        complaints.find((each) => each.startsWith(`broken-${i}.md:1: `)),
        text,
      ).to.contain(complaint);
  });

  it('is refused when a snippet has a wrong type, or when there is none', () => {
    const wrong = checkSnippets(plant('broken.md', '```ts no-run\nconst text: string = 1;\n```\n'));
    expect(wrong.status).to.equal(1);
    expect(wrong.output).to.contain("Type 'number' is not assignable");
    const none = checkSnippets(plant('broken.md', '```sh\nls\n```\n'));
    expect(none.status).to.equal(1);
    expect(none.output).to.contain('no snippet found');
  });
});
