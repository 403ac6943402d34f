import { expect } from 'chai';
import type { Store } from '../../lib/store/port.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { event, openOn, storeOn } from './log-on-disk.ts';

export const OPTIONS = { segmentEvents: 16 } as const;
export const EVENTS = 50;

/** A closed log of four segments, and its events' ids. */
export async function written(): Promise<{ disk: MemoryDisk; ids: string[] }> {
  const disk = new MemoryDisk();
  const store = await openOn(disk, OPTIONS);
  const events = Array.from({ length: EVENTS }, (_, i) => event({ entity: `task/${i % 3}`, payload: 'x'.repeat(500) }));
  for (const one of events) await store.append([one]);
  await store.close();
  return { disk, ids: events.map(({ id }) => id) };
}

/** Positions of what the store holds; fails unless every hole is recorded and every id known. */
export async function checked(store: Store, ids: readonly string[], what: string): Promise<number[]> {
  const positions: number[] = [];
  for await (const { position } of store.read({ through: EVENTS })) positions.push(position);
  const removed = await store.removed();
  for (let p = 1; p <= EVENTS; p++) {
    const gone = removed.filter(({ from, to }) => from <= p && p <= to).length;
    expect(gone + Number(positions.includes(p)), `${what}, position ${p}`).to.equal(1);
  }
  const known = await store.find(ids);
  expect(
    ids.map((id) => known.get(id)?.position),
    what,
  ).to.deep.equal(Array.from({ length: EVENTS }, (_, i) => i + 1));
  for (const entity of [0, 1, 2]) expect(await store.revision(`task/${entity}`), what).to.equal(entity === 2 ? 16 : 17);
  return positions;
}

/**
 * Removes from all four segments and dies at the first, then the `step`th next operation; answers how many events were
 * left. Fails unless what is left is one of the states between which a removal may be cut.
 */
export async function dieAtEach(compress: boolean, step: number): Promise<Set<number>> {
  const { disk, ids } = await written();
  const ranges = [
    { from: 3, to: 20 },
    { from: 30, to: 49 },
  ];
  const seen = new Set<number>();
  for (let n = 1, done = false; !done; n += step) {
    const dying = disk.killed();
    const store = storeOn(dying, { ...OPTIONS, compress });
    await store.open();
    await store.idle();
    const first = dying.serial;
    dying.fault = ({ serial }) => (serial - first === n ? 'crash' : undefined);
    await store.remove(ranges, 'old').catch(() => undefined);
    await store.idle();
    done = dying.serial - first < n;
    dying.fault = undefined;
    for (const left of [dying.killed(), dying.powerCut()]) {
      const again = await openOn(left, OPTIONS);
      seen.add((await checked(again, ids, `step ${n}`)).length);
      expect((await again.append([event()])).position, `step ${n}`).to.equal(EVENTS + 1);
      await again.close();
    }
  }
  return seen;
}

/** The same with operations that fail, and a store that goes on or stops. */
export async function failAtEach(compress: boolean, step: number): Promise<void> {
  const { disk, ids } = await written();
  for (const kind of ['EIO', 'ENOSPC', 'short'] as const) {
    for (let n = 1, done = false; !done; n += step) {
      const failing = disk.killed();
      const store = await openOn(failing, { ...OPTIONS, compress });
      await store.idle();
      const first = failing.serial;
      failing.fault = ({ serial }) => (serial - first === n ? kind : undefined);
      await store.remove([{ from: 3, to: 40 }], 'old').catch(() => undefined);
      done = failing.serial - first < n;
      failing.fault = undefined;
      await checked(store, ids, `${kind} at ${n}`);
      await store.close().catch(() => undefined);
      const again = await openOn(failing, OPTIONS);
      await checked(again, ids, `${kind} at ${n}, reopened`);
      expect(again.health().notices).to.deep.equal([]);
      await again.close();
    }
  }
}
