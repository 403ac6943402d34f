import { expect } from 'chai';
import { decodeHeader } from '../../plugins/json-file/header.ts';
import type { RemovedRange, Store } from '../../lib/store/port.ts';
import { salvage } from '../../plugins/json-file/salvage.ts';
import { everyStep } from '../support/every-step.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { event, idsOf, openOn, storeOn } from './log-on-disk.ts';

const segmentsOf = (disk: MemoryDisk): string[] => disk.paths().filter((path) => /\.ndjson(\.gz)?$/.test(path));
const EACH = 6;
const STEP = everyStep(5);

async function append(store: Store): Promise<string[]> {
  const events = Array.from({ length: EACH }, (_, n) => event({ entity: `task/${n}`, payload: 'x'.repeat(200) }));
  await store.append(events);
  return events.map(({ id }) => id);
}

/** Takes away those of the last six events that `stays` does not keep. */
async function take(store: Store, stays: (n: number) => boolean): Promise<void> {
  const from = (await store.head()).position - EACH + 1;
  const gone = Array.from({ length: EACH }, (_, n) => n).filter((n) => !stays(n));
  await store.remove(
    gone.map((n) => ({ from: from + n, to: from + n })),
    `sweep ${from}`,
  );
}

/** Appends six events and takes those away that `stays` does not keep; answers the ids of all. */
async function sweep(store: Store, stays: (n: number) => boolean): Promise<string[]> {
  const ids = await append(store);
  await take(store, stays);
  return ids;
}

interface Told {
  readonly living: readonly string[];
  readonly known: readonly (number | undefined)[];
  readonly removed: readonly RemovedRange[];
  readonly revisions: readonly number[];
}

async function told(store: Store, ids: readonly string[]): Promise<Told> {
  const known = await store.find(ids);
  return {
    living: await idsOf(store),
    known: ids.map((id) => known.get(id)?.position),
    removed: await store.removed(),
    revisions: await Promise.all([0, 5].map((n) => store.revision(`task/${n}`))),
  };
}

/** A closed log of three small sealed segments and events behind them, so that the next sweep joins. */
async function crowded(stays: (n: number) => boolean): Promise<{ disk: MemoryDisk; ids: string[] }> {
  const disk = new MemoryDisk();
  const store = await openOn(disk);
  const ids: string[] = [];
  for (let i = 0; i < 3; i++) ids.push(...(await sweep(store, stays)));
  ids.push(...(await append(store)));
  await store.close();
  return { disk, ids };
}

const KINDS: readonly [string, (n: number) => boolean][] = [
  ['of removed events only', () => false],
  ['with events in them', (n) => n % 2 === 0],
];

