import { expect } from 'chai';
import type { RemovedRange, Store } from '../../lib/plugin.ts';

import { buildEvents } from './event-builder.ts';
import { rejectionOf } from './rejection-of.ts';

interface Places {
  readonly open: () => Promise<Store>;
  readonly again: (store: Store) => Store;
}

const EPOCH = { lease: 'worker', epoch: 1 };
const POSITIONS = 60;

/** What two processes do with one log at once: the other one comes between a store's look and its write. */
export function describeRaces({ open, again }: Places): void {
  let store: Store;
  let other: Store;

  beforeEach(async () => {
    store = await open();
    other = again(store);
    await other.open();
    await store.append(buildEvents(POSITIONS));
    await store.putDocument('leases', EPOCH.lease, { epoch: 1 });
  });

  afterEach(async () => {
    await other.close();
  });

  it('removes what another process has not removed meanwhile, and records each position once', async () => {
    const wanted = [
      { from: 1, to: 20 },
      { from: 30, to: 50 },
    ];
    let theirs = 0;
    afterLook(store, '_removed', async () => {
      theirs = await other.remove([{ from: 5, to: 35 }], 'theirs');
    });
    expect(await store.remove(wanted, 'ours')).to.equal(4 + 15);
    expect(theirs).to.equal(31);
    expect(places(await store.removed())).to.deep.equal(['1-4 ours', '5-35 theirs', '36-50 ours']);
    expect((await positionsOf(store)).at(0)).to.equal(51);
  });

  it('removes nothing where another process has removed all of it meanwhile', async () => {
    afterLook(store, '_removed', async () => void (await other.remove([{ from: 1, to: 40 }], 'theirs')));
    expect(await store.remove([{ from: 2, to: 30 }], 'ours')).to.equal(0);
    expect(places(await store.removed())).to.deep.equal(['1-40 theirs']);
    expect(await store.remove([{ from: 1, to: 60 }], 'rest')).to.equal(20);
  });

  it('lets many removals of overlapping ranges through, whoever asks for them', async () => {
    const asked = Array.from({ length: 12 }, (_, i) => ({ from: 1 + ((i * 7) % 30), to: 31 + ((i * 11) % 29) }));
    const counts = await Promise.all(asked.map((range, i) => [store, other][i % 2]!.remove([range], `reason ${i}`)));
    const removed = await store.removed();
    const gone = removed.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    expect(counts.reduce((sum, count) => sum + count, 0)).to.equal(gone);
    for (const [i, { from }] of removed.entries()) if (i > 0) expect(from).to.be.above(removed[i - 1]!.to);
    expect(await positionsOf(store)).to.have.lengthOf(POSITIONS - gone);
  });

  const fenced: Readonly<Record<string, (event: Awaited<ReturnType<typeof firstOf>>) => Promise<unknown>>> = {
    'a removal': () => store.remove([{ from: 1, to: 5 }], 'ours', EPOCH),
    'a rewrite': (event) => store.rewrite([{ ...event, payload: 'late' }], EPOCH),
    'a put': () => store.putDocument('states', 'it', 'late', { fence: EPOCH }),
  };
  for (const [what, change] of Object.entries(fenced))
    it(`refuses ${what} whose lease another process takes between the look and the write`, async () => {
      const event = await firstOf(store);
      // It looks when it is asked, and again before it writes.
      let looks = what === 'a put' ? 1 : 2;
      afterLook(store, '_document', async () => {
        if (--looks === 0) await other.putDocument('leases', EPOCH.lease, { epoch: 2 });
        return looks > 0;
      });
      expect((await rejectionOf(change(event))).code).to.equal('LEASE_LOST');
      expect(await firstOf(store)).to.deep.equal(event);
      expect(await store.document('states', 'it')).to.equal(undefined);
      expect(await store.removed()).to.deep.equal([]);
    });

  it('tells its listeners of what another process removes and rewrites, and once of its own', async () => {
    const told: number[] = [];
    // A removal may be told in steps, where the machine is slow.
    const all = new Promise<void>((resolve) => {
      store.onRemove((ranges) => {
        for (const { from, to } of ranges) for (let at = from; at <= to; at++) told.push(at);
        if (told.includes(9)) resolve();
      });
    });
    const event = await firstOf(store);
    await store.remove([{ from: 20, to: 22 }], 'ours');
    await other.remove([{ from: 2, to: 3 }], 'theirs');
    await other.rewrite([{ ...event, payload: 'other' }]);
    await other.remove([{ from: 9, to: 9 }], 'theirs');
    await all;
    expect(told.toSorted((a, b) => a - b)).to.deep.equal([1, 2, 3, 9, 20, 21, 22]);
  });
}

/** Does something behind a look of the store's, as long as `step` answers true. */
function afterLook(store: Store, look: '_removed' | '_document', step: () => Promise<boolean | void>): void {
  const original = Reflect.get(store, look) as (...given: unknown[]) => Promise<unknown>;
  Reflect.set(store, look, async (...given: unknown[]) => {
    const found = await original.apply(store, given);
    if ((await step()) !== true) Reflect.set(store, look, original);
    return found;
  });
}

function places(removed: readonly RemovedRange[]): string[] {
  return removed.map(({ from, to, reason }) => `${from}-${to} ${reason}`);
}

async function positionsOf(store: Store): Promise<number[]> {
  const positions: number[] = [];
  for await (const { position } of store.read()) positions.push(position);
  return positions;
}

async function firstOf(store: Store) {
  return (await store.page({ after: 0, through: 1, descending: false, limit: 1 })).events[0]!;
}
