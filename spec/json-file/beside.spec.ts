import { expect } from 'chai';
import type { Store } from '../../lib/store/port.ts';
import type { JsonFileStore } from '../../plugins/json-file/store.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { held } from '../support/held-fs.ts';
import type { Step } from '../support/held-fs.ts';
import { FIRST_SEGMENT, FOLDER, event, idsOf, openOn, storeOn } from './log-on-disk.ts';
import { OPTIONS, written } from './removal-run.ts';

const INDEX = FIRST_SEGMENT.replace('.ndjson', '.index');
const EVERYTHING = { after: 0, through: Infinity, descending: false, limit: 100 } as const;

/** Runs `meanwhile` once, before the `nth` step that `isIt`; only from `arm` on. */
class Interruption {
  readonly #isIt: (step: Step) => boolean;
  #left = 0;
  #meanwhile: () => Promise<unknown> = async () => undefined;
  happened = false;

  constructor(isIt: (step: Step) => boolean) {
    this.#isIt = isIt;
  }

  arm(nth: number, meanwhile: () => Promise<unknown>): void {
    this.#left = nth;
    this.#meanwhile = meanwhile;
    this.happened = false;
  }

  disarm(): void {
    this.#left = 0;
  }

  readonly before = (step: Step): Promise<void> | undefined => {
    if (this.#left === 0 || !this.#isIt(step) || --this.#left > 0) return undefined;
    this.happened = true;
    return this.#meanwhile().then(() => undefined);
  };
}

async function creations(disk: MemoryDisk, work: () => Promise<unknown>): Promise<number> {
  let count = 0;
  disk.fault = ({ name }) => {
    if (name === 'create') count++;
    return undefined;
  };
  await work();
  disk.fault = undefined;
  return count;
}

describe('json-file: indexes that are made again beside other work', () => {
  it('are written by one at a time, however many find one damaged', async () => {
    const { disk, ids } = await written();
    const bytes = disk.bytes(INDEX);
    disk.damage(INDEX, Buffer.from(bytes).fill(1, bytes.indexOf(10) + 1));
    const store = await openOn(disk, OPTIONS);
    const asked = await creations(disk, () =>
      Promise.all([
        store.find(ids),
        store.page({ ...EVERYTHING, types: ['task.created'] }),
        store.page({ ...EVERYTHING, time: { from: 0, to: 1e15 }, entity: 'task/1' }),
        store.page({ ...EVERYTHING, causationId: 'nobody' }),
      ]),
    );
    expect(asked).to.equal(1);
    expect((await store.find(ids)).size).to.equal(ids.length);
    await store.close();
    const again = await openOn(disk, OPTIONS);
    expect(await creations(disk, () => again.find(ids))).to.equal(0);
    expect(again.health().notices).to.deep.equal([]);
    await again.close();
  });

  it('never take the place of the index of what came instead', async () => {
    const { disk, ids } = await written();
    const sweep = new Interruption(({ name, path }) => name === 'open' && path === INDEX);
    const store = await openOn(held(disk, sweep.before), OPTIONS);
    await idsOf(store);
    sweep.arm(1, () => store.remove([{ from: 1, to: 3 }], 'old'));
    const { events } = await store.page({ ...EVERYTHING, entity: 'task/0' });
    expect(sweep.happened).to.equal(true);
    expect(events.map(({ position }) => position)).to.not.include(1);
    expect(events).to.have.length(16);
    await store.close();
    const again = await openOn(disk, OPTIONS);
    expect(await creations(disk, () => again.find(ids))).to.equal(0);
    await again.close();
  });

  it('answer from memory when they cannot be written', async () => {
    const { disk, ids } = await written();
    disk.erase(INDEX);
    const store = await openOn(disk, OPTIONS);
    disk.fault = ({ path }) => (path.startsWith(INDEX) ? 'ENOSPC' : undefined);
    expect((await store.find(ids)).size).to.equal(ids.length);
    expect((await store.page({ ...EVERYTHING, entity: 'task/0' })).events).to.have.length(17);
    expect(store.health().notices[0]).to.match(/index of .* could not be written: ENOSPC/);
    await store.close();
  });
});

describe('json-file: a reader beside sweeps', () => {
  let disk: MemoryDisk;
  let writer: JsonFileStore;
  let reader: Store;
  let kept: string[];

  async function opened(compress: boolean, interruption: Interruption): Promise<void> {
    disk = new MemoryDisk();
    writer = await openOn(disk, { ...OPTIONS, compress });
    kept = [];
    for (let i = 0; i < 40; i++) {
      const type = i % 2 === 0 ? 't.go' : 't.keep';
      const one = event({ type });
      if (type === 't.keep') kept.push(one.id);
      await writer.append([one]);
    }
    await writer.idle();
    reader = storeOn(held(disk, interruption.before), { readOnly: true });
    await reader.open();
    await idsOf(reader);
  }

  /** Appends, seals by removing and rewrites: everything that a reader may meet. */
  async function sweep(from: number): Promise<void> {
    const { position } = await writer.append([event({ type: 't.go' })]);
    const ranges = Array.from({ length: position }, (_, i) => ({ from: i + 1, to: i + 1 }));
    await writer.remove(
      ranges.filter((range) => range.from >= from && (range.from % 2 === 1 || range.from > 40)),
      'old',
    );
    await writer.idle();
  }

  const STEPS: readonly [what: string, isIt: (step: Step) => boolean][] = [
    ['opening a segment', ({ name, path }) => name === 'open' && path.includes('.ndjson')],
    ['reading one', ({ name, path }) => name === 'read' && path.includes('.ndjson')],
    ['opening the manifest', ({ name, path }) => name === 'open' && path.endsWith('manifest.json')],
    ['opening an index', ({ name, path }) => name === 'open' && path.endsWith('.index')],
    ['looking at a file', ({ name }) => name === 'facts'],
    ['a listing', ({ name, path }) => name === 'list' && path === FOLDER],
  ];

  for (const compress of [false, true])
    for (const [what, isIt] of STEPS)
      it(`tells the truth when a sweep falls before ${what}, ${compress ? 'packed' : 'plain'}`, async () => {
        let happened = 0;
        for (let nth = 1; nth <= 12; nth++) {
          const interruption = new Interruption(isIt);
          await opened(compress, interruption);
          // The first lets the reader find a log that changed; the second changes it again under its hands.
          await sweep(21);
          interruption.arm(nth, () => sweep(1));
          await reader.head();
          const { events } = await reader.page({ ...EVERYTHING, types: ['t.keep'] });
          expect(
            events.map(({ id }) => id),
            `before step ${nth}`,
          ).to.deep.equal(kept);
          interruption.disarm();
          await reader.head();
          expect(await idsOf(reader), `after step ${nth}`).to.deep.equal(await idsOf(writer));
          await Promise.all([reader.close(), writer.close()]);
          // The reader takes fewer such steps.
          if (!interruption.happened) break;
          happened++;
        }
        expect(happened).to.be.greaterThan(0);
      });

  it('shows what it has shown while it looks again', async () => {
    let seen = 0;
    for (let nth = 1; nth <= 12; nth++) {
      const interruption = new Interruption(({ name, path }) => name !== 'list' && path !== FOLDER);
      await opened(false, interruption);
      // Of a sealed segment, so that the active one stays as it is.
      await writer.remove([{ from: 1, to: 1 }], 'old');
      interruption.arm(nth, async () => {
        const { events } = await reader.page({ ...EVERYTHING, after: 34, types: ['t.keep'] });
        expect(events.map(({ id }) => id)).to.deep.equal(kept.slice(-3));
        seen++;
      });
      await reader.head();
      await Promise.all([reader.close(), writer.close()]);
    }
    expect(seen).to.be.greaterThan(6);
  });
});