describe('json-file: joining of small segments', () => {
  for (const [what, stays] of KINDS)
    for (const compress of [false, true])
      it(`${what}, ${compress ? 'packed' : 'plain'}: keeps the number of files small, and loses nothing`, async function () {
        this.timeout(20_000);
        const disk = new MemoryDisk();
        const store = await openOn(disk, { compress });
        const ids: string[] = [];
        const removed = new Map<number, number>();
        for (let i = 0; i < 40; i++) {
          ids.push(...(await sweep(store, stays)));
          for (const { from, at } of await store.removed()) removed.set(from, removed.get(from) ?? at);
        }
        await store.idle();
        expect(segmentsOf(disk).length).to.be.lessThan(16);
        // A segment and its index, the manifest, the lock, the documents.
        expect(disk.paths().length).to.be.lessThan(2 * segmentsOf(disk).length + 4);
        const now = await told(store, ids);
        expect(now.living).to.deep.equal(ids.filter((_, i) => stays(i % EACH)));
        expect(now.known).to.deep.equal(ids.map((_, i) => i + 1));
        expect(now.removed.map(({ from, at }) => [from, at])).to.deep.equal([...removed]);
        expect(now.revisions).to.deep.equal([40, 40]);
        expect(store.health().notices).to.deep.equal([]);
        await store.close();
        for (const left of [disk.killed(), disk.powerCut()]) {
          const again = await openOn(left);
          expect(await told(again, ids)).to.deep.equal(now);
          await again.close();
        }
        disk.erase('/events/manifest.json');
        const again = await openOn(disk);
        expect(await told(again, ids)).to.deep.equal(now);
        await again.close();
      });

  for (const [what, stays] of KINDS)
    for (const compress of [false, true])
      it(`${what}, ${compress ? 'packed' : 'plain'}: may die at any step`, async function () {
        this.timeout(60_000);
        const { disk, ids } = await crowded(stays);
        let leftOver = 0;
        for (let n = 1, done = false; !done; n += STEP) {
          const dying = disk.killed();
          const store = storeOn(dying, { compress });
          await store.open();
          await store.idle();
          const before = (await told(store, ids)).removed;
          const first = dying.serial;
          dying.fault = ({ serial }) => (serial - first === n ? 'crash' : undefined);
          await take(store, stays).catch(() => undefined);
          await store.idle();
          done = dying.serial - first < n;
          dying.fault = undefined;
          for (const left of [dying.killed(), dying.powerCut()]) {
            if (overlaps(left)) leftOver++;
            const again = await openOn(left);
            const { living, known, removed } = await told(again, ids);
            const swept = ids.slice(0, -EACH);
            expect(
              living.filter((id) => swept.includes(id)),
              `step ${n}`,
            ).to.deep.equal(swept.filter((_, i) => stays(i % EACH)));
            expect(known, `step ${n}`).to.deep.equal(ids.map((_, i) => i + 1));
            expect(removed.slice(0, before.length), `step ${n}`).to.deep.equal(before);
            expect(again.health().notices, `step ${n}`).to.deep.equal([]);
            expect(overlaps(left), `step ${n}, opened`).to.equal(false);
            // Goes on, joins what it did not come to, and is the same once more.
            await sweep(again, stays);
            const now = await told(again, ids);
            await again.close();
            const last = await openOn(left.powerCut());
            expect(await told(last, ids), `step ${n}, reopened`).to.deep.equal(now);
            expect(segmentsOf(left).length, `step ${n}`).to.be.lessThan(6);
            await last.close();
          }
        }
        // The states that only a joining leaves behind were among them.
        expect(leftOver).to.be.greaterThan(0);
      });

  it('leaves the log as it was when an operation fails', async function () {
    this.timeout(60_000);
    for (const kind of ['EIO', 'ENOSPC', 'short'] as const) {
      const { disk, ids } = await crowded(() => false);
      for (let n = 1, done = false; !done; n += STEP) {
        const failing = disk.killed();
        const store = await openOn(failing);
        const first = failing.serial;
        failing.fault = ({ serial }) => (serial - first === n ? kind : undefined);
        await take(store, () => false).catch(() => undefined);
        done = failing.serial - first < n;
        failing.fault = undefined;
        expect((await told(store, ids)).known, `${kind} at ${n}`).to.deep.equal(ids.map((_, i) => i + 1));
        await store.close().catch(() => undefined);
        const again = await openOn(failing);
        expect((await told(again, ids)).known, `${kind} at ${n}, reopened`).to.deep.equal(ids.map((_, i) => i + 1));
        expect(overlaps(failing)).to.equal(false);
        await again.close();
      }
    }
  });

  it('is followed by a reader', async () => {
    const disk = new MemoryDisk();
    const [store, reader] = [await openOn(disk), storeOn(disk, { readOnly: true })];
    const ids = await sweep(store, (n) => n === 0);
    await reader.open();
    for (let i = 0; i < 30; i++) {
      ids.push(...(await sweep(store, (n) => n === 0)));
      if (i % 3 === 0) await reader.head();
      const { living, known } = await told(reader, ids.slice(0, EACH));
      expect(living[0]).to.equal(ids[0]);
      expect(known).to.deep.equal([1, 2, 3, 4, 5, 6]);
    }
    await reader.head();
    expect(await told(reader, ids)).to.deep.equal(await told(store, ids));
    await Promise.all([store.close(), reader.close()]);
  });

  it('goes round what a crash left over when the log is salvaged', async () => {
    const { disk } = await crowded((n) => n === 0);
    const old = segmentsOf(disk).map((path) => [path, disk.bytes(path)] as const);
    const store = await openOn(disk);
    await take(store, (n) => n === 0);
    await store.close();
    for (const [path, bytes] of old.slice(1, 3)) await put(disk, path, bytes);
    expect(overlaps(disk)).to.equal(true);
    const report = await salvage('/events', '/rescued', disk);
    expect(report).to.deep.equal({ kept: 24, damaged: 0, lost: [], tombstones: [], documents: [] });
  });
});

async function put(disk: MemoryDisk, path: string, bytes: Buffer): Promise<void> {
  await (await disk.open(path, 'create')).close();
  disk.damage(path, bytes);
}

/** Whether a plain segment says that it has the records of another one that is there. */
function overlaps(disk: MemoryDisk): boolean {
  const firsts = segmentsOf(disk).map((path) => Number.parseInt(path.slice('/events/'.length), 10));
  return segmentsOf(disk).some((path) => {
    if (path.endsWith('.gz')) return new Set(firsts).size < firsts.length;
    const { first, last = 0 } = decodeHeader(disk.bytes(path), path)!;
    return firsts.some((other) => other > first && other <= last);
  });
}
