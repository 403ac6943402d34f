import { lstatSync, readdirSync } from 'node:fs';
import type { Dirent } from 'node:fs';
import { join } from 'node:path';

export interface WalkOptions {
  readonly root: string;
  /** Names of folders that are not entered, wherever they are. */
  readonly skipNames: ReadonlySet<string>;
  /** Absolute paths that are not entered: the log itself. */
  readonly skipPaths: ReadonlySet<string>;
}

/** A file with its size and time of change, or a folder that could not be listed. Paths have `/` on every system. */
export type Step =
  | { readonly path: string; readonly stamp: string }
  | { readonly path: string; readonly reason: string };

/** All files below the root, always in the same order. */
export function* walk(options: WalkOptions, folder = ''): Generator<Step, void, undefined> {
  const { root } = options;
  const entries = list(join(root, folder));
  if (typeof entries === 'string') {
    yield { path: folder || '.', reason: entries };
    return;
  }
  for (const entry of entries) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    // Links are not followed: they may lead round in circles. Pipes and sockets would never end.
    if (entry.isFile()) yield { path, stamp: stampOf(join(root, path)) };
    else if (entry.isDirectory() && !isSkipped(options, path, entry.name)) yield* walk(options, path);
  }
}

function list(folder: string): readonly Dirent[] | string {
  try {
    return readdirSync(folder, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function isSkipped(options: WalkOptions, path: string, name: string): boolean {
  return options.skipNames.has(name) || options.skipPaths.has(join(options.root, path));
}

function stampOf(file: string): string {
  try {
    const { size, mtimeMs } = lstatSync(file);
    return `${size}-${Math.round(mtimeMs)}`;
  } catch {
    return 'unknown'; // Gone since: the reader will say so.
  }
}
