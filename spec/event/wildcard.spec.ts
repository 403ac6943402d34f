import { expect } from 'chai';
import fc from 'fast-check';
import { isTelltaleError } from '../../lib/errors.ts';
import { compileWildcard } from '../../lib/event/wildcard.ts';
import { leastMs } from '../support/least-ms.ts';

const matchWildcard = (pattern: string, text: string): boolean => compileWildcard(pattern)(text);

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

  it('agrees with a naive matcher where much repeats', () => {
    const pattern = fc.array(fc.constantFrom('a', 'a', 'b', '*', '?'), { maxLength: 10 });
    const text = fc.array(fc.constantFrom('a', 'a', 'a', 'b'), { maxLength: 12 });
    fc.assert(
      fc.property(pattern, text, (p, t) => matchWildcard(p.join(''), t.join('')) === oracle(p, t)),
      { numRuns: 3_000 },
    );
  });

  it('finds long pieces, with and without ?, across word and table boundaries', () => {
    const piece = fc.array(fc.constantFrom('a', 'a', 'a', '😀'), { minLength: 20, maxLength: 300 });
    fc.assert(
      fc.property(piece, fc.nat(1_000), fc.boolean(), (letters, place, isThere) => {
        const text = `${letters.join('').slice(2)}-${letters.join('')}${isThere ? 'b' : 'c'}aa`;
        const at = place % letters.length;
        const gapped = letters.map((letter, i) => (i === at && letters.length <= 255 ? '?' : letter));
        return [letters, gapped].every((wanted) => matchWildcard(`*${wanted.join('')}b*`, text) === isThere);
      }),
      { numRuns: 500 },
    );
  });

  it('finds pieces with several ? wherever their literals stand', () => {
    const letter = fc.constantFrom('a', 'a', 'b', '😀', '?');
    const piece = fc.array(letter, { minLength: 3, maxLength: 7 });
    const text = fc.array(fc.constantFrom('a', 'a', 'b', '😀'), { maxLength: 40 });
    fc.assert(
      fc.property(piece, text, (p, t) => {
        const found = t.some((_, at) =>
          p.every((want, i) => t[at + i] !== undefined && (want === '?' || want === t[at + i])),
        );
        return matchWildcard(`*${p.join('')}*`, t.join('')) === found;
      }),
      { numRuns: 3_000 },
    );
  });

  it('refuses a ? among more than 256 characters between two stars, and nowhere else', () => {
    const long = 'a'.repeat(256);
    expect(() => compileWildcard(`*${long}?b*`, '`$like` of `type`'))
      .to.throw('`$like` of `type`')
      .that.satisfies((error: unknown) => isTelltaleError(error, 'INVALID_FILTER'));
    expect(matchWildcard(`*?${long}?*`, `x${long}y`)).to.equal(true);
    expect(matchWildcard(`${long}?b*${long}?b`, `${long}xb-${long}yb`)).to.equal(true);
  });

  // A matcher that went back to the last star took seconds for each of these.
  it('answers 1,000 stars in milliseconds', () => {
    expectWithin(100, '*a'.repeat(1_000) + 'b', 'a'.repeat(10_000));
    expectWithin(100, '*a?a'.repeat(1_000) + 'b*', 'a'.repeat(10_000));
  });

  it('looks for a long piece in a long text in milliseconds, wherever it stops matching', () => {
    const text = 'x'.repeat(1_000_000);
    const half = 'x'.repeat(2_000);
    for (const piece of [`${half}${half}y`, `y${half}${half}`, `${half}y${half}`])
      expectWithin(200, `*${piece}*`, text);
    expectWithin(300, `*${'x'.repeat(100)}?${'x'.repeat(100)}y*`, text);
  });
});

function expectWithin(ms: number, pattern: string, text: string): void {
  const match = (): void => void expect(matchWildcard(pattern, text)).to.equal(false);
  expect(leastMs(match, ms)).to.be.below(ms);
}
