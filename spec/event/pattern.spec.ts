import { expect } from 'chai';
import fc from 'fast-check';
import { show } from '../../lib/errors.ts';
import { matchesPattern, parseNamePattern, parsePattern } from '../../lib/event/pattern.ts';
import { arbitraryPattern, arbitraryType, patternOracle } from '../support/pattern-oracle.ts';

const matches = (pattern: string, type: string): boolean => matchesPattern(parsePattern(pattern), type);

describe('pattern', () => {
  it('gives * one whole segment and ** zero or more', () => {
    expect(matches('task.*', 'task.created')).to.equal(true);
    expect(matches('task.*', 'task')).to.equal(false);
    expect(matches('task.*', 'task.step.done')).to.equal(false);
    expect(matches('task.**', 'task')).to.equal(true);
    expect(matches('task.**', 'task.step.done')).to.equal(true);
    expect(matches('**.failed', 'failed')).to.equal(true);
    expect(matches('**.failed', 'a.b.failed')).to.equal(true);
    expect(matches('a.**.z', 'a.z')).to.equal(true);
    expect(matches('**', 'a.b.c')).to.equal(true);
  });

  it('never covers a reserved type unless its own first segment names it', () => {
    for (const pattern of ['*', '**', '*.lagged', '**.lagged', '*.*', '**.**'])
      expect(matches(pattern, '$bus.lagged'), pattern).to.equal(false);
    expect(matches('**', '$bus')).to.equal(false);
    expect(matches('$bus.**', '$bus.lagged')).to.equal(true);
    expect(matches('$bus.*', '$bus.lagged')).to.equal(true);
    expect(matches('$bus.lagged', '$bus.lagged')).to.equal(true);
    expect(matches('$bus.**', 'bus.lagged')).to.equal(false);
  });

  it('agrees with a naive matcher', () => {
    fc.assert(
      fc.property(arbitraryPattern, arbitraryType, (p, t) => matches(p.join('.'), t.join('.')) === patternOracle(p, t)),
      { numRuns: 3_000 },
    );
  });

  it('refuses a malformed pattern and names it, what was expected and what came', () => {
    for (const pattern of [
      '',
      '.',
      'a.',
      '.a',
      'a..b',
      'task.*x',
      'a**',
      '***',
      'a b',
      'a.$b',
      '$',
      '$*',
      'ä',
      7,
      null,
      undefined,
      {},
      /a/,
    ])
      expect(() => parsePattern(pattern), show(pattern))
        .to.throw(/^expected the pattern to be 1 to 16 dotted segments .*, got /)
        .with.property('code', 'INVALID_PATTERN');
    expect(() => parsePattern('task.*x')).to.throw('"task.*x" (string): segment 2 is "*x"');
  });

  it('refuses more than 16 segments, more than 256 characters and a thousand stars at once', () => {
    expect(parsePattern(Array(16).fill('*').join('.')).segments).to.have.length(16);
    expect(() => parsePattern(Array(17).fill('*').join('.'))).to.throw('17 segments');
    expect(() => parsePattern('x'.repeat(257))).to.throw('257 characters of 256');
    expect(() => parsePattern(Array(1_000).fill('**').join('.')))
      .to.throw()
      .with.property('code', 'INVALID_PATTERN');
  });

  it('accepts any text between the dots of a name pattern', () => {
    expect(matchesPattern(parseNamePattern('reader/1.*'), 'reader/1.inner')).to.equal(true);
    expect(() => parseNamePattern('reader*'))
      .to.throw()
      .with.property('code', 'INVALID_PATTERN');
  });
});
