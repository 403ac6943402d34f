import { expect } from 'chai';
import { parse } from '../../examples/team/parse.ts';
import { leastMs } from '../support/least-ms.ts';

describe('the reader of the demo team', () => {
  it('counts lines, imports, exports and TODOs of TypeScript', () => {
    const text = [
      "import { a } from 'a';",
      "import type { B } from './b.ts';",
      "export { c } from './c.ts';",
      '// TODO: tidy up',
      'export const d = 1; // FIXME',
      "const e = require('e');",
      '',
    ].join('\n');
    expect(parse('x/y.ts', text)).to.deep.equal({
      language: 'TypeScript',
      lines: 6,
      imports: 4,
      exports: 2,
      todos: 2,
    });
  });

  it('counts a last line without line break', () => {
    expect(parse('a.md', 'one\ntwo').lines).to.equal(2);
    expect(parse('a.md', 'one\ntwo\n').lines).to.equal(2);
    expect(parse('a.md', '').lines).to.equal(0);
  });

  const functions: readonly [string, string, string, { name: string; at: number; lines: number } | undefined][] = [
    ['a plain function', 'a.js', 'function go(a) {\n  return a;\n}\n', { name: 'go', at: 1, lines: 3 }],
    [
      'an arrow function',
      'a.ts',
      '\nconst go = async (a: A): Promise<B> => {\n  x();\n};\n',
      { name: 'go', at: 2, lines: 3 },
    ],
    [
      'a method with its head on several lines',
      'a.ts',
      'class A {\n  go(\n    { a }: B,\n    c: C,\n  ): void {\n    x();\n  }\n}\n',
      { name: 'go', at: 2, lines: 6 },
    ],
    [
      'braces in strings and comments',
      'a.ts',
      "function go() {\n  const a = '}}}'; // }\n  /* } \n } */\n  return a;\n}\n",
      { name: 'go', at: 1, lines: 6 },
    ],
    ['no function in an if', 'a.ts', 'if (a) {\n  b;\n}\n', undefined],
    ['a Python function', 'a.py', 'def go(a):\n    b()\n\n    c()\n\nd()\n', { name: 'go', at: 1, lines: 4 }],
    ['no function in a call', 'a.spec.ts', "describe('it', () => {\n  a();\n});\n", undefined],
    ['no function in prose', 'a.md', 'function go() {\n}\n', undefined],
  ];
  for (const [what, path, text, longest] of functions)
    it(`finds ${what}`, () => expect(parse(path, text).longest).to.deep.equal(longest));

  it('takes the longest of several', () => {
    const text = 'function a() {\n}\nfunction b() {\n  1;\n  2;\n}\nfunction c() {\n  1;\n}\n';
    expect(parse('a.ts', text).longest).to.deep.equal({ name: 'b', at: 3, lines: 4 });
  });

  it('is done with a minified line of a megabyte in a moment', () => {
    const took = leastMs(() => {
      parse('a.js', `a=(${'b(c,'.repeat(300_000)}`);
      parse('c.js', `${'a'.repeat(60_000)} {\n}\n`);
      parse('b.js', `${' '.repeat(1_000_000)}x`);
    }, 1_000);
    expect(took).to.be.below(1_000);
  });
});
