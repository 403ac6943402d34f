import { expect } from 'chai';
import * as fc from 'fast-check';
import { lackingPartitions, reachOf } from '../../plugins/postgres/plan-partitions.ts';

const widths = fc.array(fc.record({ gap: fc.nat(20), width: fc.integer({ min: 1, max: 20 }) }), { maxLength: 8 });
const ranges = fc.array(fc.record({ from: fc.integer({ min: 1, max: 200 }), length: fc.nat(60) }), { maxLength: 5 });

describe('postgres: the partitions that lack', () => {
  it('overlap none there are, hold every position asked for, and go on where they were cut short', () => {
    const property = fc.property(
      widths,
      ranges,
      fc.nat(120),
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 1, max: 4 }),
      (parts, asked, head, size, most) => {
        let end = 1;
        let known = parts.map(({ gap, width }) => ({ from: end + gap, end: (end += gap + width) }));
        const wanted = asked
          .map(({ from, length }) => ({ from, to: from + length }))
          .toSorted((a, b) => a.from - b.from);
        for (;;) {
          const made = lackingPartitions({ known, head }, wanted, size, most);
          expect(made.length).to.be.at.most(most);
          for (const one of made)
            expect(one.from > head && one.end > one.from && one.end - one.from <= size).to.equal(true);
          known = [...known, ...made].toSorted((a, b) => a.from - b.from);
          known.slice(1).forEach((one, i) => expect(one.from).to.be.at.least(known[i]!.end));
          if (made.length === 0) break;
        }
        const holds = (position: number): boolean => known.some((one) => one.from <= position && position < one.end);
        for (const { from, to } of wanted)
          for (let position = Math.max(from, head + 1); position <= to; position++)
            expect(holds(position), String(position)).to.equal(true);
        const reach = reachOf({ known, head });
        expect(holds(reach)).to.equal(false);
        for (let position = head + 1; position < reach; position++) expect(holds(position)).to.equal(true);
      },
    );
    fc.assert(property);
  });
});
