import { join } from 'node:path';
import type { Clock, RemovedRange } from '../../lib/plugin.ts';
import { TelltaleError } from '../../lib/plugin.ts';
import type { Appender } from './appender.ts';
import { DamagedIndex, FileIndex, readIndexHeader } from './file-index.ts';
import type { FoundIndex } from './file-index.ts';
import { ENVELOPE_KEYS, KIND } from './key-index.ts';
import { listFolder, loadSealed } from './folder.ts';
import type { FolderListing } from './folder.ts';
import { mustSync, readPath, readRest, removeIfThere, replaceFile } from './io.ts';
import type { Log } from './log.ts';
import { MemoryIndex } from './memory-index.ts';
import type { Filling } from './memory-index.ts';
import { damagedHeader, decodeHeader } from './header.ts';
import type { SegmentHeader } from './header.ts';
import { NEWLINE, SEAL_AT, SEAL_BYTES } from './line.ts';
import { highestPosition, scanInSlices, storedAtOf } from './scan.ts';
import type { Scan } from './scan.ts';
import { Segment, segmentName } from './segment.ts';
import type { SegmentContext } from './segment.ts';
import { eraseSegment } from './swap.ts';

/** What opening found and did; for the store's health. */
export interface Recovery {
  readonly notices: readonly string[];
}

interface Active {
  readonly header: SegmentHeader;
  readonly start: number;
  readonly bytes: Buffer;
  readonly scan: Scan;
}

/**
 * Opens the log for writing: loads the sealed segments, scans the active one, moves a damaged tail to quarantine and
 * finds the next position. Every step may be cut by a crash and is then done again by the next opening. Throws
 * `STORE_CORRUPT` when damage lies before the last commit.
 */
export async function recover(log: Log, appender: Appender, clock: Clock, named: number): Promise<Recovery> {
  const { context } = log;
  const notices: string[] = [];
  const listing = await listFolder(context.fs, context.folder);
  for (const name of [...listing.temporary, ...listing.leftOver])
    await removeIfThere(context.fs, join(context.folder, name));
  const found = await readActive(context, listing.firsts);
  const firsts = found === 'headless' ? listing.firsts.slice(0, -1) : listing.firsts;
  if (found === 'headless') notices.push(await setHeadAside(context, listing.firsts[firsts.length]!));
  const active = found === 'headless' ? await readActive(context, firsts) : found;
  if (typeof active === 'object' && active.scan.damage !== undefined) throw damage(context, active);
  if (active === 'headless') throw damagedHeader(join(context.folder, segmentName(firsts[firsts.length - 1]!)));
  const { segments, joined } = await loadSealed(context, { ...listing, firsts }, active?.header);
  for (const segment of joined) await eraseSegment(context.fs, segment);
  if (active !== undefined) {
    notices.push(...(await cutTail(context, active)));
    await adopt(log, segments, active);
    await appender.open();
  }
  const quarantined = found === 'headless' || active?.scan.tail !== undefined;
  const latest = quarantined ? await listFolder(context.fs, context.folder) : listing;
  const highest = Math.max(named, await highestInQuarantine(context, latest, log.head.position));
  notices.push(...(await continueAt(log, appender, clock, highest, active)));
  return { notices };
}

/** The last segment's file; `headless` when neither its header nor a record can be read. */
async function readActive(
  context: SegmentContext,
  firsts: readonly number[],
): Promise<Active | 'headless' | undefined> {
  const first = firsts[firsts.length - 1];
  if (first === undefined) return undefined;
  const path = join(context.folder, segmentName(first));
  const bytes = await readPath(context.fs, path);
  const header = decodeHeader(bytes, path);
  if (header?.first === first) {
    const start = bytes.indexOf(NEWLINE) + 1;
    return { header, start, bytes, scan: await scanInSlices(bytes, start, first) };
  }
  // The header is synced before a record is written behind it: with records, this is no tail.
  if (highestPosition(bytes, 0) > 0) throw damagedHeader(path);
  return 'headless';
}

async function setHeadAside(context: SegmentContext, first: number): Promise<string> {
  const path = join(context.folder, segmentName(first));
  const target = `${path}.0.quarantine`;
  await removeIfThere(context.fs, target);
  await context.fs.rename(path, target);
  await context.fs.syncFolder(context.folder);
  return `${path} had no legible header and no record; it was moved to ${target}, and may have held acknowledged events`;
}

/** Copies the tail into quarantine, then cuts it off. In that order, so that a crash between loses nothing. */
async function cutTail({ fs, folder }: SegmentContext, { header, bytes, scan }: Active): Promise<readonly string[]> {
  const { tail } = scan;
  if (tail === undefined) return [];
  const path = join(folder, segmentName(header.first));
  const target = `${path}.${tail.offset}.quarantine`;
  await replaceFile(fs, await freeName(fs, target, bytes.subarray(tail.offset)), [bytes.subarray(tail.offset)]);
  const file = await fs.open(path, 'update');
  try {
    await file.truncate(tail.offset);
    await mustSync(path, () => file.datasync());
  } finally {
    await file.close();
  }
  const word = tail.possiblyAcknowledged
    ? 'its commit was complete, so it may have been acknowledged'
    : 'it was never acknowledged';
  return [`${path}: ${tail.reason} at byte ${tail.offset}, ${tail.bytes} bytes moved to ${target}; ${word}`];
}

