import { expect } from 'chai';
import fc from 'fast-check';
import { parseRetry, retryDelayMs } from '../lib/retry.ts';
import { codeOf } from './support/code-of.ts';

describe('parseRetry', () => {
  it('fills in the defaults', () => {
    const policy = { attempts: 3, delayMs: 100, factor: 2, maxDelayMs: 30_000, jitter: 0.2 };
    expect(parseRetry(true)).to.deep.equal(policy);
    expect(parseRetry({})).to.deep.equal(policy);
    expect(parseRetry({ attempts: 5, delay: '1s' })).to.deep.equal({ ...policy, attempts: 5, delayMs: 1_000 });
    expect(parseRetry(7)).to.deep.equal({ ...policy, attempts: 7 });
  });

  it('answers nothing where no retry is wanted', () => {
    expect([parseRetry(undefined), parseRetry(false)]).to.deep.equal([undefined, undefined]);
  });

  for (const option of [
    { attempts: 0 },
    { attempts: 1.5 },
    { factor: 0.5 },
    { factor: Infinity },
    { jitter: 2 },
    { jitter: NaN },
  ]) {
    it(`refuses ${JSON.stringify(option)}`, () => {
      expect(codeOf(() => parseRetry(option))).to.equal('INVALID_OPTION');
    });
  }

  it('names an unknown key and the known ones', () => {
    expect(() => parseRetry({ retries: 3 } as never)).to.throw(
      '`retry.retries` is not an option of retry (known: attempts, delay, factor, maxDelay, jitter)',
    );
  });

  it('refuses a delay that is no duration', () => {
    expect(codeOf(() => parseRetry({ delay: 'soon' as never }))).to.equal('INVALID_DURATION');
    expect(codeOf(() => parseRetry('often' as never))).to.equal('INVALID_OPTION');
  });
});

describe('retryDelayMs', () => {
  const policy = parseRetry({ attempts: 10, delay: 100, factor: 2, maxDelay: 1_000, jitter: 0.5 })!;

  it('doubles up to the longest delay', () => {
    const delays = [1, 2, 3, 4, 5, 2_000].map((attempt) => retryDelayMs(policy, attempt, () => 0.5));
    expect(delays).to.deep.equal([100, 200, 400, 800, 1_000, 1_000]);
  });

  it('stays within the jitter', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), fc.double({ min: 0, max: 1, noNaN: true }), (attempt, random) => {
        const middle = Math.min(100 * 2 ** (attempt - 1), 1_000);
        expect(retryDelayMs(policy, attempt, () => random)).to.be.within(middle * 0.5, middle * 1.5);
      }),
    );
  });

  it('waits not at all where the delay is 0', () => {
    expect(retryDelayMs(parseRetry({ delay: 0 })!, 5_000)).to.equal(0);
  });
});
