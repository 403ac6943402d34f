import { expect } from 'chai';
import fc from 'fast-check';
import { Best } from '../../lib/store/read/best.ts';

interface Item {
  readonly rank: number;
  readonly serial: number;
}

const byRank = (a: Item, b: Item): number => a.rank - b.rank;

function bestOf(ranks: readonly number[], limit: number): readonly Item[] {
  const best = new Best<Item>(limit, byRank);
  for (const [serial, rank] of ranks.entries()) best.add({ rank, serial });
  return best.take();
}

describe('Best', () => {
  it('keeps the first in order, and what came first among equals', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 60 }), fc.nat(12), (ranks, limit) => {
        const sorted = ranks.map((rank, serial) => ({ rank, serial })).toSorted(byRank);
        expect(bestOf(ranks, limit)).to.deep.equal(sorted.slice(0, limit));
      }),
      { numRuns: 1_000 },
    );
  });

  it('answers the same again, and goes on', () => {
    const best = new Best<Item>(2, byRank);
    best.add({ rank: 3, serial: 0 });
    expect(best.take()).to.have.length(1);
    best.add({ rank: 1, serial: 1 });
    best.add({ rank: 2, serial: 2 });
    expect(best.take().map(({ rank }) => rank)).to.deep.equal([1, 2]);
    expect(best.take()).to.have.length(2);
  });

  // Sorting twice the limit at once held the event loop for 28 ms.
  it('never compares more than a portion and a merge ask for at once', () => {
    let compared = 0;
    const best = new Best<number>(10_000, (a, b) => {
      compared++;
      return a - b;
    });
    let most = 0;
    const counted = (work: () => unknown): void => {
      compared = 0;
      work();
      most = Math.max(most, compared);
    };
    for (let i = 0; i < 60_000; i++) counted(() => best.add((i * 48_271) % 65_537));
    counted(() => best.take());
    expect(most).to.be.within(1_000, 40_000);
  });
});
