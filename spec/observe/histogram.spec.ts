import { expect } from 'chai';
import fc from 'fast-check';
import { Histogram } from '../../lib/observe/histogram.ts';

describe('Histogram', () => {
  it('is all zero while nothing was recorded', () => {
    expect(Object.values(new Histogram().snapshot()).every((value) => value === 0)).to.equal(true);
  });

  it('knows count, mean, least and most exactly, and percentiles within 19 % (property)', () => {
    const durations = fc.array(fc.double({ min: 0, max: 100_000, noNaN: true }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(durations, (list) => {
        const histogram = new Histogram();
        for (const ms of list) histogram.record(ms);
        const { count, meanMs, minMs, maxMs, ...percentiles } = histogram.snapshot();
        const sorted = list.toSorted((a, b) => a - b);
        expect(count).to.equal(list.length);
        expect(minMs).to.equal(sorted[0]);
        expect(maxMs).to.equal(sorted.at(-1));
        expect(meanMs).to.be.closeTo(list.reduce((sum, ms) => sum + ms, 0) / count, 1e-6);
        for (const [name, share] of [
          ['p50Ms', 0.5],
          ['p95Ms', 0.95],
          ['p99Ms', 0.99],
        ] as const) {
          const exact = sorted[Math.ceil(count * share) - 1]!;
          expect(percentiles[name]).to.be.within(Math.min(exact, maxMs), Math.max(exact * 1.19, 0.001));
        }
      }),
    );
  });

  it('takes durations beyond its last bucket', () => {
    const histogram = new Histogram();
    histogram.record(1e9);
    expect(histogram.snapshot()).to.include({ maxMs: 1e9, count: 1 });
  });
});
