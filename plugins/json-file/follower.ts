import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Serial, isTelltaleError } from '../../lib/plugin.ts';
import type { Range } from '../../lib/plugin.ts';
import type { OpenFile } from './file-system.ts';
import { listFolder, loadSealed } from './folder.ts';
import type { FolderListing, SeenSegments } from './folder.ts';
import { Replaced, changesTooFast, openSegment } from './handle-pool.ts';
import { damagedHeader, readHeader } from './header.ts';
import type { FoundHeader, SegmentHeader } from './header.ts';
import { readRest } from './io.ts';
import type { Log } from './log.ts';
import { MANIFEST } from './manifest.ts';
import { MemoryIndex } from './memory-index.ts';
import { decodeContent } from './record.ts';
import { scanRecords } from './scan.ts';
import { Segment, segmentName } from './segment.ts';

const ATTEMPTS = 5;
const MOST_ATTEMPTS = 100;

/** The last segment with what was read of it. */
interface Active {
  readonly segment: Segment;
  readonly index: MemoryIndex;
  readonly header: SegmentHeader;
  readonly storedAt: number;
}

/**
 * Keeps a log that another process writes up to date, by reading only. It tells whole commits: what lies behind the
 * last one may be half written, or be taken back. A segment that has a successor is told to its end.
 */
export class Follower {
  readonly #log: Log;
  readonly #tell: (ranges: readonly Range[]) => void;
  readonly #turns = new Serial();
  /** Stamp of the manifest the segments were loaded with. */
  #manifest: string | undefined;
  readonly #seen: SeenSegments = new Map();

  /** `changed` is told where events were removed or rewritten since the last look; they are read no more by then. */
  constructor(log: Log, changed: (ranges: readonly Range[]) => void) {
    this.#log = log;
    this.#tell = changed;
    log.refresh = () => this.#turns.run(() => this.#reload());
  }

  open(): Promise<void> {
    return this.#turns.run(() => this.#reload());
  }

  /** Reads what was committed since. */
  catchUp(): Promise<void> {
    return this.#turns.run(() => this.#catchUp());
  }

  async #catchUp(): Promise<void> {
    const { fs, folder } = this.#log.context;
    const { firsts } = await listFolder(fs, folder);
    const manifest = await this.#manifestStamp();
    const { active } = this.#log;
    // A new manifest: segments were sealed, or rewritten because events were removed.
    if (firsts[firsts.length - 1] !== active?.first || manifest !== this.#manifest) return this.#reload();
    if (active === undefined) return;
    try {
      await this.#use(active.path, (file, { header }) => {
        if (header.uid !== active.uid) throw new Replaced(active.path);
        return this.#readOn(active, this.#log.activeIndex, file);
      });
    } catch (error) {
      if (!(error instanceof Replaced) && !isTelltaleError(error, 'STORE_CORRUPT')) throw error;
      await this.#reload();
    }
  }

  /**
   * Looks again when files are replaced between the listing and the reading of them. Then they may also seem not to
   * fit together: damage is believed when it is found in the same place time and again.
   */
  async #reload(): Promise<void> {
    let [seen, times] = ['', 0];
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#reloadOnce();
      } catch (error) {
        if (attempt === MOST_ATTEMPTS) throw error instanceof Replaced ? changesTooFast(error.path) : error;
        if (error instanceof Replaced) continue;
        if (!isTelltaleError(error, 'STORE_CORRUPT')) throw error;
        times = error.message === seen ? times + 1 : 1;
        if (times === ATTEMPTS) throw error;
        seen = error.message;
      }
    }
  }

  /** Starts over from what is in the folder now. Segments that are known and unchanged keep their indexes. */
  async #reloadOnce(): Promise<void> {
    const { context } = this.#log;
    this.#manifest = await this.#manifestStamp();
    const listing = await this.#list();
    const first = listing.firsts[listing.firsts.length - 1];
    if (first === undefined) return;
    const active = await this.#readActive(first);
    const known = new Map(this.#log.segments.map((segment) => [segment.path + segment.uid, segment]));
    const { segments } = await loadSealed(context, listing, active.header, this.#seen);
    const kept = segments.map((segment) => {
      const before = known.get(segment.path + segment.uid);
      return before?.count === segment.count && before !== this.#log.active ? before : segment;
    });
    const before = this.#log.segments;
    // All at once and with its events, because readers go on meanwhile.
    this.#log.load([...kept, active.segment], active.index);
    this.#tellChanges(before, kept);
    this.#moveHead(active.segment.last, active.storedAt);
  }

  /** A listing may miss a file that gets another name meanwhile: two that are the same do not. */
  async #list(): Promise<FolderListing> {
    const { fs, folder } = this.#log.context;
    let listing = await listFolder(fs, folder);
    for (let attempt = 1; attempt < ATTEMPTS; attempt++) {
      const again = await listFolder(fs, folder);
      if (isDeepStrictEqual([again.firsts, again.compressed], [listing.firsts, listing.compressed])) break;
      listing = again;
    }
    return listing;
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

  /** Header and records by one handle: under the same name there may be another file the next moment. */
  #readActive(first: number): Promise<Active> {
    const { context, active, activeIndex } = this.#log;
    return this.#use(join(context.folder, segmentName(first)), async (file, { header, start }) => {
      const isKnown = active?.uid === header.uid;
      const index = isKnown ? activeIndex : new MemoryIndex(context.paths, start);
      const facts = { first, uid: header.uid, count: 0, bytes: start, start, removals: header.removed.length };
      const segment = isKnown ? active : new Segment(context, facts, index);
      const storedAt = await this.#readOn(segment, index, file);
      return { segment, index, header, storedAt: Math.max(storedAt, header.storedAt) };
    });
  }

  /** Adds what is whole behind the end of a segment; answers when the last of it was stored. */
  async #readOn(segment: Segment, index: MemoryIndex, file: OpenFile): Promise<number> {
    const bytes = await readRest(file, segment.bytes);
    const scan = scanRecords(bytes, 0, segment.last + 1);
    if (scan.damage !== undefined)
      throw segment.corrupt(segment.bytes + scan.damage.offset, segment.last + scan.count + 1, scan.damage.intact);
    const { count } = scan.whole;
    let storedAt = 0;
    for (let i = 0; i < count; i++) {
      const content = decodeContent(bytes, scan.offsets[i]!, scan.offsets[i + 1]! - 1);
      index.add(content, segment.bytes + scan.offsets[i + 1]!);
      ({ storedAt } = content);
    }
    segment.count += count;
    segment.bytes += scan.whole.bytes;
    if (count > 0 && segment === this.#log.active) this.#moveHead(segment.last, storedAt);
    return storedAt;
  }

  /** Opens a segment and reads its header. Throws `Replaced`, `STORE_CORRUPT`. */
  async #use<T>(path: string, work: (file: OpenFile, found: FoundHeader) => Promise<T>): Promise<T> {
    const file = await openSegment(this.#log.context.fs, path);
    try {
      const found = await readHeader(file, path);
      if (found === undefined) throw damagedHeader(path);
      return await work(file, found);
    } finally {
      await file.close();
    }
  }

  #moveHead(position: number, storedAt: number): void {
    if (position >= this.#log.head.position)
      this.#log.moveHead({ position, storedAt: Math.max(storedAt, this.#log.head.storedAt) });
  }
}
