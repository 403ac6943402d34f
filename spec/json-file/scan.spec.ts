import { expect } from 'chai';
import { decodeHeader } from '../../plugins/json-file/header.ts';
import { NEWLINE, sealLine } from '../../plugins/json-file/line.ts';
import { decodeContent } from '../../plugins/json-file/record.ts';
import { scanRecords } from '../../plugins/json-file/scan.ts';
import type { Scan } from '../../plugins/json-file/scan.ts';
import { writeLog } from './log-on-disk.ts';
import type { Written } from './log-on-disk.ts';
import { randomSource } from './random.ts';

interface Reading {
  /** Set when the log would not be opened at all. */
  readonly refused: boolean;
  readonly ids: readonly string[];
  readonly scan?: Scan;
}

/** What opening a segment with these bytes would tell. */
function read(bytes: Buffer, decodes = true): Reading {
  const header = decodeHeader(bytes, 'segment');
  if (header?.first !== 1) return { refused: true, ids: [] };
  const scan = scanRecords(bytes, bytes.indexOf(NEWLINE) + 1, 1);
  if (scan.damage !== undefined) return { refused: true, ids: [], scan };
  const ids: string[] = [];
  for (let i = 0; i < (decodes ? scan.count : 0); i++) {
    const record = decodeContent(bytes, scan.offsets[i]!, scan.offsets[i + 1]! - 1);
    ids.push(`${record.position} ${JSON.stringify(record)}`);
  }
  return { refused: false, ids, scan };
}

/** Whether everything told was written, in its place: a prefix of the truth. */
function tellsTheTruth(found: Reading, truth: readonly string[]): boolean {
  return found.ids.length <= truth.length && found.ids.every((id, i) => id === truth[i]);
}

function lastAtOrBelow(ends: readonly number[], position: number): number {
  return ends.findLast((end) => end <= position) ?? 0;
}

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[bit >> 3]! ^= 1 << (bit & 7);
  return copy;
}

/** The same bytes as a store without checksums would take them: every line's checksum made right. */
function withoutChecksums(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  for (let start = 0, end = copy.indexOf(NEWLINE); end >= 0; start = end + 1, end = copy.indexOf(NEWLINE, start))
    if (end - start > 20) sealLine(copy, start, end + 1);
  return copy;
}

