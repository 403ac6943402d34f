import { join, resolve } from 'node:path';
import { expected, subtractRanges, systemClock } from '../../lib/plugin.ts';
import type { Range, RemovedRange } from '../../lib/plugin.ts';
import { newUid } from './appender.ts';
import type { FileSystem } from './file-system.ts';
import { nodeFileSystem } from './file-system.ts';
import { checkFolder, listFolder } from './folder.ts';
import { decodeHeader, encodeHeader } from './header.ts';
import { readIfThere, readPath, replaceFile } from './io.ts';
import { NEWLINE, decodeLine, encodeLine } from './line.ts';
import { decodeContent, eventJson, intactMarks, isEvent, tombstoneJson } from './record.ts';
import type { Marks } from './record.ts';
import { segmentName } from './segment.ts';
import { unpack } from './unpack.ts';

/** What became of a damaged log. */
export interface SalvageReport {
  /** Records copied: events, and what is left of removed ones. */
  readonly kept: number;
  /** Records that were there and not intact, or not in their place; documents are not among them. */
  readonly damaged: number;
  /** Positions of which nothing is left; the new log records them as removed, reason `lost`. */
  readonly lost: readonly RemovedRange[];
  /** Positions of removed events of which the id is damaged: an event with that id could be stored again. */
  readonly tombstones: readonly Range[];
  /** Documents that were not copied, `collection/key`, because they are damaged or too large for the new log. */
  readonly documents: readonly string[];
}

const STATE = 'state.json';
const SNAPSHOTS = 'snapshots';
const SEGMENT_RECORDS = 32_768;

/**
 * Copies every intact record of a damaged log into a new one, in order, and keeps the original as it is. What lies in
 * quarantine stays there. Batches of which a part is damaged come without that part.
 *
 * @param target a folder that is not there yet, or empty
 * @throws `STORE_PATH`
 */
export async function salvage(folder: string, target: string, fs: FileSystem = nodeFileSystem): Promise<SalvageReport> {
  const [from, to] = [resolve(folder), resolve(target)];
  await checkFolder(fs, from, false);
  await checkFolder(fs, to, true);
  if ((await fs.list(to)).length > 0)
    throw expected('STORE_PATH', to, 'an empty folder', 'a folder with files', { details: { path: to } });
  const copy = new Copy(fs, to);
  const { firsts, compressed } = await listFolder(fs, from);
  for (const first of firsts) {
    const bytes = await readPath(fs, join(from, segmentName(first, compressed.has(first))));
    await copy.take(compressed.has(first) ? (await unpack(bytes)).bytes : bytes, first);
  }
  await copy.flush();
  return { ...copy.report(), documents: await copyDocuments(fs, from, to) };
}

/** Answers the files that are damaged. */
async function copyDocuments(fs: FileSystem, from: string, to: string): Promise<string[]> {
  const damaged: string[] = [];
  const snapshots = (await fs.facts(join(from, SNAPSHOTS))) === undefined ? [] : await fs.list(join(from, SNAPSHOTS));
  const files = snapshots.filter((name) => name.endsWith('.json')).map((name) => join(SNAPSHOTS, name));
  if (files.length > 0) await fs.makeFolder(join(to, SNAPSHOTS));
  for (const name of [STATE, ...files]) {
    const bytes = await readIfThere(fs, join(from, name));
    if (bytes === undefined) continue;
    if (decodeLine(bytes) === undefined) damaged.push(name);
    else await replaceFile(fs, join(to, name), [bytes]);
  }
  return damaged;
}

/** Runs of records with consecutive positions become segments; a gap begins another one and is recorded in it. */
class Copy {
  readonly #fs: FileSystem;
  readonly #folder: string;
  readonly #lost: RemovedRange[] = [];
  readonly #tombstones: Range[] = [];
  #known: readonly RemovedRange[] = [];
  #run: Buffer[] = [];
  #first = 1;
  #position = 0;
  /** Up to here segments were joined, so that a record may be there twice. */
  #joined = 0;
  #storedAt = 0;
  #removed: RemovedRange[] = [];
  #kept = 0;
  #damaged = 0;
  /** How many when the last record was kept. */
  #damagedBefore = 0;

  constructor(fs: FileSystem, folder: string) {
    this.#fs = fs;
    this.#folder = folder;
  }

  async take(bytes: Buffer, first: number): Promise<void> {
    const start = bytes.indexOf(NEWLINE) + 1;
    const header = start === 0 ? undefined : decodeHeader(bytes, segmentName(first));
    await this.flush();
    this.#known = header?.removed ?? [];
    this.#joined = Math.max(this.#joined, header?.last ?? 0);
    for (let at = header?.first === first ? start : 0; at < bytes.length;) {
      const newline = bytes.indexOf(NEWLINE, at);
      const end = newline < 0 ? bytes.length : newline;
      const marks = intactMarks(bytes, at, end);
      if (marks === undefined || (marks.position <= this.#position && marks.position > this.#joined)) this.#damaged++;
      else if (marks.position > this.#position) await this.#keep(bytes, at, end, marks.position);
      at = end + 1;
    }
  }

  async flush(): Promise<void> {
    if (this.#run.length === 0) return;
    const removed = [...this.#removed, ...clip(this.#known, { from: this.#first, to: this.#position })];
    const header = { first: this.#first, uid: newUid(), created: systemClock.now(), storedAt: this.#storedAt, removed };
    await replaceFile(this.#fs, join(this.#folder, segmentName(this.#first)), [encodeHeader(header), ...this.#run]);
    this.#run = [];
    this.#removed = [];
  }

  report(): Omit<SalvageReport, 'documents'> {
    return { kept: this.#kept, damaged: this.#damaged, lost: this.#lost, tombstones: this.#tombstones };
  }

  async #keep(bytes: Buffer, start: number, end: number, position: number): Promise<void> {
    if (position !== this.#position + 1 || this.#run.length >= SEGMENT_RECORDS) await this.flush();
    if (this.#run.length === 0) this.#begin(position);
    const content = decodeContent(bytes, start, end);
    // Each stands alone now: the commit it came with may not be whole any more.
    const alone: Marks = { position, commit: position, end: position, rest: 0 };
    this.#run.push(encodeLine(isEvent(content) ? eventJson(content, alone) : tombstoneJson(content, alone)));
    this.#storedAt = content.storedAt;
    this.#position = position;
    this.#kept++;
    this.#damagedBefore = this.#damaged;
  }

  /** What is missing before `position` was removed, if the header says so, and is lost otherwise. */
  #begin(position: number): void {
    this.#first = position;
    if (position === this.#position + 1) return;
    const gap = { from: this.#position + 1, to: position - 1 };
    const known = clip(this.#known, gap);
    const lost = subtractRanges([gap], known).map((range) => ({ ...range, reason: 'lost', at: systemClock.now() }));
    this.#lost.push(...lost);
    // Removed events need not have left an id, unless there was a record.
    if (this.#damaged > this.#damagedBefore) this.#tombstones.push(...known.map(({ from, to }) => ({ from, to })));
    this.#removed = [...known, ...lost].toSorted((a, b) => a.from - b.from);
  }
}

function clip(ranges: readonly RemovedRange[], { from, to }: Range): RemovedRange[] {
  return ranges
    .filter((range) => range.from <= to && range.to >= from)
    .map((range) => ({ ...range, from: Math.max(range.from, from), to: Math.min(range.to, to) }));
}