/** An earlier quarantine of other content stays; the same content may be written again. */
async function freeName(fs: SegmentContext['fs'], target: string, content: Buffer): Promise<string> {
  for (let i = 1; ; i++) {
    const name = i === 1 ? target : target.replace(/quarantine$/, `${i}.quarantine`);
    if ((await fs.facts(name)) === undefined || content.equals(await readPath(fs, name))) return name;
  }
}

async function adopt(log: Log, sealed: readonly Segment[], { header, start, bytes, scan }: Active): Promise<void> {
  const { context } = log;
  const index = new MemoryIndex(context.paths, start);
  const { first, uid, removed } = header;
  const end = scan.offsets[scan.count]!;
  const segment = new Segment(
    context,
    { first, uid, count: scan.count, bytes: end, start, removals: removed.length },
    index,
  );
  const checkpoint = await findCheckpoint(log, segment, bytes, scan);
  const last = scan.count - 1;
  index.fillLater(scan.offsets, () => readActiveKeys(context, segment, last, checkpoint));
  log.load([...sealed, segment], index);
  const storedAt = scan.count === 0 ? header.storedAt : storedAtOf(bytes, scan.offsets[scan.count - 1]!);
  log.moveHead({ position: segment.last, storedAt });
}

/**
 * The index file that the last close left, if the segment still begins with what it covers. Any other is deleted: the
 * segment may grow to the same length with other content.
 */
async function findCheckpoint(
  { context }: Log,
  segment: Segment,
  bytes: Buffer,
  { offsets, count }: Scan,
): Promise<FoundIndex | undefined> {
  const { fs, paths } = context;
  const found = await readIndexHeader(fs, segment.indexPath, segment.uid, [...ENVELOPE_KEYS, KIND, 'times', ...paths]);
  const covered = found?.header.summary.count ?? 0;
  const start = (offsets[covered - 1] ?? 0) + SEAL_AT;
  const fits =
    covered > 0 &&
    covered <= count &&
    found!.header.end === offsets[covered] &&
    found!.header.seal === bytes.toString('latin1', start, start + SEAL_BYTES) &&
    found!.header.summary.types !== undefined;
  if (fits) return found;
  if (await removeIfThere(fs, segment.indexPath)) await fs.syncFolder(context.folder);
  return undefined;
}

/** The keys of the records up to `last`: those of the checkpoint are not read again. */
async function readActiveKeys(
  context: SegmentContext,
  segment: Segment,
  last: number,
  checkpoint: FoundIndex | undefined,
): Promise<Filling> {
  if (checkpoint === undefined) return { records: await segment.records(0, last) };
  try {
    const known = await new FileIndex(context.fs, segment.indexPath, checkpoint, context.cache).everything();
    const { count } = known.summary;
    return { known, records: count > last ? [] : await segment.records(count, last) };
  } catch (error) {
    if (!(error instanceof DamagedIndex)) throw error;
    return readActiveKeys(context, segment, last, undefined);
  }
}

/** Tails of older segments were answered for when the next segment was begun. */
async function highestInQuarantine(
  { fs, folder }: SegmentContext,
  listing: FolderListing,
  head: number,
): Promise<number> {
  const active = listing.firsts[listing.firsts.length - 1] ?? 0;
  let highest = 0;
  for (const { name, first } of listing.quarantined) {
    if (first < active) continue;
    const file = await fs.open(join(folder, name), 'read');
    try {
      const bytes = await readRest(file);
      const most = Math.max(head, first) + Math.ceil(bytes.length / 80);
      highest = Math.max(highest, first - 1, highestPosition(bytes, most));
    } finally {
      await file.close();
    }
  }
  return highest;
}

/** Begins a new segment where the active one cannot go on: behind a lost range, or behind a commit that was cut. */
async function continueAt(
  log: Log,
  appender: Appender,
  clock: Clock,
  highest: number,
  active: Active | undefined,
): Promise<readonly string[]> {
  const { position, storedAt } = log.head;
  const last = active?.scan.last;
  const wasCut = last !== undefined && last.position < last.end;
  if (active !== undefined && highest <= position && !wasCut) return [];
  const lost: RemovedRange[] =
    highest > position ? [{ from: position + 1, to: highest, reason: 'lost', at: clock.now() }] : [];
  const next = Math.max(position, highest);
  await appender.startSegment(next + 1, lost);
  log.moveHead({ position: next, storedAt });
  return lost.map(
    ({ from, to }) => `positions ${from} to ${to} are lost; they are recorded as such and never given again`,
  );
}

function damage({ folder }: SegmentContext, { header, scan }: Active): TelltaleError {
  const path = join(folder, segmentName(header.first));
  const { offset, intact } = scan.damage!;
  const message = `expected ${path} to be intact up to its last commit, found damage at byte ${offset} behind ${scan.count} good records, with ${intact} intact records after it; salvage(folder, target) copies what is intact`;
  const position = header.first + scan.count;
  return new TelltaleError('STORE_CORRUPT', message, {
    details: { path, offset, position, count: scan.count, intact },
  });
}
