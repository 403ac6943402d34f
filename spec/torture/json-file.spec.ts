import { expect } from 'chai';
import { NEWLINE } from '../../plugins/json-file/line.ts';
import { scanRecords } from '../../plugins/json-file/scan.ts';
import { createIdSource } from '../../lib/ids.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { failEach } from '../json-file/fault-run.ts';
import { event, idsOf, openOn, sized, writeLog } from '../json-file/log-on-disk.ts';
import { dieAtEach, failAtEach } from '../json-file/removal-run.ts';
import { killChain } from '../support/kill-chain.ts';
import { checkAgainstModel } from '../support/store-model.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { storeOn } from '../json-file/log-on-disk.ts';

/** 1 is the full length; `TORTURE=0.01` is a taste of it. */
const SCALE = Number(process.env['TORTURE'] ?? 1);
const times = (count: number): number => Math.max(1, Math.round(count * SCALE));

describe('json-file: torture', () => {
  it('loses nothing over 10,000 kills', async () => {
    for (let done = 0; done < times(10_000); done += 100) {
      const reports = await Promise.all([killChain(50, done + 1, false), killChain(50, done + 2, false)]);
      for (const { lost, doubled, split, failedStarts } of reports)
        expect({ lost, doubled, split, failedStarts }).to.deep.equal({
          lost: [],
          doubled: [],
          split: [],
          failedStarts: [],
        });
    }
  });

  it('loses nothing but what was removed over 500 kills while it removes and packs', async () => {
    const { lost, doubled, split, failedStarts, swept } = await killChain(times(500), 7, 'sweeping');
    expect({ lost, doubled, split, failedStarts }).to.deep.equal({
      lost: [],
      doubled: [],
      split: [],
      failedStarts: [],
    });
    console.log(`      ${swept} events were removed`);
  });

  it('loses nothing over 5,000 torn records', async () => {
    let torn = 0;
    for (let done = 0; done < times(5_000); done += 50) {
      const report = await killChain(50, 1_000_000 + done, true);
      const { lost, doubled, split, faults, failedStarts } = report;
      expect({ lost, doubled, split, faults, failedStarts }).to.deep.equal({
        lost: [],
        doubled: [],
        split: [],
        faults: [],
        failedStarts: [],
      });
      torn += report.tornTails;
    }
    console.log(`      ${torn} tails were really torn`);
  });

  it('tells no changed event after any single flipped bit of a 64 kB segment', async () => {
    const { bytes } = await writeLog(64 * 1024);
    const start = bytes.indexOf(NEWLINE) + 1;
    const step = Math.max(1, Math.round(1 / SCALE));
    for (let bit = start * 8; bit < bytes.length * 8; bit += step) {
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      const scan = scanRecords(bytes, start, 1);
      // What is kept ends before the flipped byte, so nothing kept has changed.
      expect(scan.offsets[scan.count]! <= bit >> 3, `bit ${bit}`).to.equal(true);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
    }
  });

  it('acknowledges nothing it does not have, whichever operation fails', async () => {
    for (const kind of ['EIO', 'ENOSPC', 'short', 'crash'] as const)
      expect(await failEach(kind, times(500), ['nothing', 'half', 'zeros', 'all']), kind).to.deep.equal([]);
  });

  for (const compress of [false, true]) {
    it(`dies and fails at every step of a removal, ${compress ? 'packed' : 'plain'}`, async () => {
      const step = Math.max(1, Math.round(0.05 / SCALE));
      expect((await dieAtEach(compress, step)).size).to.be.greaterThan(2);
      await failAtEach(compress, step);
    });
  }

  it('goes on after 200 full disks', async () => {
    const disk = new MemoryDisk();
    const store = await openOn(disk, { segmentEvents: 64 });
    for (let round = 0; round < times(200); round++) {
      disk.capacity = 1;
      const before = await store.head();
      await store.append([sized(1_000 + round * 13)]).then(
        () => expect.fail('the disk is full'),
        (error: unknown) => expect(error).to.include({ code: 'STORE_UNAVAILABLE' }),
      );
      disk.capacity = Infinity;
      expect(await store.append([event()])).to.include({ position: before.position + 1 });
    }
    await store.close();
    expect((await idsOf(await openOn(disk))).length).to.equal(times(200));
  });

  it('answers random commands as the model does', async () => {
    const disks = new WeakMap<object, MemoryDisk>();
    const onDisk = (disk: MemoryDisk): ReturnType<typeof storeOn> => {
      const store = storeOn(disk, { segmentEvents: 16 });
      disks.set(store, disk);
      return store;
    };
    const reopen = (store: object): ReturnType<typeof storeOn> => onDisk(disks.get(store)!.powerCut());
    await checkAgainstModel({ create: () => onDisk(new MemoryDisk()), reopen }, times(100_000));
  });

  it('appends and reads back 1,000,000 events in bounded memory', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'telltale-million-'));
    const total = times(1_000_000);
    const id = createIdSource();
    const store = jsonFile(folder);
    await store.open();
    let peak = 0;
    for (let sent = 0; sent < total; sent += 1_000) {
      await store.append(
        Array.from({ length: 1_000 }, (_, i) => event({ id: id(), entity: `order/${(sent + i) % 997}` })),
      );
      peak = Math.max(peak, process.memoryUsage().rss);
    }
    let told = 0;
    for await (const { position } of store.read()) {
      expect(position === ++told).to.equal(true);
      if (told % 10_000 === 0) peak = Math.max(peak, process.memoryUsage().rss);
    }
    expect(told).to.equal(Math.ceil(total / 1_000) * 1_000);
    expect(peak / 2 ** 20).to.be.lessThan(600);
    await store.close();
    rmSync(folder, { recursive: true });
  });
});