describe('json-file: scan of a segment', () => {
  let small: Written;
  let large: Written;
  let truth: readonly string[];

  before(async () => {
    small = await writeLog(8 * 1024);
    large = await writeLog(64 * 1024);
    truth = read(large.bytes).ids;
  });

  it('finds every record of an intact segment', () => {
    const { ids, scan } = read(small.bytes);
    expect(ids.length).to.equal(small.ids.length);
    expect(scan!.tail).to.equal(undefined);
    expect(scan!.whole.count).to.equal(small.ids.length);
  });

  it('keeps the longest prefix of whole batches wherever the segment is cut', () => {
    const whole = read(small.bytes);
    const start = whole.scan!.offsets[0]!;
    for (let length = start; length < small.bytes.length; length++) {
      const { ids, scan } = read(small.bytes.subarray(0, length), length % 16 === 0);
      const complete = whole.scan!.offsets.findLastIndex((offset) => offset <= length);
      const kept = lastAtOrBelow(small.batches, complete);
      expect(scan!.count, `cut at ${length}`).to.equal(kept);
      expect(tellsTheTruth({ refused: false, ids }, whole.ids)).to.equal(true);
      expect(scan!.whole.count, `whole commits at ${length}`).to.equal(lastAtOrBelow(small.commits, complete));
      const end = whole.scan!.offsets[kept]!;
      if (end === length) expect(scan!.tail).to.equal(undefined);
      else expect(scan!.tail, `cut at ${length}`).to.include({ offset: end, bytes: length - end });
    }
  });

  it('says of a cut record that it was never acknowledged, of a damaged whole one that it may have been', () => {
    const cut = read(small.bytes.subarray(0, small.bytes.length - 5)).scan!.tail!;
    expect(cut.possiblyAcknowledged).to.equal(false);
    const damaged = read(flipped(small.bytes, (small.bytes.length - 20) * 8)).scan!.tail!;
    expect(damaged).to.include({ possiblyAcknowledged: true, reason: 'damaged record' });
    const newline = read(flipped(small.bytes, small.bytes.length * 8 - 8)).scan!.tail!;
    expect(newline.possiblyAcknowledged).to.equal(true);
  });

  it('refuses damage before the last commit with its offset and what is left behind it', () => {
    const { offsets } = read(large.bytes).scan!;
    const { refused, scan } = read(flipped(large.bytes, (offsets[3]! + 30) * 8));
    expect(refused).to.equal(true);
    expect(scan!.damage).to.deep.equal({ offset: offsets[3], intact: large.ids.length - 4 });
    expect(scan!.count).to.equal(3);
  });

  it('never tells a changed event after any of 5,000 flipped bits', () => {
    const random = randomSource(1);
    const counts = { refused: 0, tail: 0 };
    for (let i = 0; i < 5_000; i++) {
      const bit = Math.floor(random() * large.bytes.length * 8);
      const found = read(flipped(large.bytes, bit));
      expect(tellsTheTruth(found, truth), `bit ${bit}`).to.equal(true);
      expect(found.refused || found.scan!.tail !== undefined, `bit ${bit} unnoticed`).to.equal(true);
      if (found.refused) counts.refused++;
      else counts.tail++;
    }
    expect(counts.refused).to.be.greaterThan(4_000);
    expect(counts.tail).to.be.greaterThan(10);
  });

  it('control: a store without checksums tells changed events, and this suite sees it', () => {
    const random = randomSource(2);
    let lies = 0;
    for (let i = 0; i < 300; i++) {
      const bit = Math.floor(random() * large.bytes.length * 8);
      try {
        if (!tellsTheTruth(read(withoutChecksums(flipped(large.bytes, bit))), truth)) lies++;
      } catch {
        // A line that is no JSON any more is found even without a checksum.
      }
    }
    expect(lies).to.be.greaterThan(100);
  });

  it('never tells a changed event after zeroed sectors', () => {
    for (let at = 0; at < large.bytes.length; at += 512) {
      const copy = Buffer.from(large.bytes);
      copy.fill(0, at, Math.min(at + 512, copy.length));
      const found = read(copy);
      expect(tellsTheTruth(found, truth), `sector at ${at}`).to.equal(true);
      expect(found.refused || found.scan!.tail !== undefined, `sector at ${at} unnoticed`).to.equal(true);
    }
  });

  it('never tells an event twice or in another place after swapped and doubled blocks', () => {
    const random = randomSource(3);
    const { offsets } = read(large.bytes).scan!;
    for (let i = 0; i < 400; i++) {
      const copy = Buffer.from(large.bytes);
      const wholeLines = i % 2 === 0;
      const [a, b] = wholeLines ? twoEqualLines(offsets, random) : [blockAt(copy, random), blockAt(copy, random)];
      if (a === b) continue;
      const length = wholeLines ? offsets[1]! - offsets[0]! : 512;
      large.bytes.copy(copy, b, a, a + length);
      if (i % 4 < 2) large.bytes.copy(copy, a, b, b + length);
      if (copy.equals(large.bytes)) continue;
      const found = read(copy);
      expect(tellsTheTruth(found, truth), `blocks at ${a} and ${b}`).to.equal(true);
      expect(found.refused || found.scan!.tail !== undefined, `blocks at ${a} and ${b} unnoticed`).to.equal(true);
    }
  });

  it('sees whole lines appended a second time as a tail, not as events', () => {
    const { offsets } = read(large.bytes).scan!;
    const copy = Buffer.concat([large.bytes, large.bytes.subarray(offsets[2])]);
    const found = read(copy);
    expect(tellsTheTruth(found, truth)).to.equal(true);
    expect(found.refused).to.equal(false);
    expect(found.scan!.tail!.position).to.equal(0);
  });

  it('reads positions in a torn line, but none that could not have been reached', () => {
    const { offsets } = read(small.bytes).scan!;
    const count = small.batches[small.batches.length - 2]!;
    const torn = small.bytes.subarray(0, offsets[count]! + 60);
    expect(read(torn).scan!.tail!.position).to.equal(count + 1);
    const absurd = Buffer.from(
      torn.toString('latin1').replace(/"position":\d+(?=[^\n]*$)/, '"position":999999999'),
      'latin1',
    );
    expect(read(absurd).scan!.tail!.position).to.equal(0);
  });
});

function blockAt(bytes: Buffer, random: () => number): number {
  return Math.floor((random() * (bytes.length - 512)) / 512) * 512;
}

function twoEqualLines(offsets: readonly number[], random: () => number): [number, number] {
  const length = offsets[1]! - offsets[0]!;
  const equal = offsets.slice(0, -1).filter((offset, i) => offsets[i + 1]! - offset === length);
  const pick = (): number => equal[Math.floor(random() * equal.length)]!;
  return [pick(), pick()];
}
