import { expect } from 'chai';
import fc from 'fast-check';
import { Numbers } from '../../lib/history/numbers.ts';
import { Quantiles, RELATIVE_ERROR } from '../../lib/history/quantiles.ts';

const SHARES = [0.01, 0.5, 0.95, 0.99, 1];

const filled = (values: readonly number[], exact?: number): Quantiles => {
  const quantiles = new Quantiles(exact);
  for (const value of values) quantiles.add(value);
  return quantiles;
};

/** By nearest rank, as a textbook has it. */
const nearestRank = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.max(1, Math.ceil(values.length * share)) - 1]!;

/** Magnitudes of sixteen powers of ten, both signs, and zero. */
const value = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(fc.double({ min: 1, max: 10, noNaN: true }), fc.integer({ min: -8, max: 7 })) },
  { weight: 1, arbitrary: fc.constant([0, 0] as [number, number]) },
);
const numbers = fc
  .array(fc.tuple(value, fc.boolean()), { minLength: 1, maxLength: 200 })
  .map((list) => list.map(([[digits, power], negative]) => digits * 10 ** power * (negative ? -1 : 1)));

const isNear = (actual: number, wanted: number): boolean =>
  Math.abs(actual - wanted) <= Math.abs(wanted) * RELATIVE_ERROR * (1 + 1e-9);

describe('quantiles', () => {
  it('are the values themselves while there are few', () =>
    fc.assert(
      fc.property(numbers, (values) => {
        const quantiles = filled(values);
        expect(quantiles.isExact).to.equal(true);
        for (const share of SHARES) expect(quantiles.at(share)).to.equal(nearestRank(values, share));
      }),
    ));

  it('are within one per cent of the exact value when there are many', () =>
    fc.assert(
      fc.property(numbers, (values) => {
        const quantiles = filled(values, 3);
        expect(quantiles.isExact).to.equal(values.length <= 3);
        for (const share of SHARES) {
          const [actual, wanted] = [quantiles.at(share)!, nearestRank(values, share)];
          expect(isNear(actual, wanted), `${share}: ${actual} for ${wanted}`).to.equal(true);
        }
      }),
    ));

  it('of two taken together are those of all values', () =>
    fc.assert(
      fc.property(numbers, numbers, fc.constantFrom(0, 20, 1_000), (some, others, exact) => {
        const merged = filled(some, exact);
        merged.merge(filled(others, exact));
        const all = [...some, ...others];
        expect(merged.count).to.equal(all.length);
        for (const share of SHARES) {
          const [actual, wanted] = [merged.at(share)!, nearestRank(all, share)];
          expect(isNear(actual, wanted), `${share}: ${actual} for ${wanted}`).to.equal(true);
        }
      }),
    ));

  it('have weights that rise and count every value once', () =>
    fc.assert(
      fc.property(numbers, fc.constantFrom(0, 1_000), (values, exact) => {
        const weights = [...filled(values, exact).weights()];
        expect(weights.map(([at]) => at)).to.deep.equal(weights.map(([at]) => at).toSorted((a, b) => a - b));
        expect(weights.reduce((sum, [, times]) => sum + times, 0)).to.equal(values.length);
      }),
    ));

  it('take the smallest for what is kept when magnitudes lie further apart than the bins reach', () => {
    const values = [1e-300, ...Array.from({ length: 9 }, () => 1e300)];
    const quantiles = filled(values, 0);
    expect(isNear(quantiles.at(0.5)!, 1e300)).to.equal(true);
    expect(quantiles.at(0.05)).to.be.within(1e280, 1e285);
    expect(quantiles.at(1)).to.equal(1e300);
  });

  it('have nothing to say about nothing', () => {
    expect(new Quantiles().at(0.5)).to.equal(undefined);
  });
});

const sumOf = (values: readonly number[]): number | undefined => {
  const figures = new Numbers(false);
  for (const each of values) figures.add(each);
  return figures.figure('sum');
};

describe('numbers', () => {
  it('add up without the errors of single steps', () => {
    expect(sumOf(Array.from({ length: 10 }, () => 0.1))).to.equal(1);
    expect(sumOf([1, 1e100, 1, -1e100])).to.equal(2);
  });

  it('of two taken together add up as exactly', () => {
    const figures = new Numbers(false);
    figures.add(1);
    figures.add(1e100);
    const others = new Numbers(false);
    others.add(1);
    others.add(-1e100);
    figures.merge(others);
    expect(figures.figure('sum')).to.equal(2);
    expect(figures.figure('avg')).to.equal(0.5);
  });

  it('say it when a sum is beyond the largest number', () => {
    expect(sumOf([1e308, 1e308, 1e308])).to.equal(Infinity);
  });
});
