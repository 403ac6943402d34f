import { expect } from 'chai';
import { contentHash } from '../../lib/event/content-hash.ts';
import { longestHoldMs } from '../support/loop-hold.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { turn } from '../support/turn.ts';
import { FIRST_SEGMENT, event, idsOf, openOn, rejection, sized } from './log-on-disk.ts';
import { EVENTS, OPTIONS, checked, dieAtEach, failAtEach, written } from './removal-run.ts';

const inLog = (disk: MemoryDisk): number =>
  disk.paths().reduce((sum, path) => (path.includes('.ndjson') ? sum + disk.bytes(path).length : sum), 0);

function every(step: number, first: number): { from: number; to: number }[] {
  return Array.from({ length: Math.floor(EVENTS / step) }, (_, i) => ({
    from: first + i * step,
    to: first + i * step,
  }));
}

describe('json-file: removal', () => {
  it('leaves of a segment without events its ids and revisions, packed', async () => {
    const { disk, ids } = await written();
    const before = inLog(disk);
    const store = await openOn(disk, OPTIONS);
    expect(await store.remove([{ from: 1, to: 32 }], 'old')).to.equal(32);
    expect(disk.paths()).to.include(`${FIRST_SEGMENT}.gz`).and.not.include(FIRST_SEGMENT);
    expect(inLog(disk)).to.be.lessThan(before * 0.55);
    expect((await checked(store, ids, 'now')).length).to.equal(EVENTS - 32);
    expect(store.health().notices).to.deep.equal([]);
    await store.close();
    const again = await openOn(disk.powerCut(), OPTIONS);
    expect((await checked(again, ids, 'reopened')).length).to.equal(EVENTS - 32);
    await again.close();
  });

  it('of everything lets positions and revisions go on, now and after opening anew', async () => {
    const { disk, ids } = await written();
    const store = await openOn(disk, OPTIONS);
    expect(await store.remove([{ from: 1, to: Infinity }], 'all')).to.equal(EVENTS);
    expect(await checked(store, ids, 'now')).to.deep.equal([]);
    expect(await store.size()).to.include({ events: 0, originalBytes: 0 });
    await store.close();
    const again = await openOn(disk, OPTIONS);
    expect(await checked(again, ids, 'reopened')).to.deep.equal([]);
    expect(await again.append([event({ entity: 'task/2' })]))
      .to.include({ position: EVENTS + 1 })
      .and.deep.include({
        revisions: [17],
      });
    await again.close();
  });

  it('knows a retry of what it removed from other content', async () => {
    const disk = new MemoryDisk();
    const store = await openOn(disk, OPTIONS);
    const one = event({ id: 'gone', payload: { a: 1 } });
    await store.append([one]);
    await store.remove([{ from: 1, to: 1 }], 'old');
    expect((await store.find(['gone'])).get('gone')!.hash).to.equal(contentHash(one));
    expect((await store.append([one])).duplicate).to.equal(true);
    expect(await rejection(store.append([{ ...one, payload: { a: 2 } }]))).to.include({ code: 'EVENT_CONFLICT' });
    await store.close();
  });

  it('needs no look at the segments for the index of what it left', async () => {
    const { disk, ids } = await written();
    const store = await openOn(disk, OPTIONS);
    await store.remove([{ from: 1, to: 40 }], 'old');
    await store.close();
    const again = await openOn(disk, OPTIONS);
    let created = 0;
    disk.fault = ({ name }) => {
      if (name === 'create') created++;
      return undefined;
    };
    expect((await again.find(ids)).size).to.equal(EVENTS);
    expect(created).to.equal(0);
    await again.close();
  });

  it('can take every second event, twice', async () => {
    const { disk, ids } = await written();
    const store = await openOn(disk, OPTIONS);
    expect(await store.remove(every(2, 1), 'odd')).to.equal(25);
    expect(await store.remove(every(4, 2), 'even')).to.equal(12);
    const left = (await checked(store, ids, 'now')).length;
    expect(left).to.equal(13);
    expect((await store.removed()).length).to.equal(37);
    await store.close();
    const again = await openOn(disk, OPTIONS);
    expect((await checked(again, ids, 'reopened')).length).to.equal(13);
    expect((await again.removed())[0]).to.include({ from: 1, to: 1, reason: 'odd' });
    await again.close();
  });

  it('lets appends through while it goes on', async () => {
    const { disk, ids } = await written();
    const store = await openOn(disk, OPTIONS);
    const states = { done: false, meanwhile: 0 };
    const removing = store.remove([{ from: 1, to: 45 }], 'old').finally(() => (states.done = true));
    for (let n = 0; n < 200 && !states.done; n++) {
      await store.append([event()]);
      if (!states.done) states.meanwhile++;
      await turn();
    }
    expect(await removing).to.equal(45);
    expect(states.meanwhile).to.be.greaterThan(3);
    expect((await checked(store, ids, 'now')).length).to.equal(5);
    await store.close();
  });

  for (const compress of [false, true]) {
    it(`leaves each segment as it was or as it shall be when it dies at any step, ${compress ? 'packed' : 'plain'}`, async () => {
      const seen = await dieAtEach(compress, 7);
      expect([50, 36, 29, 13, 12]).to.include.members([...seen]);
      expect(seen.has(50) && seen.has(12) && seen.size > 2).to.equal(true);
    });

    it(`ends in one state or the other when an operation fails, ${compress ? 'packed' : 'plain'}`, () =>
      failAtEach(compress, 9));
  }

  it('control: a removal that writes in place is seen to leave neither state', async () => {
    const { disk, ids } = await written();
    const bytes = disk.bytes(FIRST_SEGMENT);
    disk.damage(FIRST_SEGMENT, bytes.subarray(0, bytes.length >> 1));
    const store = await openOn(disk, OPTIONS);
    await checked(store, ids, 'half').then(
      () => expect.fail('half a segment passed'),
      () => undefined,
    );
    await store.close();
  });

  it('is seen by a reader, also while it reads', async () => {
    const { disk, ids } = await written();
    const store = await openOn(disk, OPTIONS);
    const reader = await openOn(disk, { readOnly: true });
    const told: string[] = [];
    let step = 0;
    for await (const { id } of reader.read({ limit: 4 })) {
      told.push(id);
      if (++step === 6) await store.remove([{ from: 1, to: 20 }], 'old');
    }
    expect(told).to.include.members(ids.slice(24));
    await reader.head();
    expect(await idsOf(reader)).to.deep.equal(ids.slice(20));
    await Promise.all([store.close(), reader.close()]);
  });

  it('holds the event loop for at most 20 ms, however large the segment', async function () {
    this.timeout(60_000);
    // Up to five attempts: a collection of the garbage of other specs is not its work.
    let hold = Infinity;
    for (let attempt = 0; attempt < 5 && hold >= 20; attempt++) hold = Math.min(hold, await removeMost());
    expect(hold).to.be.lessThan(20);
  });
});

/** Removes nearly all of a large segment; answers how long that held the event loop. */
async function removeMost(): Promise<number> {
  const store = await openOn(new MemoryDisk(), { durability: 'os' });
  for (let i = 0; i < 16; i++) await store.append(Array.from({ length: 1_000 }, () => sized(600)));
  const hold = await longestHoldMs(() => store.remove([{ from: 1, to: 15_000 }], 'old'));
  await turn();
  expect(await store.size()).to.include({ events: 1_000 });
  await store.close();
  return hold;
}
