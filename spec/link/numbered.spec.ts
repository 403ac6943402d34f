import { expect } from 'chai';
import fc from 'fast-check';
import { Numbered } from '../../lib/link/numbered.ts';

describe('numbered items', () => {
  it('are taken by their number, in any order, once', () => {
    const steps = fc.array(fc.record({ skipped: fc.nat(3), taken: fc.array(fc.nat(60), { maxLength: 4 }) }));
    fc.assert(
      fc.property(steps, (given) => {
        const [numbered, known] = [new Numbered<object>(), new Map<number, object>()];
        let last = 0;
        for (const { skipped, taken } of given) {
          const item = {};
          last += 1 + skipped;
          numbered.add(last, item);
          known.set(last, item);
          for (const number of taken) {
            expect(numbered.take(number)).to.equal(known.get(number));
            known.delete(number);
          }
          expect(numbered.size).to.equal(known.size);
        }
        expect(numbered.clear()).to.deep.equal([...known.values()]);
        expect(numbered.size).to.equal(0);
        expect(numbered.take(last)).to.equal(undefined);
      }),
      { numRuns: 500 },
    );
  });
});
