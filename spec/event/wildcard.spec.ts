import { expect } from 'chai';
import fc from 'fast-check';
import { matchWildcard } from '../../lib/event/wildcard.ts';

// The naive oracle: exponential, and plainly right.
function oracle(pattern: readonly string[], text: readonly string[]): boolean {
  const [want, ...rest] = pattern;
  if (want === undefined) return text.length === 0;
  if (want === '*') return oracle(rest, text) || (text.length > 0 && oracle(pattern, text.slice(1)));
  return text.length > 0 && (want === '?' || want === text[0]) && oracle(rest, text.slice(1));
}

describe('wildcard', () => {
  it('gives * any run and ? one character, over the whole text', () => {
    expect(matchWildcard('*.ts', 'lib/a.ts')).to.equal(true);
    expect(matchWildcard('*.ts', 'lib/a.tsx')).to.equal(false);
    expect(matchWildcard('a?c', 'abc')).to.equal(true);
    expect(matchWildcard('a?c', 'ac')).to.equal(false);
    expect(matchWildcard('', '')).to.equal(true);
    expect(matchWildcard('', 'a')).to.equal(false);
    expect(matchWildcard('***', '')).to.equal(true);
  });

  it('is case-sensitive and gives no meaning to the signs of regular expressions', () => {
    expect(matchWildcard('A*', 'abc')).to.equal(false);
    expect(matchWildcard('a.c', 'abc')).to.equal(false);
    expect(matchWildcard('[ab](c)', '[ab](c)')).to.equal(true);
  });

  it('takes a character outside the basic plane as one', () => {
    expect(matchWildcard('?', '😀')).to.equal(true);
    expect(matchWildcard('??', '😀')).to.equal(false);
    expect(matchWildcard('*?', '😀')).to.equal(true);
  });

  it('agrees with a naive matcher', () => {
    const pattern = fc.array(fc.constantFrom('a', 'b', '😀', '*', '?'), { maxLength: 8 });
    const text = fc.array(fc.constantFrom('a', 'b', '😀'), { maxLength: 8 });
    fc.assert(
      fc.property(pattern, text, (p, t) => matchWildcard(p.join(''), t.join('')) === oracle(p, t)),
      { numRuns: 2_000 },
    );
  });

  it('answers 1,000 stars in milliseconds', () => {
    const started = performance.now();
    expect(matchWildcard('*a'.repeat(1_000) + 'b', 'a'.repeat(10_000))).to.equal(false);
    expect(performance.now() - started).to.be.below(500);
  });
});
