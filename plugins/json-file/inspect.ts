import { join, resolve } from 'node:path';
import { Slice, toError } from '../../lib/plugin.ts';
import type { RemovedRange } from '../../lib/plugin.ts';
import { DocumentFiles } from './documents.ts';
import type { FileSystem } from './file-system.ts';
import { nodeFileSystem } from './file-system.ts';
import { checkFolder, listFolder } from './folder.ts';
import { decodeHeader } from './header.ts';
import type { SegmentHeader } from './header.ts';
import { readPath } from './io.ts';
import { NEWLINE } from './line.ts';
import { describeOwner, isGone, readLock } from './lock-owner.ts';
import { decodeContent, intactMarks, isEvent } from './record.ts';
import { scanInSlices } from './scan.ts';
import { segmentName } from './segment.ts';
import { unpack } from './unpack.ts';

/** Something that is wrong with a log folder. */
export interface FolderFault {
  readonly problem: string;
  readonly file: string;
  /** Byte in the file; of a compressed one, in its plain text. */
  readonly offset?: number;
  readonly position?: number;
}

export interface Inspection {
  readonly segments: number;
  /** The highest position that is intact. */
  readonly head: number;
  readonly events: number;
  /** The first 1,000. */
  readonly faults: readonly FolderFault[];
  /** How many there are. */
  readonly found: number;
  /** What is no fault but good to know: a writer that is alive, tails that were set aside. */
  readonly notes: readonly string[];
}

const KEPT = 1_000;

/**
 * Looks through a log folder without lock, and changes nothing: checksums of all records, torn tails, positions that are
 * there twice or missing without a reason, documents that are damaged or ahead of the log. Costs one reading of all.
 *
 * @throws `STORE_PATH`, `STORE_VERSION`
 */
export async function inspect(folder: string, fs: FileSystem = nodeFileSystem): Promise<Inspection> {
  const path = resolve(folder);
  await checkFolder(fs, path, false);
  const faults = new Faults();
  const notes: string[] = [];
  const writer = await readLock(fs, join(path, 'lock'));
  const isWritten = writer.kind === 'owned' && !isGone(writer.owner);
  if (isWritten) notes.push(`${describeOwner(writer.owner)} is writing it`);
  // Before the log: what a writer adds meanwhile must not make a document look ahead of it.
  const documents = await readDocuments(fs, path, faults);
  const { firsts, compressed, quarantined } = await listFolder(fs, path);
  for (const { name } of quarantined) notes.push(`${name}: a tail that was set aside`);
  const walk = new Walk(faults);
  for (const [i, first] of firsts.entries()) {
    const name = segmentName(first, compressed.has(first));
    const bytes = await readPath(fs, join(path, name));
    const unpacked = compressed.has(first) ? await unpack(bytes) : { bytes, damaged: [] };
    for (const offset of unpacked.damaged) faults.add({ problem: 'a block cannot be unpacked', file: name, offset });
    const isLast = i === firsts.length - 1;
    const tail = await walk.take({ name, bytes: unpacked.bytes, first, isLast });
    if (tail === undefined) continue;
    if (isWritten) notes.push(`${tail.problem}: a commit that is just being written looks like this`);
    else faults.add(tail);
  }
  checkAhead(documents, walk.head, faults);
  const { kept, count } = faults;
  return { segments: firsts.length, head: walk.head, events: walk.events, faults: kept, found: count, notes };
}

class Faults {
  readonly kept: FolderFault[] = [];
  count = 0;

  add(fault: FolderFault): void {
    if (this.count++ < KEPT) this.kept.push(fault);
  }
}

interface Part {
  readonly name: string;
  readonly bytes: Buffer;
  readonly first: number;
  readonly isLast: boolean;
}

/** Goes through the segments in order and holds each record against the one before it. */
class Walk {
  readonly #faults: Faults;
  /** Up to here positions are there, removed on record, or told as damaged. */
  head = 0;
  events = 0;
  #joined = 0;

  constructor(faults: Faults) {
    this.#faults = faults;
  }

