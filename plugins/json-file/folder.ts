import { dirname, join } from 'node:path';
import { TelltaleError, expected, toError } from '../../lib/plugin.ts';
import type { FileFacts, FileSystem } from './file-system.ts';
import { errorCode } from './file-system.ts';
import { readManifest } from './manifest.ts';
import { Segment, firstOf, segmentName } from './segment.ts';
import type { SegmentContext, SegmentFacts } from './segment.ts';
import { Replaced, openSegment } from './handle-pool.ts';
import { damagedHeader, endOfRecords, readHeader } from './header.ts';
import type { FoundHeader, SegmentHeader } from './header.ts';

/** Throws `STORE_PATH` unless the folder is there, or may be made. */
export async function checkFolder(fs: FileSystem, folder: string, create: boolean): Promise<void> {
  const facts = await inFolder(folder, () => fs.facts(folder));
  if (facts?.kind === 'folder') return;
  if (facts !== undefined)
    throw expected('STORE_PATH', folder, 'a folder', `a ${facts.kind}`, { details: { path: folder } });
  if (!create) throw expected('STORE_PATH', folder, 'a folder that exists', 'nothing', { details: { path: folder } });
  await inFolder(folder, () => makeFolders(fs, folder));
}

/** One by one from the nearest that is there, each made durable in the one above it. */
async function makeFolders(fs: FileSystem, folder: string): Promise<void> {
  const missing: string[] = [];
  for (let at = folder; (await fs.facts(at)) === undefined && dirname(at) !== at; at = dirname(at)) missing.push(at);
  for (const path of missing.toReversed()) {
    await makeFolder(fs, path);
    await fs.syncFolder(dirname(path));
  }
}

async function makeFolder(fs: FileSystem, path: string): Promise<void> {
  try {
    await fs.makeFolder(path);
  } catch (error) {
    // Another process may have made it meanwhile.
    const isThere = errorCode(error) === 'EEXIST' && (await fs.facts(path))?.kind === 'folder';
    if (!isThere) throw error;
  }
}

/** Turns what the platform says about a path into `STORE_PATH`. */
export async function inFolder<T>(folder: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const code = errorCode(cause);
    if (code === undefined || !PATH_ERRORS.has(code)) throw cause;
    const message = `expected ${folder} to be a folder that this process may write, got ${toError(cause).message}`;
    throw new TelltaleError('STORE_PATH', message, { cause, details: { path: folder, actual: code } });
  }
}

const PATH_ERRORS = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'ENOENT', 'EEXIST', 'ELOOP', 'ENAMETOOLONG']);

export interface FolderListing {
  /** First positions of the segments, rising. */
  readonly firsts: readonly number[];
  /** Those of compressed segments. */
  readonly compressed: ReadonlySet<number>;
  /** Names of plain segments of which the compressed one is there already. */
  readonly leftOver: readonly string[];
  /** Names of quarantined tails and the first position of the segment they come from. */
  readonly quarantined: readonly { readonly name: string; readonly first: number }[];
  readonly temporary: readonly string[];
}

export async function listFolder(fs: FileSystem, folder: string): Promise<FolderListing> {
  const names = await fs.list(folder);
  const all = new Set(names);
  const firsts = new Set(names.map(firstOf).filter((first) => first !== undefined));
  const compressed = new Set([...firsts].filter((first) => all.has(segmentName(first, true))));
  const quarantined = names.filter((name) => name.endsWith('.quarantine'));
  return {
    firsts: [...firsts].toSorted((a, b) => a - b),
    compressed,
    leftOver: [...compressed].map((first) => segmentName(first)).filter((name) => all.has(name)),
    quarantined: quarantined.map((name) => ({ name, first: Number.parseInt(name, 10) })),
    temporary: names.filter((name) => name.endsWith('.tmp')),
  };
}

export interface Sealed {
  readonly segments: readonly Segment[];
  /** Segments whose records are in a segment before them: left over, where the joining was cut by a crash. */
  readonly joined: readonly Segment[];
}

/** What was found before in files of the log, by path; good for as long as the file is the same. */
export type SeenSegments = Map<string, { readonly stamp: string; readonly facts: SegmentFacts }>;

/**
 * The sealed segments, from the manifest where it fits and from their headers where it does not, checked to follow
 * one another without a gap that nobody recorded. `last` is the header of the segment behind them, if any.
 * Throws `STORE_CORRUPT`, `STORE_VERSION`.
 */
