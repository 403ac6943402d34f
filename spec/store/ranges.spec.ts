import fc from 'fast-check';
import { expect } from 'chai';
import {
  intersects,
  mergeRanges,
  overlapping,
  recordRemoval,
  recordRemovals,
  subtractRanges,
} from '../../lib/plugin.ts';
import type { Range, RemovedRange } from '../../lib/plugin.ts';

const ranges = fc.array(
  fc
    .tuple(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 0, max: 6 }))
    .map(([from, more]) => ({ from, to: from + more })),
  { maxLength: 8 },
);

describe('ranges', () => {
  it('merge into sorted ranges that neither overlap nor touch', () => {
    const property = fc.property(ranges, (given) => {
      const merged = mergeRanges(given);
      expect(positions(merged)).to.deep.equal([...new Set(positions(given))].toSorted((a, b) => a - b));
      merged.slice(1).forEach((range, i) => expect(range.from).to.be.greaterThan(merged[i]!.to + 1));
    });
    fc.assert(property);
  });

  it('leave what is not in others', () => {
    const property = fc.property(ranges, ranges, (given, taken) => {
      const left = positions(subtractRanges(mergeRanges(given), mergeRanges(taken)));
      const gone = new Set(positions(taken));
      expect(left).to.deep.equal(positions(mergeRanges(given)).filter((position) => !gone.has(position)));
    });
    fc.assert(property);
  });

  it('are recorded in order, neighbours of one reason and one removal as one', () => {
    const removals: RemovedRange[] = [];
    recordRemoval(removals, { from: 5, to: 6, reason: 'a', at: 1 });
    recordRemoval(removals, { from: 1, to: 2, reason: 'a', at: 2 });
    recordRemoval(removals, { from: 7, to: 9, reason: 'a', at: 1 });
    recordRemoval(removals, { from: 10, to: 10, reason: 'b', at: 1 });
    recordRemoval(removals, { from: 11, to: 12, reason: 'b', at: 4 });
    expect(removals).to.deep.equal([
      { from: 1, to: 2, reason: 'a', at: 2 },
      { from: 5, to: 9, reason: 'a', at: 1 },
      { from: 10, to: 10, reason: 'b', at: 1 },
      { from: 11, to: 12, reason: 'b', at: 4 },
    ]);
  });

  const times = fc.array(fc.tuple(ranges, fc.constantFrom('a', 'b'), fc.integer({ min: 1, max: 3 })), { maxLength: 5 });

  it('keep the time that was recorded first, one by one as all at once', () => {
    const property = fc.property(times, (steps) => {
      let all: RemovedRange[] = [];
      const one: RemovedRange[] = [];
      const first = new Map<number, string>();
      for (const [given, reason, at] of steps) {
        const added = subtractRanges(mergeRanges(given), all).map((range) => ({ ...range, reason, at }));
        all = recordRemovals(all, added);
        for (const range of added) recordRemoval(one, range);
        for (const position of positions(added)) first.set(position, `${reason} ${at}`);
      }
      for (const list of [all, one])
        for (const range of list)
          for (const position of positions([range]))
            expect(`${range.reason} ${range.at}`).to.equal(first.get(position));
      expect(new Set(positions(all))).to.deep.equal(new Set(first.keys()));
      expect(positions(one)).to.deep.equal(positions(all));
    });
    fc.assert(property);
  });

  it('that have a position in common with another are found', () => {
    const property = fc.property(ranges, ranges, (given, [wanted]) => {
      if (wanted === undefined) return;
      const merged = mergeRanges(given);
      expect(overlapping(merged, wanted)).to.deep.equal(merged.filter((range) => intersects(range, wanted)));
    });
    fc.assert(property);
  });
});

function positions(list: readonly Range[]): number[] {
  return list.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
}
