import { expect } from 'chai';
import { inspect } from '../../plugins/json-file/inspect.ts';
import { encodeLine } from '../../plugins/json-file/line.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { FIRST_SEGMENT, FOLDER, event, openOn, rejection } from './log-on-disk.ts';

const SECOND = '/events/0000000000000017.ndjson';
const LAST = '/events/0000000000000033.ndjson';

/** A log of 40 events in segments of 16, positions 3 to 5 removed. */
async function written(compress = false): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const store = await openOn(disk, { segmentEvents: 16, compress });
  for (let i = 0; i < 40; i++) await store.append([event({ entity: `order/${i % 2}` })]);
  await store.remove([{ from: 3, to: 5 }], 'old');
  await store.putDocument('checkpoints', 'reader', { position: 40 }, { position: 40 });
  await store.putDocument('snapshots', 'order/1', { position: 12 });
  await store.idle();
  await store.close();
  return disk;
}

function linesOf(disk: MemoryDisk, path: string): string[] {
  return disk.bytes(path).toString('utf8').split('\n').slice(0, -1);
}

function write(disk: MemoryDisk, path: string, lines: readonly string[]): void {
  disk.damage(path, Buffer.from(lines.map((line) => `${line}\n`).join('')));
}

/** Offset of a line in a file of such lines. */
function offsetOf(lines: readonly string[], at: number): number {
  return Buffer.byteLength(lines.slice(0, at).join('\n')) + (at > 0 ? 1 : 0);
}

const facts = (found: Awaited<ReturnType<typeof inspect>>): unknown[] =>
  found.faults.map(({ problem, offset, position }) => [problem, offset, position]);

describe('json-file: inspect', () => {
  it('finds nothing wrong with a log that is whole, packed or not, and changes nothing', async () => {
    for (const compress of [false, true]) {
      const disk = await written(compress);
      const before = disk.paths().map((path) => [path, disk.bytes(path).toString('hex')]);
      expect(await inspect(FOLDER, disk)).to.deep.include({ head: 40, events: 37, faults: [], found: 0, notes: [] });
      expect(disk.paths().map((path) => [path, disk.bytes(path).toString('hex')])).to.deep.equal(before);
    }
  });

  it('names bad checksums by offset and position', async () => {
    const disk = await written();
    const lines = linesOf(disk, FIRST_SEGMENT);
    for (const at of [7, 8, 16]) lines[at] = lines[at]!.replace('task', 'tusk');
    write(disk, FIRST_SEGMENT, lines);
    expect(facts(await inspect(FOLDER, disk))).to.deep.equal(
      [7, 8, 16].map((at) => ['bad checksum', offsetOf(lines, at), at]),
    );
  });

  it('tells a torn tail, with its offset', async () => {
    const disk = await written();
    const bytes = disk.bytes(disk.paths().findLast((path) => path.endsWith('.ndjson'))!);
    const path = disk.paths().findLast((one) => one.endsWith('.ndjson'))!;
    disk.damage(path, Buffer.concat([bytes, Buffer.from('{"crc":"00000000","position":41,"com')]));
    const { faults, head } = await inspect(FOLDER, disk);
    expect(faults.map(({ problem, offset }) => [problem, offset])).to.deep.equal([
      ['torn tail of 36 bytes (torn record, never acknowledged)', bytes.length],
    ]);
    expect(head).to.equal(40);
  });

  it('tells positions that are there twice and positions that are missing', async () => {
    const disk = await written();
    const lines = linesOf(disk, SECOND);
    write(disk, SECOND, [...lines.slice(0, 4), lines[3]!, ...lines.slice(4, 8), ...lines.slice(10)]);
    const found = await inspect(FOLDER, disk);
    expect(found.faults.map(({ problem, position }) => [problem, position])).to.deep.equal([
      ['a position is there twice', 19],
      ['positions 24 to 25 are missing', 24],
    ]);
  });

  it('tells a segment that is missing, and a damaged header', async () => {
    const gone = await written();
    await gone.unlink(SECOND);
    const found = await inspect(FOLDER, gone);
    expect(found.faults.map(({ problem }) => problem)).to.deep.equal(['positions 17 to 32 are missing']);
    const headless = await written();
    const lines = linesOf(headless, SECOND);
    write(headless, SECOND, [lines[0]!.replace('telltale', 'telltail'), ...lines.slice(1)]);
    const faults = (await inspect(FOLDER, headless)).faults;
    expect(faults.map(({ problem }) => problem)).to.include('the header is damaged');
  });

  it('tells removals without a record, and removed events that are still there', async () => {
    const disk = await written();
    const lines = linesOf(disk, FIRST_SEGMENT);
    const header = JSON.parse(lines[0]!) as Record<string, unknown>;
    const { crc: _, ...rest } = header;
    const line = encodeLine(JSON.stringify({ ...rest, removed: [{ from: 4, to: 6, reason: 'old', at: 1 }] }));
    write(disk, FIRST_SEGMENT, [line.toString('utf8').trimEnd(), ...lines.slice(1)]);
    expect((await inspect(FOLDER, disk)).faults.map(({ problem, position }) => [problem, position])).to.deep.equal([
      ['an event was removed, and nothing says why', 3],
      ['a removed event is still there', 6],
    ]);
  });

  it('tells documents that are ahead of the log, and damaged ones', async () => {
    const ahead = await written();
    for (const path of ahead.paths()) if (path >= LAST && path.includes('00000')) await ahead.unlink(path);
    const found = await inspect(FOLDER, ahead);
    expect(found.faults.map(({ problem }) => problem)).to.deep.equal([
      'document checkpoints/reader is ahead of the log, which ends at 32',
    ]);
    const damaged = await written();
    const bytes = damaged.bytes('/events/state.json');
    bytes[bytes.length - 5]! ^= 1;
    damaged.damage('/events/state.json', bytes);
    expect((await inspect(FOLDER, damaged)).faults[0]!.problem).to.include('documents cannot be read');
  });

  it('tells damaged blocks of packed segments', async () => {
    const disk = await written(true);
    const path = disk.paths().find((one) => one.endsWith('.ndjson.gz'))!;
    const bytes = disk.bytes(path);
    bytes[bytes.length - 20]! ^= 1;
    disk.damage(path, bytes);
    const { faults } = await inspect(FOLDER, disk);
    expect(faults[0]).to.include({ problem: 'a block cannot be unpacked' });
    expect(faults[0]!.offset).to.be.greaterThan(0);
  });

  it('takes what a living writer is just writing for no fault', async () => {
    const disk = await written();
    const store = await openOn(disk);
    const path = disk.paths().findLast((one) => one.endsWith('.ndjson'))!;
    disk.damage(path, Buffer.concat([disk.bytes(path), Buffer.from('{"crc":"0000')]));
    const found = await inspect(FOLDER, disk);
    expect(found.faults).to.deep.equal([]);
    expect(found.notes.join()).to.include('is writing it').and.include('torn tail');
    await store.close().catch(() => undefined);
  });

  it('needs a folder', async () => {
    expect((await rejection(inspect('/nowhere', new MemoryDisk()))).code).to.equal('STORE_PATH');
  });
});
