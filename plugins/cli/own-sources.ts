import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './invocation.ts';

/** The package itself: the checkout without what is built from it, or all that was installed. */
export function ownSources(): { readonly root: string; readonly skip: readonly string[] } {
  const root = packageRoot();
  if (!existsSync(join(root, 'lib'))) return { root, skip: [] };
  return { root, skip: ['dist', 'build', '.build', 'coverage'] };
}
