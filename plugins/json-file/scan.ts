import { Slice } from '../../lib/plugin.ts';
import { NEWLINE, isIntact } from './line.ts';
import { decodeContent, intactMarks, legiblePosition } from './record.ts';
import type { Marks } from './record.ts';

/** What the bytes of a segment hold behind its header. Nothing here reads or writes a file. */
export interface Scan {
  /** Intact records of whole batches, from the header on. */
  readonly count: number;
  /** Where each of them starts, and, one more, where the last ends. */
  readonly offsets: readonly number[];
  /** Marks of the last of them. */
  readonly last: Marks | undefined;
  /** How many records, and bytes, are whole group commits: all that a follower may tell. */
  readonly whole: { readonly count: number; readonly bytes: number };
  /** Set when bytes follow that are not whole batches but lie within the last commit. */
  readonly tail?: Tail;
  /** Set when the damage lies before the last commit. Then the log must not be opened. */
  readonly damage?: Damage;
}

export interface Tail {
  readonly offset: number;
  readonly bytes: number;
  /** Highest position that can be read in it; 0 for none. */
  readonly position: number;
  /** The commit was complete, so its appends may have been acknowledged. */
  readonly possiblyAcknowledged: boolean;
  readonly reason: 'unfinished batch' | 'torn record' | 'damaged record';
}

export interface Damage {
  readonly offset: number;
  /** Lines of the rest that are still intact. */
  readonly intact: number;
}

/** A line of JSON with all our marks is never shorter. */
const SHORTEST_LINE = 80;

/**
 * Reads records from `start`, the end of the header, expecting positions from `first` on without a gap.
 * The tail rule: the first bad byte, or the start of an unfinished batch, begins the tail when no commit begins
 * behind it; a commit is only begun when the one before it has been acknowledged, so otherwise it is damage.
 */
export function scanRecords(bytes: Buffer, start: number, first: number): Scan {
  const walk = new Walk(bytes, start, first);
  while (walk.next());
  return walk.result();
}

/** The same in slices, so that a large segment does not hold the event loop. */
export async function scanInSlices(bytes: Buffer, start: number, first: number): Promise<Scan> {
  const walk = new Walk(bytes, start, first);
  const slice = new Slice();
  while (walk.next()) if (slice.isOver) await slice.rest();
  return walk.result();
}

class Walk {
  readonly #bytes: Buffer;
  readonly #offsets: number[];
  #position: number;
  #at: number;
  #last: Marks | undefined;
  /** Number of records up to the last end of a batch, and of a commit. */
  #batches = 0;
  #commits = 0;
  #lastOfBatches: Marks | undefined;

  constructor(bytes: Buffer, start: number, first: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#offsets = [start];
    this.#position = first - 1;
  }

  next(): boolean {
    const end = this.#bytes.indexOf(NEWLINE, this.#at);
    if (end < 0) return false;
    const marks = intactMarks(this.#bytes, this.#at, end);
    if (marks === undefined || marks.position !== this.#position + 1) return false;
    this.#beginsAnotherCommit(marks);
    this.#position = marks.position;
    this.#last = marks;
    this.#at = end + 1;
    this.#offsets.push(this.#at);
    if (marks.rest === 0) this.#endBatch(marks);
    return true;
  }

  result(): Scan {
    const count = this.#batches;
    const offsets = this.#offsets.slice(0, count + 1);
    const whole = { count: this.#commits, bytes: this.#offsets[this.#commits]! };
    const scan = { count, offsets, last: this.#lastOfBatches, whole };
    if (this.#at === this.#bytes.length && count === this.#offsets.length - 1) return scan;
    const rest = this.#rest();
    if (rest.damage !== undefined) return { ...scan, damage: rest.damage };
    return { ...scan, tail: this.#tail(offsets[count]!, rest) };
  }

  // A commit that stayed without its end was cut by a recovery, which then began another segment; within one
  // segment a new commit proves the one before it whole.
  #beginsAnotherCommit(marks: Marks): void {
    if (this.#last !== undefined && marks.commit > this.#last.commit) this.#commits = this.#offsets.length - 1;
  }

  #endBatch(marks: Marks): void {
    this.#batches = this.#offsets.length - 1;
    this.#lastOfBatches = marks;
    if (marks.position === marks.end) this.#commits = this.#batches;
  }

  /** Looks behind the first bad byte for whatever is still intact. */
  #rest(): Rest {
    const expected = this.#position + 1;
    const commit = this.#last !== undefined && this.#last.end > this.#position ? this.#last.commit : expected;
    const most = this.#position + 1 + Math.ceil((this.#bytes.length - this.#at) / SHORTEST_LINE);
    let [intact, position, finished, later] = [0, this.#position, false, false];
    for (let at = this.#at; at < this.#bytes.length;) {
      const newline = this.#bytes.indexOf(NEWLINE, at);
      const end = newline < 0 ? this.#bytes.length : newline;
      const marks = newline < 0 ? undefined : intactMarks(this.#bytes, at, end);
      const legible = marks?.position ?? legiblePosition(this.#bytes, at, end);
      if (legible !== undefined && (marks !== undefined || legible <= most)) position = Math.max(position, legible);
      if (marks !== undefined) {
        intact++;
        later ||= marks.commit > commit;
        finished ||= marks.position === marks.end;
      }
      at = end + 1;
    }
    return later ? { position, finished, damage: { offset: this.#at, intact } } : { position, finished };
  }

  #tail(offset: number, rest: Rest): Tail {
    const total = this.#bytes.length;
    const torn = this.#bytes.indexOf(NEWLINE, this.#at) < 0;
    const reason = this.#at === total ? 'unfinished batch' : torn ? 'torn record' : 'damaged record';
    const possiblyAcknowledged = rest.finished || (this.#at < total && this.#mayBeComplete());
    const position = rest.position > this.#positionAt(offset) ? rest.position : 0;
    return { offset, bytes: total - offset, position, possiblyAcknowledged, reason };
  }

  #positionAt(offset: number): number {
    return this.#position - (this.#offsets.length - 1 - this.#offsets.indexOf(offset));
  }

  /** A cut commit ends without a newline. Zeros, and a last line that lacks only its newline, may have been whole. */
  #mayBeComplete(): boolean {
    const { length } = this.#bytes;
    if (this.#bytes[length - 1] === NEWLINE || this.#bytes.includes(0, this.#at)) return true;
    const lineStart = this.#bytes.lastIndexOf(NEWLINE) + 1;
    return isIntact(this.#bytes, lineStart, length - 1);
  }
}

interface Rest {
  readonly position: number;
  readonly finished: boolean;
  readonly damage?: Damage;
}

/** `storedAt` of the record that starts at `offset`. */
export function storedAtOf(bytes: Buffer, offset: number): number {
  return decodeContent(bytes, offset, bytes.indexOf(NEWLINE, offset)).storedAt;
}

/** Highest position legible in a quarantined tail, for the rule that a position is never given twice. */
export function highestPosition(bytes: Buffer, most: number): number {
  let highest = 0;
  for (let at = 0; at < bytes.length;) {
    const newline = bytes.indexOf(NEWLINE, at);
    const end = newline < 0 ? bytes.length : newline;
    const marks = intactMarks(bytes, at, end);
    const legible = marks?.position ?? legiblePosition(bytes, at, end);
    if (legible !== undefined && (marks !== undefined || legible <= most)) highest = Math.max(highest, legible);
    at = end + 1;
  }
  return highest;
}
