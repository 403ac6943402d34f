import { expect } from 'chai';
import { gunzipSync } from 'node:zlib';
import type { Store } from '../../lib/store/port.ts';
import { salvage } from '../../plugins/json-file/salvage.ts';
import type { JsonFileStore } from '../../plugins/json-file/store.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { FIRST_SEGMENT, FOLDER, event, idsOf, openOn, rejection, sized, storeOn } from './log-on-disk.ts';

const PACKED = `${FIRST_SEGMENT}.gz`;
const EVENTS = 100;
const OPTIONS = { segmentEvents: 16 } as const;

/** A log of seven segments, all but the last packed. */
async function packed(): Promise<{ disk: MemoryDisk; store: JsonFileStore; ids: string[] }> {
  const disk = new MemoryDisk();
  const store = await openOn(disk, { ...OPTIONS, compress: true });
  const ids: string[] = [];
  for (let i = 0; i < EVENTS; i += 4) {
    const events = [0, 1, 2, 3].map((n) => event({ entity: `task/${(i + n) % 5}`, payload: 'x'.repeat(20_000) }));
    ids.push(...events.map(({ id }) => id));
    await store.append(events);
  }
  await store.idle();
  return { disk, store, ids };
}

function plainAndPacked(disk: MemoryDisk): [number, number] {
  const paths = disk.paths();
  return [
    paths.filter((path) => path.endsWith('.ndjson')).length,
    paths.filter((path) => path.endsWith('.ndjson.gz')).length,
  ];
}

async function payloads(store: Store): Promise<Set<unknown>> {
  const found = new Set<unknown>();
  for await (const { payload } of store.read()) found.add(payload);
  return found;
}

