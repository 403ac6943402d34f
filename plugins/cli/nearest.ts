import { existsSync } from 'node:fs';

/**
 * The file at `path` below the nearest folder above this one that has it. Paths are from where `lib` and `plugins` lie:
 * in the package this code has been bundled into a file that lies elsewhere.
 */
export function nearest(path: string): URL {
  let folder = new URL('.', import.meta.url);
  while (!existsSync(new URL(path, folder))) {
    const above = new URL('..', folder);
    if (above.href === folder.href) throw new Error(`there is no ${path} above ${import.meta.url}`);
    folder = above;
  }
  return new URL(path, folder);
}

/** As `nearest`, for a module of this package to be started by its path; without extension. */
export function nearestScript(path: string): URL {
  // `.js`, or `.ts` where the sources run as they are.
  return nearest(`${path}${import.meta.url.slice(-3)}`);
}
