// Puts the JavaScript of the package into `dist`, where tsc has put its declarations: a file for each door and chunks of
// what they share, because every file takes Node about a millisecond to load and a bus has 300 sources.
import { build } from 'esbuild';
import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';

const { bin, exports } = JSON.parse(readFileSync('package.json', 'utf8'));

/** What is started by its path, in a process or a thread of its own. */
const SCRIPTS = [
  'examples/team/chaos-reader',
  'examples/team/reader',
  'plugins/cli/verify/fence-child',
  'plugins/cli/verify/gap-child',
  'plugins/cli/verify/kill-child',
];

/** Doors of the package as sources, without extension: `lib/index`. */
const doors = Object.values(exports).flatMap((target) => expand(sourceOf(target.default ?? target)));
const programs = Object.values(bin).map(sourceOf);

function sourceOf(file) {
  return file.replace(/^(?:\.\/)?dist\/|\.js$/g, '');
}

/** The path itself, or all that its star stands for. */
function expand(path) {
  const [folder, rest] = path.split('/*');
  if (rest === undefined) return path.endsWith('.json') ? [] : [path];
  return readdirSync(folder)
    .map((name) => `${folder}/${name}${rest}`)
    .filter((candidate) => existsSync(`${candidate}.ts`));
}

/** A declaration and all that it imports. */
function follow(file, found) {
  if (found.has(file)) return found;
  found.add(file);
  const imports = readFileSync(file, 'utf8').matchAll(/\b(?:from|import\()\s*['"](\.[^'"]+)\.ts['"]/g);
  for (const [, path] of imports) follow(join(dirname(file), `${path}.d.ts`), found);
  return found;
}

await build({
  entryPoints: [...doors, ...programs, ...SCRIPTS].map((path) => `${path}.ts`),
  outbase: '.',
  outdir: 'dist',
  chunkNames: 'chunks/[name]-[hash]',
  bundle: true,
  splitting: true,
  packages: 'external',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: true,
});

const declared = new Set();
for (const door of doors) follow(`dist/${door}.d.ts`, declared);
for (const file of readdirSync('dist', { recursive: true }).map((name) => join('dist', name)))
  if (file.endsWith('.d.ts') && !declared.has(file)) rmSync(file);
