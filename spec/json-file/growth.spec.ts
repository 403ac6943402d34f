import { expect } from 'chai';
import { parseOptions } from '../../plugins/json-file/options.ts';
import type { JsonFileOptions } from '../../plugins/json-file/options.ts';
import { JsonFileStore, LIMITS } from '../../plugins/json-file/store.ts';
import type { FileSystem } from '../../plugins/json-file/file-system.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { FIRST_SEGMENT, FOLDER, event, idsOf } from './log-on-disk.ts';
import { randomSource } from './random.ts';

const FIRST_INDEX = FIRST_SEGMENT.replace('.ndjson', '.index');

interface Counted {
  readonly files: FileSystem;
  /** Reads since the last `reset`, and the bytes of those that read segments. */
  reads: number;
  recordBytes: number;
}

function counting(disk: MemoryDisk): Counted {
  const open: FileSystem['open'] = async (path, mode) => {
    const file = await disk.open(path, mode);
    const read = async (target: Buffer, position: number): Promise<number> => {
      counted.reads++;
      const count = await file.read(target, position);
      if (path.endsWith('.ndjson')) counted.recordBytes += count;
      return count;
    };
    return { ...file, read };
  };
  const files = new Proxy<FileSystem>(disk, {
    get: (_, name: keyof FileSystem) => (name === 'open' ? open : disk[name].bind(disk)),
  });
  const counted = { files, reads: 0, recordBytes: 0 };
  return counted;
}

async function openCounting(
  disk: MemoryDisk,
  options: JsonFileOptions,
  limits = LIMITS,
): Promise<{ store: JsonFileStore; counted: Counted }> {
  const counted = counting(disk);
  const store = new JsonFileStore(
    FOLDER,
    parseOptions(FOLDER, { force: true, ...options }),
    counted.files,
    'spec',
    limits,
  );
  await store.open();
  return { store, counted };
}

const random = randomSource(1);

/** An id that lies anywhere among the others, as callers make them. */
function callersId(): string {
  return `call-${random().toString(36).slice(2)}`;
}

/** How many reads an append costs whose entity and id nobody has seen, in a log of so many segments. */
async function readsPerAppend(segments: number, filterBytes: number): Promise<number> {
  const disk = new MemoryDisk();
  const { store, counted } = await openCounting(
    disk,
    { segmentEvents: 16 },
    // As in a log so large that the cache never has what is asked for.
    { indexCacheBytes: 0, filterBytes },
  );
  const append = (n: number): Promise<unknown> =>
    store.append(Array.from({ length: n }, () => event({ id: callersId(), entity: `order/${callersId()}` })));
  for (let i = 0; i < segments; i++) await append(16);
  await append(1);
  counted.reads = 0;
  for (let i = 0; i < 10; i++) await append(1);
  await store.close();
  return counted.reads / 10;
}

describe('json-file: growth', () => {
  it('reads next to nothing for an append with an unknown id and a new entity, however many segments there are', async () => {
    for (const segments of [10, 80]) expect(await readsPerAppend(segments, 2 ** 20), `${segments}`).to.be.at.most(3);
  });

  it('control: without filters each segment is asked, and this suite sees it', async () => {
    expect(await readsPerAppend(40, 0)).to.be.greaterThan(60);
  });

  it('finds every id, entity and correlation through the filters', async () => {
    const disk = new MemoryDisk();
    const { store } = await openCounting(disk, { segmentEvents: 16 });
    const events = Array.from({ length: 200 }, () => event({ id: callersId(), entity: `order/${callersId()}` }));
    for (const one of events) await store.append([one]);
    await store.close();
    const { store: again } = await openCounting(disk, { segmentEvents: 16 });
    expect((await again.find(events.map(({ id }) => id))).size).to.equal(200);
    for (const { id, entity, correlationId } of events) {
      expect(await again.revision(entity!)).to.equal(1);
      const page = await again.page({ after: 0, through: 200, descending: false, limit: 5, correlationId });
      expect(page.events.map((one) => one.id)).to.deep.equal([id]);
    }
    expect(await again.append([events[7]!])).to.include({ position: 8, duplicate: true });
    await again.close();
  });
});

