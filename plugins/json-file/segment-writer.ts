import { dirname } from 'node:path';
import { BLOCK_BYTES, encodeBlock } from './blocks.ts';
import type { FileSystem } from './file-system.ts';
import { encodeCompressedHeader } from './header.ts';
import type { SegmentHeader } from './header.ts';
import { mustSync, removeIfThere, temporaryOf, writeFully, writeTemporary } from './io.ts';

const WRITE_BYTES = 1024 * 1024;

/** What was written beside the log; `moveIntoPlace` makes it a part of it. */
export interface Written {
  /** Length of the file. */
  readonly bytes: number;
  /** Where the records begin and end, in offsets of the plain file. */
  readonly start: number;
  readonly end: number;
}

/** Lines of records, some at a time. */
export type Lines = AsyncIterable<Buffer>;

/** Writes and syncs a segment under a temporary name: nothing of the log has changed yet. `head`: its header line. */
export async function writePlain(fs: FileSystem, path: string, head: Buffer, lines: Lines): Promise<Written> {
  let end = head.length;
  await writeTemporary(fs, path, async (file) => {
    await writeFully(file, head, 0);
    for await (const chunk of collected(lines, WRITE_BYTES)) {
      await writeFully(file, chunk, end);
      end += chunk.length;
    }
  });
  return { bytes: end, start: head.length, end };
}

/**
 * The same in compressed form. `start`: where the records begin in the plain file, so that an index of that one holds.
 * The packed blocks are in memory until all lengths are known, because these stand in front of them.
 */
export async function writeCompressed(
  fs: FileSystem,
  path: string,
  plain: SegmentHeader,
  lines: Lines,
  start: number,
): Promise<Written> {
  const packed: Buffer[] = [];
  const blocks: number[] = [];
  let end = start;
  for await (const chunk of collected(lines, BLOCK_BYTES)) {
    const block = await encodeBlock(chunk);
    packed.push(block);
    blocks.push(block.length, chunk.length);
    end += chunk.length;
  }
  const header = { ...plain, layout: { start, blocks } };
  let bytes = 0;
  await writeTemporary(fs, path, async (file) => {
    for await (const chunk of collected([await encodeCompressedHeader(header), ...packed], WRITE_BYTES)) {
      await writeFully(file, chunk, bytes);
      bytes += chunk.length;
    }
  });
  return { bytes, start, end };
}

/** Puts what was written in its place; a crash leaves the one or the other. */
export async function moveIntoPlace(fs: FileSystem, path: string): Promise<void> {
  await fs.rename(temporaryOf(path), path);
}

export async function syncFolderOf(fs: FileSystem, path: string): Promise<void> {
  const folder = dirname(path);
  await mustSync(folder, () => fs.syncFolder(folder));
}

/** Gives up what was written. */
export async function discard(fs: FileSystem, path: string): Promise<void> {
  await removeIfThere(fs, temporaryOf(path));
}

/** Joins pieces until they have `least` bytes. */
async function* collected(pieces: AsyncIterable<Buffer> | Iterable<Buffer>, least: number): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = [];
  let bytes = 0;
  for await (const piece of pieces) {
    waiting.push(piece);
    bytes += piece.length;
    if (bytes < least) continue;
    yield waiting.length === 1 ? piece : Buffer.concat(waiting, bytes);
    [waiting, bytes] = [[], 0];
  }
  if (bytes > 0) yield Buffer.concat(waiting, bytes);
}
