import type { StoredEvent, Tombstone } from '../../lib/plugin.ts';
import { NEWLINE, PREFIX_BYTES, isIntact, sealLine } from './line.ts';

export type { Tombstone } from '../../lib/plugin.ts';

/**
 * A record is an event, or what is left of a removed one, on its line. Behind the checksum come, in this order and
 * always: `position`, `commit` and `end` (first and last position of its group commit), `rest` (records of its batch
 * still to come), `revision`, `storedAt`. Scanning relies on that order to read the marks without parsing the JSON.
 */
export interface Marks {
  readonly position: number;
  readonly commit: number;
  readonly end: number;
  readonly rest: number;
}

const NAMES = ['position', 'commit', 'end', 'rest', 'revision', 'storedAt'];
const KEYS = NAMES.map((name, i) => Buffer.from(`${i === 0 ? '{"crc":"00000000"' : ''},"${name}":`));
const COMMA = 44;
const BRACE = 123;

/** The JSON of an event's line, checksum not included. */
export function eventJson(event: StoredEvent, marks: Marks): string {
  return `{${new CommitText(marks.commit, marks.end, event.storedAt).line(event, marks.rest)}`;
}

/**
 * Writes the lines of one group commit. Put together by hand, because half of the cost of handing JSON.stringify an
 * object with our marks lies in what is the same for every line of a commit, or needs no escaping.
 */
export class CommitText {
  readonly #marks: string;
  readonly #storedAt: string;
  #time = NaN;
  #timeText = '';
  readonly #names = new Map<string, string>();

  constructor(commit: number, end: number, storedAt: number) {
    this.#marks = `,"commit":${commit},"end":${end},"rest":`;
    this.#storedAt = `,"storedAt":${storedAt},"id":`;
  }

  /** The line without its opening brace; `rest` counts the records of its batch still to come. */
  line(event: StoredEvent, rest: number): string {
    const { entity, correlationId, causationId } = event;
    const id = quoted(event.id);
    const head = `"position":${event.position}${this.#marks}${rest},"revision":${event.revision}${this.#storedAt}${id}`;
    const kind = `,"type":${this.#name(event.type)},"source":${this.#name(event.source)},"time":${this.#timeOf(event)}`;
    const about = entity === undefined ? '' : `,"entity":${quoted(entity)}`;
    const correlation = `,"correlationId":${correlationId === event.id ? id : quoted(correlationId)}`;
    const cause = causationId === undefined ? '' : `,"causationId":${quoted(causationId)}`;
    const content = `,"payload":${JSON.stringify(event.payload) ?? 'null'},"metadata":${JSON.stringify(event.metadata)}}`;
    return `${head}${kind}${about}${correlation}${cause},"schemaVersion":${event.schemaVersion}${content}`;
  }

  /** Types and sources are few, and quoted once for each commit. */
  #name(name: string): string {
    let text = this.#names.get(name);
    if (text === undefined) this.#names.set(name, (text = JSON.stringify(name)));
    return text;
  }

  /** Writing out a number of 13 digits costs as much as a short text, and neighbours share it. */
  #timeOf({ time }: StoredEvent): string {
    if (time !== this.#time) [this.#time, this.#timeText] = [time, JSON.stringify(time)];
    return this.#timeText;
  }
}

