import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { root } from '../support/root.ts';

const run = promisify(execFile);
/** What the compiler does in less than 2 s on a machine like ours; no figure depends on how fast it is. */
const LIMITS = { Instantiations: 500_000, 'Memory allocs': 800_000 } as const;

interface Checked {
  /** What the compiler counted, by its name for it. */
  readonly counts: ReadonlyMap<string, number>;
  readonly errors: readonly { readonly line: number; readonly text: string }[];
}

describe('typed patterns', function () {
  this.timeout(120_000);
  let folder = '';

  before(async () => {
    await mkdir(join(root, '.build'), { recursive: true });
    folder = await mkdtemp(join(root, '.build', 'types-'));
  });

  after(() => rm(folder, { recursive: true, force: true }));

  it('check 1,000 types with 100 patterns in a bounded number of steps, and a wrong use among them does not compile', () =>
    expectChecked(program(1_000, 100), {
      "on('t1.*', (event) => event.payload.nothing);": "Property 'nothing' does not exist",
    }));

  it('check 1,000 types with 100 patterns and a filter for each in a bounded number of steps, and a wrong path does not compile', () =>
    expectChecked(program(1_000, 100, true), {
      "on('t1.*', () => undefined, { 'payload.nothing': 5 });": "'payload.nothing'",
    }));

  it('check 1,000 types with 100 patterns, two paths and an answer for each in a bounded number of steps, and what is wrong in them does not compile', () =>
    expectChecked(asking(1_000, 100), {
      "ask('t1.*', 'payload.nothing', 'payload.at.x');": `'"payload.nothing"'`,
      "ask('t1.*', 'payload.at', 'payload.at.who.id');": `'"payload.at.who.id"'`,
      "ask('t1.*', 'payload.at', 'payload.at.x').payload.nothing;": "Property 'nothing' does not exist",
    }));

  /** Of the lines of `source` and behind it those of `wrong`, the latter alone do not compile, each with its text. */
  async function expectChecked(source: string, wrong: Readonly<Record<string, string>>): Promise<void> {
    const { errors, counts } = await check([source, ...Object.keys(wrong)].join('\n'));
    const first = source.split('\n').length + 1;
    expect(errors.map(({ line }) => line)).to.deep.equal(Object.keys(wrong).map((_, i) => first + i));
    Object.values(wrong).forEach((text, i) => expect(errors[i]!.text).to.contain(text));
    for (const [what, most] of Object.entries(LIMITS)) expect(counts.get(what), what).to.be.within(1, most);
  }

  async function check(source: string): Promise<Checked> {
    const file = join(folder, 'program.ts');
    await writeFile(file, source);
    const config = join(folder, 'program.json');
    const compilerOptions = { incremental: false, tsBuildInfoFile: null, types: [] };
    await writeFile(
      config,
      JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, files: [file], include: [] }),
    );
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const options = ['--singleThreaded', '--extendedDiagnostics', '--pretty', 'false', '-p', config];
    // It ends with a code of its own where something does not compile.
    const { stdout } = await run(process.execPath, [compiler, ...options]).catch((ended: { stdout: string }) => ended);
    const counts = new Map(
      Array.from(stdout.matchAll(/^([A-Z][\w ]+): +(\d+)$/gm), ([, what, count]) => [what!, Number(count)]),
    );
    const errors = Array.from(stdout.matchAll(/\((\d+),\d+\): error (.*(?:\n .*)*)/g), ([, line, text = '']) => ({
      line: Number(line),
      text,
    }));
    return { counts, errors };
  }

  /** With `filtered`, payloads are nested, and every use filters by a field of a type its pattern matches. */
  function program(types: number, patterns: number, filtered = false): string {
    const lib = relative(folder, join(root, 'lib'));
    const payload = filtered ? nested : (i: number): string => `{ n${i}: number }`;
    const where = filtered ? `, { 'payload.at.who.id': 'x', $or: [{ 'payload.at.x': { $gt: 1 } }] }` : '';
    const uses = Array.from(
      { length: patterns },
      (_, i) => `on('${patternName(i)}', (event) => void event.payload${where});`,
    );
    return [
      `import type { EventOf, PayloadOf } from '${lib}/event/typed-patterns.ts';`,
      `import type { Where } from '${lib}/filter/where.ts';`,
      declared(types, payload),
      // As `WhereOf` of lib/typed-options.ts, which would bring the whole library along.
      'type WhereOf<P extends string> = NoInfer<P extends unknown ? Where<PayloadOf<E, P>> : never>;',
      'declare function on<P extends string>(',
      '  pattern: P, handler: (event: EventOf<E, P>) => void, where?: WhereOf<P>,',
      '): void;',
      ...uses,
    ].join('\n');
  }

  /** Each use names a path and a measure, and takes an event out of the answer. */
  function asking(types: number, patterns: number): string {
    const lib = relative(folder, join(root, 'lib'));
    const uses = Array.from(
      { length: patterns },
      (_, i) => `void ask('${patternName(i)}', ['payload.at.who.id', 'type'], 'payload.at.x').payload;`,
    );
    return [
      `import type { PayloadOf, StoredEventOf } from '${lib}/event/typed-patterns.ts';`,
      `import type { NumberPathInto, PathInto } from '${lib}/filter/paths.ts';`,
      declared(types, nested),
      // As `PathOf` and `NumberPathOf` of lib/typed-options.ts.
      'type PathOf<P extends string> = NoInfer<P extends unknown ? PathInto<PayloadOf<E, P>> : never>;',
      'type NumberPathOf<P extends string> = NoInfer<P extends unknown ? NumberPathInto<PayloadOf<E, P>> : never>;',
      'declare function ask<P extends string>(',
      '  pattern: P, by: PathOf<P> | readonly PathOf<P>[], sum: NumberPathOf<P>,',
      '): StoredEventOf<E, P>;',
      ...uses,
    ].join('\n');
  }
});

function declared(types: number, payload: (i: number) => string): string {
  const fields = Array.from({ length: types }, (_, i) => `  '${typeName(i)}': ${payload(i)};`);
  return `interface E {\n${fields.join('\n')}\n}`;
}

function nested(i: number): string {
  return `{ n${i}: number; at: { x: number; who: { id: string } } }`;
}

// Two to four segments, ten areas.
function typeName(i: number): string {
  const area = `t${i % 10}`;
  return [`${area}.made${i}`, `${area}.part.done${i}`, `${area}.part.piece${i % 7}.gone${i}`][i % 3]!;
}

function patternName(i: number): string {
  const area = `t${i % 10}`;
  const kinds = [
    `${area}.*`,
    `${area}.**`,
    `${area}.part.*`,
    `*.part.*`,
    `**.done${i}`,
    `${area}.*.*.*`,
    `${area}.*.**`,
    '**',
  ];
  return kinds[i % kinds.length]!;
}
