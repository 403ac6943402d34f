import { expect } from 'chai';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { FIRST_SEGMENT, FOLDER, commit, event, idsOf, openOn, rejection, sized, writeLog } from './log-on-disk.ts';

/** The log with its first segment's bytes replaced. */
async function withSegment(change: (bytes: Buffer) => Buffer): Promise<MemoryDisk> {
  const { disk, bytes } = await writeLog(4_096);
  const copy = disk.killed();
  copy.damage(FIRST_SEGMENT, change(bytes));
  return copy;
}

/** How many events a folder tells whose only segment has these bytes; empties the folder again. */
async function openedAfterCut(folder: string, bytes: Buffer): Promise<number> {
  writeFileSync(join(folder, '0000000000000001.ndjson'), bytes);
  const store = jsonFile(folder);
  await store.open();
  const kept = (await idsOf(store)).length;
  await store.close();
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true });
  return kept;
}

const quarantined = (disk: MemoryDisk): string[] => disk.paths().filter((path) => path.endsWith('.quarantine'));

describe('json-file: recovery', () => {
  it('opens what a clean close left, and goes on counting', async () => {
    const { disk, ids } = await writeLog(4_096);
    const store = await openOn(disk);
    expect(store.health().notices).to.deep.equal([]);
    const { position } = await store.append([event()]);
    expect(position).to.equal(ids.length + 1);
    await store.close();
  });

  it('opens after a cut at every 41st byte, keeps whole batches and gives no legible position twice', async () => {
    const { disk, bytes, batches } = await writeLog(4_096);
    const start = bytes.indexOf(10) + 1;
    for (let length = start; length < bytes.length; length += 41) {
      const copy = disk.killed();
      copy.damage(FIRST_SEGMENT, bytes.subarray(0, length));
      const store = await openOn(copy);
      const legible = [...bytes.toString('latin1', 0, length).matchAll(/"position":(\d+),/g)].map((m) => Number(m[1]));
      const highest = Math.max(0, ...legible);
      const { position } = await store.append([event({ id: `after-${length}` })]);
      expect(position, `cut at ${length}`).to.equal(highest + 1);
      const kept = (await idsOf(store)).length - 1;
      expect(kept === 0 || batches.includes(kept), `cut at ${length}`).to.equal(true);
      const lost = await store.removed();
      if (highest > kept)
        expect(lost, `cut at ${length}`).to.deep.include({
          from: kept + 1,
          to: highest,
          reason: 'lost',
          at: lost[0]!.at,
        });
      else expect(lost).to.deep.equal([]);
      await store.close();
    }
  });

  it('opens after 200 cuts of real files', async function () {
    this.timeout(60_000);
    const { bytes, batches } = await writeLog(4_096);
    const start = bytes.indexOf(10) + 1;
    // Several at once: each waits for the disk most of the time.
    const lanes = Array.from({ length: 8 }, async (_, lane) => {
      const folder = mkdtempSync(join(quickFolder(), 'telltale-cut-'));
      for (let i = lane; i < 200; i += 8) {
        const length = start + Math.floor(((bytes.length - start) * i) / 200);
        const complete = bytes.subarray(start, length).toString('latin1').split('\n').length - 1;
        const kept = await openedAfterCut(folder, bytes.subarray(0, length));
        expect(kept, `cut at ${length}`).to.equal(batches.findLast((end) => end <= complete) ?? 0);
      }
      rmSync(folder, { recursive: true, force: true });
    });
    await Promise.all(lanes);
  });

  it('control: a recovery blind for its quarantine gives a position twice, and this suite sees it', async () => {
    const disk = await withSegment((bytes) => bytes.subarray(0, bytes.length - 5));
    const list = disk.list.bind(disk);
    disk.list = async (folder) => (await list(folder)).filter((name) => !name.endsWith('.quarantine'));
    const legible = [
      ...disk
        .bytes(FIRST_SEGMENT)
        .toString('latin1')
        .matchAll(/"position":(\d+),/g),
    ].length;
    const store = await openOn(disk);
    expect((await store.append([event()])).position).to.be.at.most(legible);
    await store.close();
  });

  it('moves a damaged last record to quarantine and says that it may have been acknowledged', async () => {
    const disk = await withSegment((bytes) => {
      bytes[bytes.length - 30]! ^= 4;
      return bytes;
    });
    const before = disk.bytes(FIRST_SEGMENT);
    const store = await openOn(disk);
    const [notice, lost] = store.health().notices;
    expect(notice).to.match(
      /damaged record at byte \d+, \d+ bytes moved to .*quarantine; .*may have been acknowledged/,
    );
    expect(lost).to.match(/positions \d+ to \d+ are lost/);
    const [name] = quarantined(disk);
    const kept = disk.bytes(FIRST_SEGMENT);
    expect(Buffer.concat([kept, disk.bytes(name!)]).equals(before)).to.equal(true);
    await store.close();
    const again = await openOn(disk);
    expect(again.health().notices).to.deep.equal([]);
    await again.close();
  });

  it('refuses damage before the last commit and touches nothing', async () => {
    const disk = await withSegment((bytes) => {
      bytes[bytes.indexOf(10) + 100]! ^= 1;
      return bytes;
    });
    const before = disk.bytes(FIRST_SEGMENT);
    const error = await rejection(openOn(disk));
    expect(error.code).to.equal('STORE_CORRUPT');
    expect(error.details).to.include({ path: FIRST_SEGMENT, offset: before.indexOf(10) + 1, count: 0 });
    expect(disk.bytes(FIRST_SEGMENT).equals(before)).to.equal(true);
    expect(disk.paths()).to.not.include(`${FOLDER}/lock`);
  });

  it('refuses a segment whose header is damaged while records follow', async () => {
    const disk = await withSegment((bytes) => {
      bytes[20]! ^= 1;
      return bytes;
    });
    expect((await rejection(openOn(disk))).code).to.equal('STORE_CORRUPT');
  });

  it('sets an empty or zeroed last segment aside and goes on at its position', async () => {
    for (const content of [Buffer.alloc(0), Buffer.alloc(300)]) {
      const disk = await withSegment(() => content);
      const store = await openOn(disk);
      expect(store.health().notices[0]).to.match(/no legible header/);
      expect((await store.append([event()])).position).to.equal(1);
      await store.close();
    }
  });

  it('refuses a log of a newer format and names both versions', async () => {
    const { encodeLine } = await import('../../plugins/json-file/line.ts');
    const disk = await withSegment(() => encodeLine(JSON.stringify({ telltale: 'json-file', format: 2, first: 1 })));
    const error = await rejection(openOn(disk));
    expect(error.code).to.equal('STORE_VERSION');
    expect(error.message).to.match(/at most 1, got 2/);
  });

  it('never gives a position that a document has named', async () => {
    const disk = new MemoryDisk();
    const store = await openOn(disk);
    await commit(store, [[sized(300)], [sized(300)], [sized(300)]]);
    await store.putDocument('checkpoints', 'reader', { done: 3 }, { position: 3 });
    await store.close();
    const bytes = disk.bytes(FIRST_SEGMENT);
    disk.damage(FIRST_SEGMENT, bytes.subarray(0, bytes.lastIndexOf(10, bytes.length - 2) + 1));
    const again = await openOn(disk);
    expect(await again.removed()).to.deep.include.members([
      { from: 3, to: 3, reason: 'lost', at: (await again.removed())[0]!.at },
    ]);
    expect((await again.append([event()])).position).to.equal(4);
    await again.close();
  });

  it('never gives a position that a snapshot has named', async () => {
    const disk = new MemoryDisk();
    const store = await openOn(disk);
    await commit(store, [[sized(300)], [sized(300)]]);
    await store.putDocument('snapshots', 'order/1', { total: 2 }, { position: 2 });
    await store.close();
    disk.damage(FIRST_SEGMENT, disk.bytes(FIRST_SEGMENT).subarray(0, disk.bytes(FIRST_SEGMENT).indexOf(10) + 1));
    const again = await openOn(disk);
    expect((await again.append([event()])).position).to.equal(3);
    await again.close();
  });

  it('tells a missing segment', async () => {
    const disk = new MemoryDisk();
    const store = await openOn(disk, { segmentEvents: 16 });
    for (let i = 0; i < 50; i++) await store.append([event()]);
    await store.close();
    disk.erase(`${FOLDER}/0000000000000017.ndjson`);
    const error = await rejection(openOn(disk));
    expect(error.code).to.equal('STORE_CORRUPT');
    expect(error.message).to.match(/position 17/);
  });

  it('opens without manifest and index files, and makes them again', async () => {
    const disk = new MemoryDisk();
    const store = await openOn(disk, { segmentEvents: 16 });
    for (let i = 0; i < 50; i++) await store.append([event({ entity: `order/${i % 3}` })]);
    await store.close();
    const cached = disk.paths().filter((path) => path.endsWith('.index') || path.endsWith('manifest.json'));
    expect(cached.length).to.be.greaterThan(2);
    for (const path of cached) disk.erase(path);
    const again = await openOn(disk);
    expect((await idsOf(again)).length).to.equal(50);
    expect(await again.revision('order/0')).to.equal(17);
    expect(disk.paths().filter((path) => path.endsWith('.index')).length).to.be.greaterThan(1);
    await again.close();
  });

  it('makes an index again whose bytes have changed', async () => {
    const disk = new MemoryDisk();
    const store = await openOn(disk, { segmentEvents: 16 });
    for (let i = 0; i < 20; i++) await store.append([event({ entity: 'order/1' })]);
    await store.close();
    const path = `${FOLDER}/0000000000000001.index`;
    const bytes = disk.bytes(path);
    bytes[bytes.length - 3]! ^= 255;
    bytes[bytes.indexOf(10) + 2]! ^= 255;
    disk.damage(path, bytes);
    const again = await openOn(disk);
    expect((await idsOf(again)).length).to.equal(20);
    const page = await again.page({ after: 0, through: 10, descending: false, limit: 50, entity: 'order/1' });
    expect(page.events.length).to.equal(10);
    await again.close();
  });

  it('reports a sealed segment whose header is damaged', async () => {
    const disk = new MemoryDisk();
    const store = await openOn(disk, { segmentEvents: 16 });
    for (let i = 0; i < 40; i++) await store.append([event()]);
    await store.close();
    const bytes = disk.bytes(FIRST_SEGMENT);
    bytes[40]! ^= 1;
    disk.damage(FIRST_SEGMENT, bytes);
    const again = await openOn(disk);
    const error = await rejection(idsOf(again));
    expect(error).to.include({ code: 'STORE_CORRUPT' });
    expect(error.message).to.include(FIRST_SEGMENT);
    await again.close();
  });

  it('reports damage in a sealed segment when it is read, never skips it', async () => {
    const disk = new MemoryDisk();
    const store = await openOn(disk, { segmentEvents: 16 });
    for (let i = 0; i < 40; i++) await store.append([event()]);
    await store.close();
    const bytes = disk.bytes(FIRST_SEGMENT);
    bytes[bytes.length - 40]! ^= 1;
    disk.damage(FIRST_SEGMENT, bytes);
    const again = await openOn(disk);
    expect((await rejection(idsOf(again))).code).to.equal('STORE_CORRUPT');
    await again.close();
  });
});
