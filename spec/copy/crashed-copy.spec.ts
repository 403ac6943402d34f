import { expect } from 'chai';
import { copyStore } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { memory } from '../../plugins/memory/index.ts';
import { openOn, event } from '../json-file/log-on-disk.ts';
import { everyStep } from '../support/every-step.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import type { Leftover } from '../support/fault-fs.ts';
import { contentOf, fillWithHoles } from './logs.ts';

const STEP = everyStep(3);
const LEFTOVERS = ['killed', 'nothing', 'half', 'all'] as const;
const OPTIONS = { segmentEvents: 64 } as const;

/** Copies onto a disk that is gone with its nth operation; answers what is left and whether the copy was whole. */
async function copyUntilCrash(
  source: Store,
  nth: number,
  leftover: Leftover | 'killed',
): Promise<{ disk: MemoryDisk; whole: boolean }> {
  const disk = new MemoryDisk();
  disk.fault = ({ serial }) => (serial === nth ? 'crash' : undefined);
  let whole = false;
  try {
    const target = await openOn(disk, OPTIONS);
    await copyStore(source, target);
    whole = disk.serial < nth;
  } catch {
    // The crash.
  }
  return { disk: leftover === 'killed' ? disk.killed() : disk.powerCut(leftover), whole };
}

describe('a copy into a folder that crashes at any file operation', function () {
  this.timeout(120_000);
  let source: Store;
  let expected: object;

  before(async () => {
    source = memory();
    await source.open();
    await fillWithHoles(source);
    expected = await contentOf(source);
  });

  for (const [i, leftover] of LEFTOVERS.entries())
    it(`is gone on with and ends the same (${leftover === 'killed' ? 'a kill' : `a power cut, left: ${leftover}`})`, async () => {
      // Each begins elsewhere, so that together they die at every operation.
      for (let nth = 1 + (i % STEP), whole = false; !whole; nth += STEP) {
        const crashed = await copyUntilCrash(source, nth, leftover);
        whole = crashed.whole;
        const target = await openOn(crashed.disk, OPTIONS);
        await copyStore(source, target);
        const again = async (store: Store): Promise<void> => {
          const content = await contentOf(store);
          for (const [name, value] of Object.entries(expected))
            expect(content, `${name}, crashed at operation ${nth}`).to.have.deep.property(name, value);
        };
        await again(target);
        await target.close();
        const reopened = await openOn(crashed.disk, OPTIONS);
        await again(reopened);
        await reopened.close();
      }
    });

  it('leaves a log that may be used as it is: nothing is removed that comes later', async () => {
    for (let nth = 1, whole = false; !whole; nth += STEP) {
      const crashed = await copyUntilCrash(source, nth, 'killed');
      whole = crashed.whole;
      const store = await openOn(crashed.disk, OPTIONS);
      const { position: head } = await store.head();
      for (let i = 0; i < 30; i++) await store.append([event()]);
      await store.close();
      const now = await openOn(crashed.disk, OPTIONS);
      const removed = await now.removed();
      const end = Math.max(0, ...removed.map(({ to }) => to));
      expect(end, `crashed at operation ${nth}`).to.be.at.most(head);
      const there = new Set<number>();
      for await (const { position } of now.read()) there.add(position);
      for (let position = 1; position <= head + 30; position++) {
        const isGone = removed.some(({ from, to }) => from <= position && position <= to);
        expect(isGone !== there.has(position), `position ${position}, crashed at operation ${nth}`).to.equal(true);
      }
    }
  });
});
