import { join } from 'node:path';
import type { FileSystem } from './file-system.ts';
import { readIfThere, removeIfThere, replaceFile } from './io.ts';
import { decodeLine, encodeLine } from './line.ts';
import type { SegmentFacts } from './segment.ts';

/**
 * What is known of the sealed segments, so that opening need not ask each. Only a cache: without it, or where it does
 * not fit the files, the segments' own headers tell the same. Segments are never changed while it names them.
 */
export const MANIFEST = 'manifest.json';

export async function readManifest(fs: FileSystem, folder: string): Promise<ReadonlyMap<number, SegmentFacts>> {
  const bytes = await readIfThere(fs, join(folder, MANIFEST));
  const line = bytes && (decodeLine(bytes) as { readonly segments: readonly SegmentFacts[] } | undefined);
  return new Map((line?.segments ?? []).map((facts) => [facts.first, facts]));
}

export async function writeManifest(fs: FileSystem, folder: string, segments: readonly SegmentFacts[]): Promise<void> {
  await replaceFile(fs, join(folder, MANIFEST), [encodeLine(JSON.stringify({ manifest: 1, segments }))]);
}

export async function dropManifest(fs: FileSystem, folder: string): Promise<void> {
  if (await removeIfThere(fs, join(folder, MANIFEST))) await fs.syncFolder(folder);
}
