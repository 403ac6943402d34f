import { join } from 'node:path';
import type { Range } from '../../lib/plugin.ts';
import type { FileSystem } from './file-system.ts';
import { listFolder, loadSealed } from './folder.ts';
import { Replaced } from './handle-pool.ts';
import { damagedHeader, decodeHeader } from './header.ts';
import type { SegmentHeader } from './header.ts';
import { readFully, readPath } from './io.ts';
import { NEWLINE } from './line.ts';
import type { Log } from './log.ts';
import { MANIFEST } from './manifest.ts';
import { MemoryIndex } from './memory-index.ts';
import { decodeContent } from './record.ts';
import { scanRecords } from './scan.ts';
import { Segment, segmentName } from './segment.ts';

const ATTEMPTS = 5;

/**
 * Keeps a log that another process writes up to date, by reading only. It tells whole commits: what lies behind the
 * last one may be half written, or be taken back. A segment that has a successor is told to its end.
 */
export class Follower {
  readonly #log: Log;
  readonly #tell: (ranges: readonly Range[]) => void;
  #turn: Promise<void> = Promise.resolve();
  /** Stamp of the manifest the segments were loaded with. */
  #manifest: string | undefined;

  /** `changed` is told where events were removed or rewritten since the last look; they are read no more by then. */
  constructor(log: Log, changed: (ranges: readonly Range[]) => void) {
    this.#log = log;
    this.#tell = changed;
    log.refresh = () => this.#inTurn(() => this.#reload());
  }

  open(): Promise<void> {
    return this.#inTurn(() => this.#reload());
  }

  /** Reads what was committed since. */
  catchUp(): Promise<void> {
    return this.#inTurn(() => this.#catchUp());
  }

  async #catchUp(): Promise<void> {
    const { fs, folder } = this.#log.context;
    const { firsts } = await listFolder(fs, folder);
    const manifest = await this.#manifestStamp();
    // A new manifest: segments were sealed, or rewritten because events were removed.
    if (firsts[firsts.length - 1] !== this.#log.active?.first || manifest !== this.#manifest) await this.#reload();
    else if (this.#log.active !== undefined) await this.#readOn(this.#log.active);
  }

  /** Looks again when a segment is compressed, or rewritten, between the listing and the reading of it. */
  async #reload(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#reloadOnce();
      } catch (error) {
        if (!(error instanceof Replaced) || attempt === ATTEMPTS) throw error;
      }
    }
  }

  /** Starts over from what is in the folder now. Segments that are known and unchanged keep their indexes. */
  async #reloadOnce(): Promise<void> {
    const { context } = this.#log;
    this.#manifest = await this.#manifestStamp();
    const listing = await listFolder(context.fs, context.folder);
    const active = await this.#openActive(listing.firsts);
    if (active === undefined) return;
    const known = new Map(this.#log.segments.map((segment) => [segment.path + segment.uid, segment]));
    const sealed = await loadSealed(context, listing, active.header);
    const kept = sealed.map((segment) => {
      const before = known.get(segment.path + segment.uid);
      return before?.count === segment.count && before !== this.#log.active ? before : segment;
    });
    const before = this.#log.segments;
    this.#log.load([...kept, active.segment], active.index);
    this.#tellChanges(before, kept);
    this.#moveHead(Math.max(active.segment.first - 1, this.#log.head.position), active.header.storedAt);
    await this.#readOn(active.segment);
  }

  /**
   * A segment with another uid was written anew: events of it were removed, or have other content. Which ones, its
   * header tells of removals only; so it is told as a whole.
   */
  #tellChanges(before: readonly Segment[], after: readonly Segment[]): void {
    const uids = new Map(before.map(({ first, uid }) => [first, uid]));
    const changed: Range[] = [];
    for (const { first, last, uid } of after) {
      const known = uids.get(first);
      if (known !== undefined && known !== uid) changed.push({ from: first, to: last });
    }
    if (changed.length > 0) this.#tell(changed);
  }

  async #manifestStamp(): Promise<string | undefined> {
    const { fs, folder } = this.#log.context;
    return (await fs.facts(join(folder, MANIFEST)))?.stamp;
  }

  async #openActive(
    firsts: readonly number[],
  ): Promise<{ segment: Segment; index: MemoryIndex; header: SegmentHeader } | undefined> {
    const first = firsts[firsts.length - 1];
    if (first === undefined) return undefined;
    const { context } = this.#log;
    const path = join(context.folder, segmentName(first));
    const header = await readHeaderOf(context.fs, path);
    if (header === undefined) throw damagedHeader(path);
    const { uid, removed } = header.header;
    const { start } = header;
    const index = new MemoryIndex(context.paths, start);
    const segment = new Segment(
      context,
      { first, uid, count: 0, bytes: start, start, removals: removed.length },
      index,
    );
    return { segment, index, header: header.header };
  }

  async #readOn(segment: Segment): Promise<void> {
    const bytes = await readFrom(this.#log.context.fs, segment.path, segment.bytes);
    const scan = scanRecords(bytes, 0, segment.last + 1);
    if (scan.damage !== undefined)
      throw segment.corrupt(segment.bytes + scan.damage.offset, segment.last + scan.count + 1, scan.damage.intact);
    const { count } = scan.whole;
    if (count === 0) return;
    let storedAt = 0;
    for (let i = 0; i < count; i++) {
      const content = decodeContent(bytes, scan.offsets[i]!, scan.offsets[i + 1]! - 1);
      this.#log.activeIndex.add(content, segment.bytes + scan.offsets[i + 1]!);
      ({ storedAt } = content);
    }
    segment.count += count;
    segment.bytes += scan.whole.bytes;
    this.#moveHead(segment.last, storedAt);
  }

  #moveHead(position: number, storedAt: number): void {
    if (position >= this.#log.head.position)
      this.#log.moveHead({ position, storedAt: Math.max(storedAt, this.#log.head.storedAt) });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }
}

async function readFrom(fs: FileSystem, path: string, position: number): Promise<Buffer> {
  const file = await fs.open(path, 'read');
  try {
    return await readFully(file, position, Math.max(0, (await file.size()) - position));
  } finally {
    await file.close();
  }
}

async function readHeaderOf(
  fs: FileSystem,
  path: string,
): Promise<{ header: SegmentHeader; start: number } | undefined> {
  const bytes = await readPath(fs, path);
  const header = decodeHeader(bytes, path);
  return header === undefined ? undefined : { header, start: bytes.indexOf(NEWLINE) + 1 };
}
