import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { root } from '../support/root.ts';

const run = promisify(execFile);
const LIMIT_SECONDS = 2;

describe('typed patterns', function () {
  this.timeout(60_000);
  // Other work on the machine takes its time too.
  this.retries(2);
  let folder = '';

  before(async () => {
    await mkdir(join(root, '.build'), { recursive: true });
    folder = await mkdtemp(join(root, '.build', 'types-'));
  });

  after(() => rm(folder, { recursive: true, force: true }));

  it('check 1,000 types with 100 patterns in under 2 s', async () => {
    const baseline = await checkSeconds('baseline', program(1_000, 0));
    const whole = await checkSeconds('whole', program(1_000, 100));
    expect(whole - baseline).to.be.below(LIMIT_SECONDS);
  });

  it('are checked at all: a wrong use among a thousand types does not compile', async () => {
    const wrong = `${program(1_000, 1)}\non('t1.*', (event) => event.payload.nothing);\n`;
    const failure = await checkSeconds('wrong', wrong).then(
      () => 'compiled',
      (error: { stdout?: string }) => error.stdout ?? '',
    );
    expect(failure).to.contain("Property 'nothing' does not exist");
  });

  it('check 1,000 types with 100 patterns and a filter for each in under 2 s', async () => {
    const baseline = await checkSeconds('baseline-where', program(1_000, 0, true));
    const whole = await checkSeconds('whole-where', program(1_000, 100, true));
    expect(whole - baseline).to.be.below(LIMIT_SECONDS);
  });

  it('are checked in filters too: a wrong path among a thousand types does not compile', async () => {
    const wrong = `${program(1_000, 1, true)}\non('t1.*', () => undefined, { 'payload.nothing': 5 });\n`;
    const failure = await checkSeconds('wrong-where', wrong).then(
      () => 'compiled',
      (error: { stdout?: string }) => error.stdout ?? '',
    );
    expect(failure).to.contain("'payload.nothing'");
  });

  it('check 1,000 types with 100 patterns, two paths and an answer for each in under 2 s', async () => {
    const baseline = await checkSeconds('baseline-paths', asking(1_000, 0));
    const whole = await checkSeconds('whole-paths', asking(1_000, 100));
    expect(whole - baseline).to.be.below(LIMIT_SECONDS);
  });

  for (const [what, wrong] of [
    ['path', `ask('t1.*', 'payload.nothing', 'payload.at.x');`],
    ['measure', `ask('t1.*', 'payload.at', 'payload.at.who.id');`],
    ['answer', `ask('t1.*', 'payload.at', 'payload.at.x').payload.nothing;`],
  ] as const)
    it(`are checked in paths and answers too: a wrong ${what} among a thousand types does not compile`, async () => {
      const failure = await checkSeconds(`wrong-${what}`, `${asking(1_000, 1)}\n${wrong}\n`).then(
        () => 'compiled',
        (error: { stdout?: string }) => error.stdout ?? '',
      );
      expect(failure).to.match(/'"payload\.(nothing|at\.who\.id)"'|Property 'nothing' does not exist/);
    });

  async function checkSeconds(name: string, source: string): Promise<number> {
    const file = join(folder, `${name}.ts`);
    await writeFile(file, source);
    const config = join(folder, `${name}.json`);
    const compilerOptions = { incremental: false, tsBuildInfoFile: null, types: [] };
    await writeFile(
      config,
      JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, files: [file], include: [] }),
    );
    const start = performance.now();
    await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', config]);
    return (performance.now() - start) / 1_000;
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