  /** Answers the tail of the last segment, if it has one. */
  async take({ name: file, bytes, first, isLast }: Part): Promise<FolderFault | undefined> {
    const start = bytes.indexOf(NEWLINE) + 1;
    const header = start === 0 ? undefined : decodeHeader(bytes, file);
    if (header?.first !== first) this.#faults.add({ problem: 'the header is damaged', file, offset: 0 });
    // Joined into the segment before, and was to be deleted.
    if (first <= this.#joined) return undefined;
    this.#joined = header?.last ?? this.#joined;
    if (header !== undefined) this.#expect(first, header.removed, { file, offset: 0 });
    else this.head = Math.max(this.head, first - 1);
    const scan = isLast && header !== undefined ? await scanInSlices(bytes, start, first) : undefined;
    const end = scan?.tail?.offset ?? bytes.length;
    await this.#records(file, bytes, { from: header === undefined ? 0 : start, to: end }, header);
    if (scan?.tail === undefined) return undefined;
    const { reason, offset, bytes: size, possiblyAcknowledged } = scan.tail;
    const word = possiblyAcknowledged ? 'possibly acknowledged' : 'never acknowledged';
    return { problem: `torn tail of ${size} bytes (${reason}, ${word})`, file, offset };
  }

  async #records(
    file: string,
    bytes: Buffer,
    { from, to }: { readonly from: number; readonly to: number },
    header: SegmentHeader | undefined,
  ): Promise<void> {
    const slice = new Slice();
    const removed = new Cover(header?.removed ?? []);
    let damaged = 0;
    for (let at = from; at < to;) {
      const newline = bytes.indexOf(NEWLINE, at);
      const end = newline < 0 ? to : newline;
      const position = intactMarks(bytes, at, end)?.position;
      if (position === undefined) {
        damaged++;
        this.#faults.add({ problem: 'bad checksum', file, offset: at, position: this.head + damaged });
      } else {
        if (position <= this.head)
          this.#faults.add({ problem: 'a position is there twice', file, offset: at, position });
        else if (damaged === 0) this.#expect(position, [], { file, offset: at });
        this.head = Math.max(this.head, position);
        damaged = 0;
        this.#content(bytes, at, end, { file, position, isRemoved: removed.has(position) });
      }
      at = end + 1;
      if (slice.isOver) await slice.rest();
    }
    // Told already, and not missing besides.
    this.head += damaged;
  }

  #content(
    bytes: Buffer,
    at: number,
    end: number,
    { file, position, isRemoved }: { readonly file: string; readonly position: number; readonly isRemoved: boolean },
  ): void {
    const isThere = isEvent(decodeContent(bytes, at, end));
    if (isThere) this.events++;
    if (isThere && isRemoved)
      this.#faults.add({ problem: 'a removed event is still there', file, offset: at, position });
    if (!isThere && !isRemoved)
      this.#faults.add({ problem: 'an event was removed, and nothing says why', file, offset: at, position });
  }

  /** What lies between the head and `next` must have been lost on record. */
  #expect(
    next: number,
    removed: readonly RemovedRange[],
    place: { readonly file: string; readonly offset: number },
  ): void {
    let missing = this.head + 1;
    for (const range of removed) if (range.from <= missing && range.to >= missing) missing = range.to + 1;
    if (missing < next)
      this.#faults.add({ problem: `positions ${missing} to ${next - 1} are missing`, position: missing, ...place });
    this.head = Math.max(this.head, next - 1);
  }
}

/** Answers for rising positions whether they lie in sorted ranges. */
class Cover {
  readonly #ranges: readonly RemovedRange[];
  #next = 0;

  constructor(ranges: readonly RemovedRange[]) {
    this.#ranges = ranges;
  }

  has(position: number): boolean {
    while (this.#next < this.#ranges.length && this.#ranges[this.#next]!.to < position) this.#next++;
    return (this.#ranges[this.#next]?.from ?? Infinity) <= position;
  }
}

interface FoundDocuments {
  readonly named: number;
  readonly positions: readonly { readonly name: string; readonly position: number }[];
}

async function readDocuments(fs: FileSystem, folder: string, faults: Faults): Promise<FoundDocuments> {
  const files = new DocumentFiles(fs, folder, true);
  const positions: { name: string; position: number }[] = [];
  const look = async (collection: string): Promise<void> => {
    for (const { key, value } of await files.list(collection)) {
      const position = (value as { readonly position?: unknown } | null)?.position;
      if (typeof position === 'number') positions.push({ name: `${collection}/${key}`, position });
    }
  };
  await reporting(faults, 'state.json', async () => {
    await files.open();
    for (const collection of await files.collections()) if (collection !== SNAPSHOTS) await look(collection);
  });
  await reporting(faults, SNAPSHOTS, () => look(SNAPSHOTS));
  return { named: files.named, positions };
}

const SNAPSHOTS = 'snapshots';

async function reporting(faults: Faults, file: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    faults.add({ problem: `documents cannot be read: ${toError(error).message}`, file });
  }
}

function checkAhead({ named, positions }: FoundDocuments, head: number, faults: Faults): void {
  const ahead = positions.filter(({ position }) => position > head);
  for (const { name, position } of ahead)
    faults.add({
      problem: `document ${name} is ahead of the log, which ends at ${head}`,
      file: 'state.json',
      position,
    });
  if (named > head && ahead.length === 0)
    faults.add({
      problem: `a document named a position beyond the log, which ends at ${head}`,
      file: 'state.json',
      position: named,
    });
}