export async function loadSealed(
  context: SegmentContext,
  { firsts, compressed }: Pick<FolderListing, 'firsts' | 'compressed'>,
  last: SegmentHeader | undefined,
  seen: SeenSegments = new Map(),
): Promise<Sealed> {
  const known = await readManifest(context.fs, context.folder);
  const headers = new Headers(context, compressed, last);
  const segments: Segment[] = [];
  const joined: Segment[] = [];
  const files = await filesOf(context.fs, firsts.slice(0, -1), headers);
  for (let i = 0; i < firsts.length - 1; i++) {
    const first = firsts[i]!;
    const { bytes, stamp } = files[i]!;
    const path = headers.pathOf(first);
    const before = seen.get(path);
    const facts =
      before?.stamp === stamp
        ? before.facts
        : await factsOf(first, bytes, known.get(first), () => headers.endBefore(firsts[i + 1]!), headers);
    seen.set(path, { stamp, facts });
    const segment = new Segment(context, facts);
    if (first <= (segments[segments.length - 1]?.last ?? 0)) {
      joined.push(segment);
      continue;
    }
    await checkFollows(segments[segments.length - 1]?.last ?? 0, segment.first, headers, context.folder);
    segments.push(segment);
  }
  const paths = new Set([...segments, ...joined].map(({ path }) => path));
  for (const path of seen.keys()) if (!paths.has(path)) seen.delete(path);
  const active = firsts[firsts.length - 1];
  if (active !== undefined)
    await checkFollows(segments[segments.length - 1]?.last ?? 0, active, headers, context.folder);
  return { segments, joined };
}

const ASKED_AT_ONCE = 32;

class Headers {
  readonly #context: SegmentContext;
  readonly #compressed: ReadonlySet<number>;
  readonly #last: SegmentHeader | undefined;

  constructor(context: SegmentContext, compressed: ReadonlySet<number>, last: SegmentHeader | undefined) {
    this.#context = context;
    this.#compressed = compressed;
    this.#last = last;
  }

  isCompressed(first: number): boolean {
    return this.#compressed.has(first);
  }

  pathOf(first: number): string {
    return join(this.#context.folder, segmentName(first, this.#compressed.has(first)));
  }

  /** A header, and the length of the very file that has it. */
  async read(first: number): Promise<FoundHeader & { readonly bytes: number }> {
    const { fs } = this.#context;
    const path = this.pathOf(first);
    const file = await openSegment(fs, path);
    try {
      const found = await readHeader(file, path);
      if (found?.header.first === first) return { ...found, bytes: await file.size() };
      throw damagedHeader(path);
    } finally {
      await file.close();
    }
  }

  /** Last position before a segment, lost ranges left out. */
  async endBefore(first: number): Promise<number> {
    const header = this.#last?.first === first ? this.#last : (await this.read(first)).header;
    let end = first - 1;
    for (const range of header.removed.toReversed()) if (range.to === end) end = range.from - 1;
    return end;
  }
}

/** Several at once: asking for one length after another is most of opening a long log. */
async function filesOf(fs: FileSystem, firsts: readonly number[], headers: Headers): Promise<FileFacts[]> {
  const files: FileFacts[] = [];
  for (let i = 0; i < firsts.length; i += ASKED_AT_ONCE) {
    const paths = firsts.slice(i, i + ASKED_AT_ONCE).map((first) => headers.pathOf(first));
    const facts = await Promise.all(paths.map((path) => fs.facts(path)));
    facts.forEach((found, n) => {
      // Between the listing and now it was compressed.
      if (found === undefined) throw new Replaced(paths[n]!);
      files.push(found);
    });
  }
  return files;
}

async function factsOf(
  first: number,
  length: number,
  known: SegmentFacts | undefined,
  end: () => Promise<number>,
  headers: Headers,
): Promise<SegmentFacts> {
  if (known?.bytes === length && headers.isCompressed(first) === (known.raw !== undefined)) return known;
  const { header, start, bytes } = await headers.read(first);
  const count = (header.last ?? (await end())) - first + 1;
  const raw = endOfRecords(header);
  const found = { first, uid: header.uid, count, bytes, start, removals: header.removed.length };
  return raw === undefined ? found : { ...found, raw };
}

async function checkFollows(before: number, first: number, headers: Headers, folder: string): Promise<void> {
  if (first === before + 1) return;
  const end = first > before ? await headers.endBefore(first) : first;
  if (end === before) return;
  const message = `expected a segment with position ${before + 1} in ${folder}, found ${segmentName(first)}: a segment is missing or cut`;
  throw new TelltaleError('STORE_CORRUPT', message, {
    details: { path: folder, position: before + 1, offset: 0, count: first - before - 1 },
  });
}