describe('json-file: compressed segments', () => {
  it('take the place of sealed ones and are read like them, forwards, backwards and by position', async () => {
    const { disk, store, ids } = await packed();
    expect(plainAndPacked(disk)).to.deep.equal([1, 6]);
    expect(await idsOf(store)).to.deep.equal(ids);
    expect(await payloads(store)).to.deep.equal(new Set(['x'.repeat(20_000)]));
    const at = { after: 40, through: 41, limit: 1 };
    for (const descending of [true, false])
      expect((await store.page({ ...at, descending })).events.map(({ id }) => id)).to.deep.equal([ids[40]]);
    expect(store.health().notices).to.deep.equal([]);
    await store.close();
  });

  it('are opened with the option and without, and by a reader', async () => {
    const { disk, store, ids } = await packed();
    await store.close();
    for (const options of [{}, { compress: true }, { readOnly: true }]) {
      for (const left of [disk.killed(), disk.powerCut()]) {
        const again = await openOn(left, options);
        expect(await idsOf(again)).to.deep.equal(ids);
        expect((await again.find(ids)).size).to.equal(EVENTS);
        expect(await again.revision('task/3')).to.equal(EVENTS / 5);
        await again.close();
      }
    }
  });

  it('are made of a log that was written without the option, in the background after opening', async () => {
    const disk = new MemoryDisk();
    const plain = await openOn(disk, OPTIONS);
    for (let i = 0; i < 50; i++) await plain.append([event()]);
    const ids = await idsOf(plain);
    await plain.close();
    const store = await openOn(disk, { ...OPTIONS, compress: true });
    await store.append([event({ id: 'meanwhile' })]);
    await store.idle();
    expect(plainAndPacked(disk)).to.deep.equal([1, 3]);
    expect(await idsOf(store)).to.deep.equal([...ids, 'meanwhile']);
    await store.close();
  });

  it('keep their index: the first look-up behind opening makes none', async () => {
    const { disk, store, ids } = await packed();
    await store.close();
    const again = await openOn(disk, OPTIONS);
    let created = 0;
    disk.fault = ({ name, path }) => {
      if (name === 'create' && path.includes('.index')) created++;
      return undefined;
    };
    expect((await again.find([ids[3]!])).size).to.equal(1);
    expect(created).to.equal(0);
    disk.erase(PACKED.replace('.ndjson.gz', '.index'));
    const third = await openOn(disk, OPTIONS);
    expect((await third.find([ids[3]!])).size).to.equal(1);
    expect(created, 'control').to.be.greaterThan(0);
    await Promise.all([again.close(), third.close()]);
  });

  it('can be read by zcat, the header first', async () => {
    const { disk, store } = await packed();
    const lines = gunzipSync(disk.bytes(PACKED)).toString().trimEnd().split('\n');
    expect(JSON.parse(lines[0]!)).to.include({ telltale: 'json-file', first: 1 });
    expect(lines.slice(1).map((line) => (JSON.parse(line) as { position: number }).position)).to.deep.equal(
      Array.from({ length: 16 }, (_, i) => i + 1),
    );
    await store.close();
  });

  it('tell what they save', async () => {
    const { store } = await packed();
    const { events, storedBytes, originalBytes } = await store.size();
    expect(events).to.equal(EVENTS);
    expect(originalBytes).to.be.within(EVENTS * 20_000, EVENTS * 20_500);
    expect(storedBytes).to.be.lessThan(originalBytes / 3);
    await store.close();
  });

  it('report damage by its place when it is read, never skip it', async () => {
    const { disk, store } = await packed();
    await store.close();
    const bytes = disk.bytes(PACKED);
    bytes[bytes.length - 60]! ^= 1;
    disk.damage(PACKED, bytes);
    const again = await openOn(disk, OPTIONS);
    expect(await rejection(idsOf(again))).to.include({ code: 'STORE_CORRUPT' });
    await again.close();
  });

  it('are salvaged block by block', async () => {
    const { disk, store, ids } = await packed();
    await store.close();
    const intact = await salvage(FOLDER, '/intact', disk);
    expect(intact).to.deep.equal({ kept: EVENTS, damaged: 0, lost: [], tombstones: [], documents: [] });
    const bytes = disk.bytes(PACKED);
    bytes[bytes.length - 60]! ^= 1;
    disk.damage(PACKED, bytes);
    const { kept, damaged, lost } = await salvage(FOLDER, '/damaged', disk);
    expect(damaged).to.be.greaterThan(0);
    expect(kept).to.be.within(EVENTS - 8, EVENTS - 1);
    expect(lost).to.have.lengthOf(1);
    expect(lost[0]).to.include({ to: 16 });
    expect(ids).to.have.lengthOf(EVENTS);
  });

  it('are followed by a reader while they come', async () => {
    const disk = new MemoryDisk();
    const store = await openOn(disk, { ...OPTIONS, compress: true });
    const reader = await openOn(disk, { readOnly: true });
    const ids: string[] = [];
    for (let i = 0; i < 60; i++) {
      const one = sized(1_000);
      ids.push(one.id);
      await store.append([one]);
      if (i % 5 === 0) expect(await idsOf(reader)).to.deep.equal(ids);
    }
    await store.idle();
    expect(plainAndPacked(disk)).to.deep.equal([1, 3]);
    await reader.head();
    expect(await idsOf(reader)).to.deep.equal(ids);
    await Promise.all([store.close(), reader.close()]);
  });

  it('are there whole or not at all when the process dies at any step of packing', async () => {
    const before = new MemoryDisk();
    const plain = await openOn(before, OPTIONS);
    for (let i = 0; i < 36; i++) await plain.append([event()]);
    const ids = await idsOf(plain);
    await plain.close();
    for (let n = 1, done = false; !done; n++) {
      const dying = before.killed();
      const store = storeOn(dying, { ...OPTIONS, compress: true });
      dying.fault = ({ serial }) => (serial === n ? 'crash' : undefined);
      await store.open().then(
        () => store.idle(),
        () => undefined,
      );
      done = dying.serial < n;
      dying.fault = undefined;
      for (const left of [dying.killed(), dying.powerCut()]) {
        const again = await openOn(left, OPTIONS);
        expect(await idsOf(again), `step ${n}`).to.deep.equal(ids);
        expect((await again.find(ids)).size, `step ${n}`).to.equal(36);
        expect((await again.append([event()])).position, `step ${n}`).to.equal(37);
        expect(left.paths().some((path) => path.endsWith('.tmp'))).to.equal(false);
        await again.close();
      }
      if (!done) continue;
      expect(plainAndPacked(dying)).to.deep.equal([1, 2]);
      expect(n).to.be.greaterThan(20);
    }
  });
});
