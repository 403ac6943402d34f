import { createHash } from 'node:crypto';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bus } from 'telltale';
import type { Room } from './room.ts';

export interface ScoutOptions {
  readonly root: string;
  /** Names of folders that are not entered, wherever they are. */
  readonly skipNames: ReadonlySet<string>;
  /** Absolute paths that are not entered: the log itself. */
  readonly skipPaths: ReadonlySet<string>;
  /** Whether the log already has an outcome for this file as it is now. */
  isSettled(path: string, stamp: string): boolean;
  /** Called before the first file is announced. */
  onFirst(): void;
  /** Called for every file, announced or not. */
  onFile(): void;
  readonly room: Room;
  readonly signal: AbortSignal;
}

/**
 * Walks the folder and announces every file that has no outcome yet as `file.found`, each the beginning of its own
 * correlation. Waits while too many announced files are unfinished, so its memory does not grow with the folder.
 */
export async function scout(bus: Bus, options: ScoutOptions): Promise<void> {
  let announced = 0;
  for await (const path of walk(bus, options, '')) {
    if (options.signal.aborted) return;
    const stamp = await stampOf(join(options.root, path));
    options.onFile();
    if (options.isSettled(path, stamp)) continue;
    if (announced++ === 0) options.onFirst();
    if (!(await options.room.enter(options.signal))) return;
    bus.emit('file.found', { root: options.root, path, stamp }, { source: 'scout', entity: entityOf(path) });
  }
}

async function* walk(bus: Bus, options: ScoutOptions, folder: string): AsyncGenerator<string> {
  const entries = await list(bus, options, folder);
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    // Links are not followed: they may lead round in circles. Pipes and sockets would never end.
    if (entry.isFile()) yield path;
    else if (entry.isDirectory() && !isSkipped(options, path, entry.name)) yield* walk(bus, options, path);
  }
}

async function list(bus: Bus, options: ScoutOptions, folder: string) {
  try {
    return await readdir(join(options.root, folder), { withFileTypes: true });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    bus.emit('folder.failed', { path: folder || '.', reason }, { source: 'scout' });
    return [];
  }
}

function isSkipped(options: ScoutOptions, path: string, name: string): boolean {
  return options.skipNames.has(name) || options.skipPaths.has(join(options.root, path));
}

async function stampOf(file: string): Promise<string> {
  try {
    const { size, mtimeMs } = await lstat(file);
    return `${size}-${Math.round(mtimeMs)}`;
  } catch {
    return 'unknown'; // Gone since: the reader will say so.
  }
}

/** An entity holds at most 512 bytes; a longer path is named by its end and a hash. */
export function entityOf(path: string): string {
  if (Buffer.byteLength(path) <= 400) return `file/${path}`;
  return `file/${createHash('sha256').update(path).digest('hex').slice(0, 16)}/${Buffer.from(path.slice(-80)).toString()}`;
}
