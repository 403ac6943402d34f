import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { root } from './support/root.ts';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;

const HELLO = `
import { createBus, memory, TelltaleError } from 'telltale';

const bus = await createBus({ source: 'consumer', store: memory() });
bus.on('greeting.**', (event) => console.log(event.type, JSON.stringify(event.payload)));
const { position } = await bus.publish('greeting.sent', { text: 'hello' });
console.log('position', position, typeof TelltaleError);
await bus.close();
`;

const TYPED = `
import { createBus, jsonFile, memory, type Store, type TelltaleEvent } from 'telltale';
import { AbstractStore } from 'telltale/plugin';
import { createTestBus } from 'telltale/testing';
import { testStore } from 'telltale/contract';
import { memory as plugin } from 'telltale/plugins/memory';

const store: Store = memory();
const stores: readonly Store[] = [store, plugin(), jsonFile('./events')];
const bus = await createBus({ source: 'consumer', store });
const undo = bus.on('task.*', (event: TelltaleEvent) => console.log(event.correlationId));
undo();
// @ts-expect-error: the option does not exist, so the types are really there
await createBus({ source: 'consumer', colour: 'red' });
export { AbstractStore, createTestBus, stores, testStore };
`;

/** Prints every module that is loaded. */
const TELLING = `
import { writeSync } from 'node:fs';
import { register } from 'node:module';
import { isMainThread } from 'node:worker_threads';

export async function load(url, context, next) {
  writeSync(1, url + '\\n');
  return next(url, context);
}
if (isMainThread) register(import.meta.url);
`;

/** A project that has the packed package installed, without asking a registry: its dependencies are the checkout's. */
function install(project: string): void {
  const modules = join(project, 'node_modules');
  mkdirSync(modules, { recursive: true });
  run('npm', ['pack', '--ignore-scripts', '--pack-destination', project], root);
  run('tar', ['-xzf', `telltale-${manifest.version}.tgz`], project);
  run('mv', ['package', 'node_modules/telltale'], project);
  for (const name of [...Object.keys(manifest.dependencies), '@types/node', 'undici-types']) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'consumer', type: 'module', private: true }));
}

function run(command: string, args: readonly string[], cwd: string): string {
  try {
    return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    const { stdout, stderr } = error as { readonly stdout: string; readonly stderr: string };
    throw new Error(`${command} ${args.join(' ')}\n${stdout}${stderr}`, { cause: error });
  }
}

function typeCheck(project: string, options: Readonly<Record<string, unknown>>): string {
  const compilerOptions = { noEmit: true, strict: true, types: ['node'], ...options };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['typed.ts'] }));
  return run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project], project);
}

describe('package', function () {
  this.timeout(60_000);
  let project: string;

  before(() => {
    project = mkdtempSync(join(tmpdir(), 'telltale-consumer-'));
    install(project);
    writeFileSync(join(project, 'hello.mjs'), HELLO);
    writeFileSync(join(project, 'telling.mjs'), TELLING);
    writeFileSync(join(project, 'typed.ts'), TYPED);
  });

  after(() => rmSync(project, { recursive: true, force: true }));

  it('runs in the project that installed it', () => {
    const output = run(process.execPath, ['hello.mjs'], project);
    expect(output).to.equal('greeting.sent {"text":"hello"}\nposition 1 function\n');
  });

  it('has types that a strict project checks, its declarations included', () => {
    typeCheck(project, {
      target: 'es2022',
      module: 'nodenext',
      lib: ['es2023', 'esnext.disposable'],
      exactOptionalPropertyTypes: true,
    });
  });

  it('has types that a bundler project checks', () => {
    typeCheck(project, { target: 'esnext', module: 'esnext', moduleResolution: 'bundler', skipLibCheck: true });
  });

  it('has commands that start', () => {
    for (const file of Object.values(manifest.bin)) {
      const program = join(project, 'node_modules/telltale', file);
      expect(readFileSync(program, 'utf8').split('\n')[0]).to.equal('#!/usr/bin/env node');
      expect(run(process.execPath, [program, '--help'], project)).to.contain('Usage');
      expect(run(process.execPath, [program, '--version'], project).trim()).to.equal(manifest.version);
    }
  });

  it('is loaded in few files, because each takes its time', () => {
    const output = run(process.execPath, ['--import', './telling.mjs', 'hello.mjs'], project);
    const files = output.split('\n').filter((line) => line.includes('/node_modules/telltale/'));
    expect(files.length, files.join('\n')).to.be.within(1, 12);
  });

  it('brings what it needs and nothing else', () => {
    const folder = join(project, 'node_modules/telltale');
    expect(readdirSync(folder).toSorted()).to.deep.equal([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'dist',
      'examples',
      'package.json',
    ]);
    // One file the demo cannot read, so that it has something to show.
    expect(readdirSync(join(folder, 'examples'), { recursive: true })).to.have.members([
      'team',
      join('team', 'fixtures'),
      join('team', 'fixtures', 'not-text.bin'),
    ]);
    const files = readdirSync(join(folder, 'dist'), { recursive: true, encoding: 'utf8' });
    expect(
      files.filter((file) => /(?:^|\/)(?:spec|benchmarks|node_modules)\/|\.tsbuildinfo$/.test(file)),
    ).to.deep.equal([]);
    expect(existsSync(join(folder, 'dist/lib/index.d.ts'))).to.equal(true);
  });
});
