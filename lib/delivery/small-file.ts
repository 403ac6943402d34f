import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { threadId } from 'node:worker_threads';
import { TelltaleError, messageOf } from '../errors.ts';

/** The text of a file; undefined where there is none. Rejects with `TARGET_BROKEN`. */
export async function readText(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw failed(file, 'read', error);
  }
}

/** Replaces a file as a whole, on disk when it resolves. One at a time for a path. Rejects with `TARGET_BROKEN`. */
export async function replaceFile(file: string, text: string): Promise<void> {
  // Of this thread alone: whoever writes the same file elsewhere spoils nothing half written.
  const temporary = `${file}.${process.pid}-${threadId}.tmp`;
  try {
    await synced(temporary, 'w', text);
    await rename(temporary, file);
    await syncedFolder(dirname(file));
  } catch (error) {
    // What stays is written over the next time; what it failed of is told.
    await rm(temporary, { force: true }).catch(() => undefined);
    throw failed(file, 'written', error);
  }
}

async function syncedFolder(folder: string): Promise<void> {
  try {
    await synced(folder, 'r');
  } catch (error) {
    // Windows cannot open a folder, and needs not.
    if (process.platform !== 'win32' || (error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
  }
}

async function synced(path: string, flags: 'r' | 'w', text?: string): Promise<void> {
  const handle = await open(path, flags);
  try {
    if (text !== undefined) await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function failed(file: string, what: 'read' | 'written', cause: unknown): TelltaleError {
  const text = `the target file ${JSON.stringify(file)} could not be ${what}: ${messageOf(cause)}`;
  return new TelltaleError('TARGET_BROKEN', text, { cause, details: { file } });
}
