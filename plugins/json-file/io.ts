import { dirname } from 'node:path';
import { errorCode } from './file-system.ts';
import type { FileSystem, OpenFile } from './file-system.ts';

const CHUNK_BYTES = 4 * 1024 * 1024;

/** Writes all of `bytes`; a short result is continued, because the next call then says why. */
export async function writeFully(file: OpenFile, bytes: Buffer, position: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const count = await file.write(written === 0 ? bytes : bytes.subarray(written), position + written);
    if (count <= 0) throw Object.assign(new Error('ENOSPC: the file takes no more bytes'), { code: 'ENOSPC' });
    written += count;
  }
}

/** Reads `length` bytes, fewer only when the file ends before. */
export async function readFully(file: OpenFile, position: number, length: number): Promise<Buffer> {
  const target = Buffer.allocUnsafe(length);
  let read = 0;
  while (read < length) {
    const count = await file.read(read === 0 ? target : target.subarray(read), position + read);
    if (count === 0) return target.subarray(0, read);
    read += count;
  }
  return target;
}

/** The whole file from `position`. */
export async function readRest(file: OpenFile, position = 0): Promise<Buffer> {
  return readFully(file, position, Math.max(0, (await file.size()) - position));
}

export async function readPath(fs: FileSystem, path: string): Promise<Buffer> {
  const file = await fs.open(path, 'read');
  try {
    return await readRest(file);
  } finally {
    await file.close();
  }
}

/** The whole file; `undefined` when there is none, whoever took it away and when. */
export async function readIfThere(fs: FileSystem, path: string): Promise<Buffer | undefined> {
  try {
    return await readPath(fs, path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** A sync that failed. Whether the bytes are on the disk is not known, and asking again would hide it. */
export class SyncFailure extends Error {
  override readonly name = 'SyncFailure';
}

/** Runs a sync; whatever it throws becomes a `SyncFailure`. */
export async function mustSync(what: string, sync: () => Promise<void>): Promise<void> {
  try {
    await sync();
  } catch (cause) {
    throw new SyncFailure(`${what} could not be synced: ${String(cause)}`, { cause });
  }
}

/**
 * Replaces `path` so that a crash at any step leaves the old content or the new: temporary file, sync, rename,
 * folder sync.
 */
export async function replaceFile(fs: FileSystem, path: string, chunks: Iterable<Buffer>): Promise<void> {
  await writeTemporary(fs, path, (file) => writeChunks(file, chunks));
  await fs.rename(temporaryOf(path), path);
  await mustSync(dirname(path), () => fs.syncFolder(dirname(path)));
}

/** Writes and syncs what is to be at `path` under its temporary name. */
export async function writeTemporary(
  fs: FileSystem,
  path: string,
  fill: (file: OpenFile) => Promise<void>,
): Promise<void> {
  const temporary = temporaryOf(path);
  await removeIfThere(fs, temporary);
  const file = await fs.open(temporary, 'create');
  try {
    await fill(file);
    await mustSync(temporary, () => file.datasync());
  } catch (error) {
    // Why it could not be written says more, and what stays is cleared away later.
    await file.close().catch(() => undefined);
    await removeIfThere(fs, temporary).catch(() => undefined);
    throw error;
  }
  await file.close();
}

/** Opening the log clears away what has such a name. */
export function temporaryOf(path: string): string {
  return `${path}.tmp`;
}

export async function removeIfThere(fs: FileSystem, path: string): Promise<boolean> {
  if ((await fs.facts(path)) === undefined) return false;
  try {
    await fs.unlink(path);
    return true;
  } catch (error) {
    // Another process may be clearing up as well.
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}

async function writeChunks(file: OpenFile, chunks: Iterable<Buffer>): Promise<void> {
  let position = 0;
  for (const chunk of chunks) {
    for (let from = 0; from < chunk.length; from += CHUNK_BYTES) {
      const part = chunk.subarray(from, from + CHUNK_BYTES);
      await writeFully(file, part, position);
      position += part.length;
    }
  }
}
