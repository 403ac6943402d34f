import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './invocation.ts';

/** The package's own sources: the checkout without what is built from it, or, installed, what was built. */
export function ownSources(): { readonly root: string; readonly skip: readonly string[] } {
  const root = packageRoot();
  if (!existsSync(join(root, 'lib'))) return { root: join(root, 'dist'), skip: [] };
  return { root, skip: ['dist', 'build', '.build', 'coverage'] };
}
