import { expect } from 'chai';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { exportsOf } from './support/exports.ts';
import { root } from './support/root.ts';

// What users may import. A name that comes or goes changes this list in the same commit:
// UPDATE_EXPORTS=1 npx mocha --no-config build/spec/exports.spec.js
const LIST = join(root, 'spec/support/exports.json');
const MODULES = [
  'lib/index.ts',
  'lib/plugin.ts',
  'lib/testing.ts',
  'plugins/child-process/index.ts',
  'plugins/contract/index.ts',
  'plugins/json-file/index.ts',
  'plugins/memory/index.ts',
  'plugins/open.ts',
  'plugins/postgres/index.ts',
  'plugins/sqlite/index.ts',
  'plugins/worker-threads/index.ts',
];

describe('exports', () => {
  if (process.env['UPDATE_EXPORTS'] !== undefined) {
    const actual = Object.fromEntries(MODULES.map((file) => [file, exportsOfFile(file)]));
    writeFileSync(LIST, `${JSON.stringify(actual, null, 2)}\n`);
  }
  const listed = JSON.parse(readFileSync(LIST, 'utf8')) as Readonly<Record<string, readonly string[]>>;

  it('lists every entry of the package', () => {
    expect(Object.keys(listed)).to.deep.equal(MODULES);
  });

  for (const file of MODULES) {
    it(`${file} exports what is listed, no more and no less`, () => {
      expect(exportsOfFile(file)).to.deep.equal(listed[file]);
    });

    it(`${file} has at run time the values that it lists`, async () => {
      const compiled = join(root, 'dist', file.replace(/\.ts$/, '.js'));
      expect(existsSync(compiled), `${compiled} is built`).to.equal(true);
      const module = (await import(pathToFileURL(compiled).href)) as object;
      const values = listed[file]!.filter((name) => !name.startsWith('type '));
      expect(Object.keys(module).toSorted()).to.deep.equal(values);
    });
  }

  it('reads every form of export', () => {
    const text = [
      `export { a, type B, c as d } from './x.ts';`,
      `export type { E, F as G } from './y.ts';`,
      `export const h = 1;`,
      `export async function i() {}`,
      `export abstract class J {}`,
      `export interface K {}`,
      `// export const gone = 1;`,
    ].join('\n');
    expect(exportsOf(text, alone)).to.deep.equal(['J', 'a', 'd', 'h', 'i', 'type B', 'type E', 'type G', 'type K']);
  });

  it('counts an overloaded function once, and what a star passes on', () => {
    expect(exportsOf('export function a(x: 1): 1;\nexport function a(x: 2): 2;', alone)).to.deep.equal(['a']);
    const other = 'export const b = 1;\nexport interface C {}';
    expect(exportsOf(`export * from './x.ts';`, () => other)).to.deep.equal(['b', 'type C']);
    expect(exportsOf(`export type * from './x.ts';`, () => other)).to.deep.equal(['type C', 'type b']);
  });

  it('sees a name that came and one that went', () => {
    const two = exportsOf(`export { a, b } from './x.ts';`, alone);
    expect(two).not.to.deep.equal(['a']);
    expect(two).not.to.deep.equal(['a', 'b', 'c']);
  });
});

function exportsOfFile(file: string): readonly string[] {
  return exportsOf(read(file), (specifier) => read(join(dirname(file), specifier)));
}

function alone(specifier: string): never {
  throw new Error(`${specifier} should not be read`);
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}
