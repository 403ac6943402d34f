import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The checkout's folder. Specs run compiled from `build/`, so it is found by walking up to the package. */
export const root = findRoot(import.meta.dirname);

function findRoot(folder: string): string {
  const manifest = join(folder, 'package.json');
  if (existsSync(manifest) && (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string }).name === 'telltale') {
    return folder;
  }
  const parent = dirname(folder);
  if (parent === folder) throw new Error('no package.json named telltale above the specs');
  return findRoot(parent);
}