async function bytesForFirstLookUp(disk: MemoryDisk): Promise<number> {
  const { store, counted } = await openCounting(disk, {});
  counted.recordBytes = 0;
  expect((await store.find(['nobody'])).size).to.equal(0);
  await store.close();
  return counted.recordBytes;
}

describe('json-file: checkpoint of the newest segment', () => {
  const EVENTS = 1_500;

  async function written(): Promise<{ disk: MemoryDisk; ids: string[] }> {
    const disk = new MemoryDisk();
    const { store } = await openCounting(disk, {});
    const events = Array.from({ length: EVENTS }, (_, i) =>
      event({ id: callersId(), entity: `order/${i % 7}`, metadata: { requestId: `r-${i % 11}` } }),
    );
    await store.append(events.slice(0, -1));
    await store.append(events.slice(-1));
    await store.close();
    return { disk, ids: events.map(({ id }) => id) };
  }

  it('spares the first look-up after opening the records', async () => {
    const { disk } = await written();
    expect(await bytesForFirstLookUp(disk)).to.equal(0);
    disk.erase(FIRST_INDEX);
    expect(await bytesForFirstLookUp(disk), 'control').to.be.greaterThan(100_000);
  });

  it('answers as the records do, also for what was appended since', async () => {
    const { disk, ids } = await written();
    const { store } = await openCounting(disk, {});
    const later = event({ entity: 'order/3', metadata: { requestId: 'r-5' }, type: 'task.other' });
    await store.append([later]);
    expect((await store.find([...ids, later.id])).size).to.equal(EVENTS + 1);
    expect(await store.revision('order/3')).to.equal(215);
    const query = { after: 0, through: 9_999, descending: false, limit: 1_000 };
    const found = await store.page({ ...query, where: { 'metadata.requestId': 'r-5' } });
    expect(found.events.length).to.equal(137);
    expect((await store.page({ ...query, types: ['task.other'] })).events.length).to.equal(1);
    expect((await store.page({ ...query, types: ['task.created'] })).events.length).to.equal(1_000);
    await store.close();
  });

  it('is not believed when the segment ends before it, or has other content behind a cut', async () => {
    const { disk, ids } = await written();
    const before = disk.bytes(FIRST_SEGMENT);
    const lastLine = before.lastIndexOf(10, before.length - 2) + 1;
    // The last record is gone without a legible trace, so its position is given again.
    disk.damage(FIRST_SEGMENT, Buffer.concat([before.subarray(0, lastLine), Buffer.alloc(before.length - lastLine)]));
    const { store } = await openCounting(disk, {});
    const other = event({ id: 'other-content' });
    expect((await store.append([other])).position).to.equal(EVENTS);
    expect([...(await store.find([ids[EVENTS - 1]!, ids[0]!, other.id])).keys()]).to.deep.equal([ids[0], other.id]);
    const { store: again } = await openCounting(disk.powerCut(), {});
    expect([...(await again.find([ids[EVENTS - 1]!, other.id])).keys()]).to.deep.equal([other.id]);
    await Promise.all([store.close(), again.close()]);
  });

  it('is not taken for the index of a segment that grew and was sealed', async () => {
    const { disk } = await written();
    const checkpoint = disk.bytes(FIRST_INDEX);
    const { store } = await openCounting(disk, { segmentEvents: EVENTS + 100 });
    const events = Array.from({ length: 200 }, () => event({ id: callersId() }));
    for (const one of events) await store.append([one]);
    await store.close();
    // As if the process had died before the index of the sealed segment was written.
    disk.damage(FIRST_INDEX, checkpoint);
    const { store: again } = await openCounting(disk, {});
    expect((await again.find(events.map(({ id }) => id))).size).to.equal(200);
    expect((await idsOf(again)).length).to.equal(EVENTS + 200);
    await again.close();
  });
});