const PLAIN = /^[ !#-[\]-~]*$/;

function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

export function tombstoneJson(tombstone: Tombstone, marks: Marks): string {
  const { position, revision, storedAt, id, entity, hash } = tombstone;
  const { commit, end, rest } = marks;
  return JSON.stringify({ position, commit, end, rest, revision, storedAt, id, entity, hash, removed: true });
}

/**
 * The event of a line whose checksum has been found right, or what is left of it. The numbers at its start are read
 * from the bytes, and only what follows is parsed: the parsed object then becomes the event, without a copy.
 */
export function decodeContent(bytes: Buffer, start: number, end: number): StoredEvent | Tombstone {
  const numbers = new Numbers(bytes, start, end);
  const position = numbers.take();
  for (let i = 0; i < 3; i++) numbers.take();
  const [revision, storedAt] = [numbers.take(), numbers.take()];
  const { at } = numbers;
  // A fraction, or a line that is no record.
  if (bytes[at] !== COMMA) return toRecord(JSON.parse(bytes.toString('utf8', start, end)) as Line);
  bytes[at] = BRACE;
  try {
    const content = JSON.parse(bytes.toString('utf8', at, end)) as Mutable<Line>;
    content.position = position;
    content.revision = revision;
    content.storedAt = storedAt;
    return content.removed === true ? toTombstone(content) : content;
  } finally {
    bytes[at] = COMMA;
  }
}

/** Whether a record is an event and not what is left of one. */
export function isEvent(record: StoredEvent | Tombstone): record is StoredEvent {
  return 'type' in record;
}

/** The marks of the line at `start`, read from its first bytes; `undefined` when they are not legible. */
export function readMarks(bytes: Buffer, start: number, end: number): Marks | undefined {
  const numbers = new Numbers(bytes, start, end);
  const [position, commit, last, rest] = [numbers.take(), numbers.take(), numbers.take(), numbers.take()];
  return rest < 0 ? undefined : { position, commit, end: last, rest };
}

/** Takes the numbers at the start of a line one after another; -1 from the first that is not legible. */
class Numbers {
  readonly #bytes: Buffer;
  readonly #end: number;
  #taken = 0;
  /** Behind what was taken. */
  at: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes;
    this.#end = end;
    this.at = start;
  }

  take(): number {
    const [bytes, key] = [this.#bytes, KEYS[this.#taken]!];
    let at = this.at;
    for (let k = this.#taken === 0 ? PREFIX_BYTES - 1 : 0; k < key.length; k++) if (bytes[at + k] !== key[k]) return -1;
    at += key.length;
    const digits = at;
    let value = 0;
    for (let byte = bytes[at]!; at < this.#end && byte >= 48 && byte <= 57; byte = bytes[++at]!)
      value = value * 10 + byte - 48;
    if (at === digits || at >= this.#end) return -1;
    this.#taken++;
    this.at = at;
    return value;
  }
}

/** The marks of an intact record line; `undefined` for anything else. */
export function intactMarks(bytes: Buffer, start: number, end: number): Marks | undefined {
  return isIntact(bytes, start, end) ? readMarks(bytes, start, end) : undefined;
}

/** A position that can still be read at the start of a damaged line. */
export function legiblePosition(bytes: Buffer, start: number, end: number): number | undefined {
  const key = '"position":';
  const head = bytes.toString('latin1', start, Math.min(end, start + 64));
  if (!head.startsWith(key, PREFIX_BYTES)) return undefined;
  const digits = /^(\d{1,15})[,}]/.exec(head.slice(PREFIX_BYTES + key.length));
  return digits === null ? undefined : Number(digits[1]);
}

/** Collects the lines of one group commit in one buffer that is kept between commits. */
export class LineBuffer {
  #bytes = Buffer.allocUnsafe(256 * 1024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  reset(): void {
    this.#length = 0;
    // A single huge commit must not hold its memory for ever.
    if (this.#bytes.length > KEEP_BYTES) this.#bytes = Buffer.allocUnsafe(KEEP_BYTES);
  }

  /** `line`: an object's JSON without its opening brace. */
  add(line: string): void {
    const start = this.#length;
    const text = `{"crc":"00000000",${line}`;
    this.#reserve(text.length);
    const end = start + this.#bytes.write(text, start);
    this.#bytes[end] = NEWLINE;
    this.#length = end + 1;
    sealLine(this.#bytes, start, end + 1);
  }

  /** Valid until the next `reset` or `add`. */
  bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  // UTF-8 needs at most three bytes for each UTF-16 unit.
  #reserve(units: number): void {
    const needed = this.#length + units * 3 + 1;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}

const KEEP_BYTES = 4 * 1024 * 1024;

interface Line extends StoredEvent, Marks {
  readonly crc: string;
  readonly hash?: string;
  readonly removed?: boolean;
  readonly position: number;
}

function toTombstone({ position, revision, storedAt, id, entity, hash }: Line): Tombstone {
  const rest = { position, revision, storedAt, id, hash: hash ?? '' };
  return entity === undefined ? rest : { ...rest, entity };
}

function toRecord(line: Line): StoredEvent | Tombstone {
  if (line.removed === true) return toTombstone(line);
  const { commit: _, end: __, rest: ___, crc: ____, ...event } = line;
  return event;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
