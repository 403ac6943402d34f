import { expect } from 'chai';
import { parsePattern } from '../../lib/event/pattern.ts';
import { covers } from '../../lib/retention/covers.ts';
import { parseRetention } from '../../lib/retention/options.ts';
import { parseRules } from '../../lib/retention/rules.ts';
import { refusalOf } from '../support/code-of.ts';

const A = { match: 'a.*' };

describe('retention rules', () => {
  const wrong: readonly (readonly [title: string, rules: unknown, code: string, text: RegExp])[] = [
    ['no array', { match: '**' }, 'INVALID_OPTION', /`rules` of retention/],
    ['no object', ['**'], 'INVALID_OPTION', /rules\[0\]/],
    ['no match', [{ keepFor: '1d' }], 'INVALID_OPTION', /rules\[0\]\.match/],
    ['a match that is no pattern', [{ match: 'a.*b' }], 'INVALID_PATTERN', /segment 2/],
    [
      'an unknown key',
      [{ ...A, keepfor: '1d' }],
      'INVALID_OPTION',
      /`keepfor` is not an option of rules\[0\].*keepFor/,
    ],
    ['a negative keepCount', [{ ...A, keepCount: -1 }], 'INVALID_OPTION', /rules\[0\]\.keepCount.*from 0/],
    ['a keepBytes of 1.5', [{ ...A, keepBytes: 1.5 }], 'INVALID_OPTION', /keepBytes/],
    ['a keepFor of NaN', [{ ...A, keepFor: Number.NaN }], 'INVALID_DURATION', /keepFor/],
    ['a keepFor without unit', [{ ...A, keepFor: '3' }], 'INVALID_DURATION', /keepFor/],
    ['an unknown priority', [{ ...A, keepPriority: 'urgent' }], 'INVALID_OPTION', /'low', 'normal'/],
    ['a keepLatestByEntity of 0', [{ ...A, keepLatestByEntity: 0 }], 'INVALID_OPTION', /from 1/],
    ['no consumers', [{ ...A, keepUntilProcessedBy: [] }], 'INVALID_OPTION', /name of a consumer/],
    ['an atMost of 0', [{ ...A, keepFor: 1, wholeCorrelations: { atMost: 0 } }], 'INVALID_OPTION', /atMost/],
    ['an unknown key beside atMost', [{ ...A, wholeCorrelations: { most: 1 } }], 'INVALID_OPTION', /most/],
    ['a by that is no time', [{ ...A, keepFor: 1, by: 'received' }], 'INVALID_OPTION', /'storedAt' or 'time'/],
    ['an operator nobody knows', [{ ...A, where: { 'payload.a': { $near: 1 } } }], 'INVALID_FILTER', /\$near/],
    ['a path to a prototype', [{ ...A, where: { 'payload.__proto__.a': 1 } }], 'INVALID_PATH', /__proto__/],
  ];
  for (const [title, rules, code, text] of wrong)
    it(`refuse ${title}`, () => {
      const error = refusalOf(() => parseRules(rules));
      expect(error.code).to.equal(code);
      expect(error.message).to.match(text);
    });

  const contradictory: readonly (readonly [title: string, rules: readonly object[], text: RegExp])[] = [
    ['keep nothing and something', [{ ...A, keepFor: 0, keepPriority: 'high' }], /`keepFor: 0`.*`keepPriority`/],
    ['keep no event and some bytes', [{ ...A, keepCount: 0, keepBytes: 5 }], /`keepCount: 0`.*`keepBytes`/],
    ['keep every priority', [{ ...A, keepPriority: 'low', keepFor: '1d' }], /keeps every event/],
    ['say what no keepFor counts from', [{ ...A, keepCount: 1, by: 'time' }], /has no `keepFor`/],
    ['wait for a correlation that never goes', [{ ...A, wholeCorrelations: true }], /no limit/],
    ['match the same twice', [A, { match: 'b' }, { ...A, keepFor: 1 }], /rules\[2\] \(a\.\*\).*rules\[0\] \(a\.\*\)/],
    [
      'match the same twice with one filter',
      [
        { ...A, where: { source: 'x' } },
        { ...A, where: { source: 'x' }, keepFor: 1 },
      ],
      /can never decide/,
    ],
    [
      'match the same twice with one filter in another order',
      [
        { ...A, where: { source: 'x', $and: [{ type: 'a.b', 'payload.n': { $gt: 1, $lt: 3 } }] } },
        { ...A, where: { $and: [{ 'payload.n': { $lt: 3, $gt: 1 }, type: 'a.b' }], source: 'x' }, keepFor: 1 },
      ],
      /can never decide/,
    ],
  ];
  for (const [title, rules, text] of contradictory)
    it(`refuse to ${title}, and name the rules`, () => {
      const error = refusalOf(() => parseRules(rules));
      expect(error.code).to.equal('INVALID_OPTION');
      expect(error.message)
        .to.match(/contradict themselves/)
        .and.match(text);
      expect(error.details['rules']).to.be.an('array').with.length.greaterThan(0);
    });

  it('may match the same twice where the first looks closer', () => {
    expect(parseRules([{ ...A, where: { source: 'x' } }, A])).to.have.length(2);
  });

  it('may keep nothing at all of what they match', () => {
    expect(parseRules([{ ...A, keepCount: 0 }])[0]).to.include({ keepCount: 0, keepsAll: false });
  });

  const options: readonly (readonly [title: string, given: unknown, text: RegExp])[] = [
    ['an unknown option', { rule: [] }, /`rule` is not an option of retention/],
    ['an every of 0', { every: 0 }, /`retention\.every`.*cron expression/],
    ['an every that is no duration', { every: 'daily' }, /`retention\.every`/],
    ['a cron expression with a field too many', { every: '1 2 3 4 5 6 7 8' }, /`retention\.every`/],
    ['a cron expression of minute 99', { every: '99 * * * *' }, /`retention\.every`/],
    ['a cron expression of a day that never comes', { every: '0 0 30 2 *' }, /`retention\.every`.*a time that comes/],
    ['a cron expression of a year that is over', { every: '* * * * * * 2020' }, /a time that comes/],
    ['a share over 1', { firstSweepAtMost: 2 }, /firstSweepAtMost/],
    ['an archive that takes nothing', { archive: {} }, /retention\.archive/],
    ['an array', [], /retention/],
  ];
  for (const [title, given, text] of options)
    it(`refuse ${title} beside them`, () => {
      const error = refusalOf(() => parseRetention(given));
      expect(error.code).to.equal('INVALID_OPTION');
      expect(error.message).to.match(text);
    });

  it('know the wider pattern', () => {
    const wider: readonly (readonly [string, string, boolean])[] = [
      ['**', 'a.*', true],
      ['a.**', 'a', true],
      ['a.**', 'a.*.b.**', true],
      ['a.*', 'a.b', true],
      ['a.*', 'a.**', false],
      ['*.b', 'a.b', true],
      ['**.b', 'a.*.b', true],
      ['**', '$bus.a', false],
      ['$bus.**', '$bus.a', true],
      ['a.*.c', 'a.b.*', false],
    ];
    for (const [wide, narrow, expected] of wider)
      expect(covers(parsePattern(wide), parsePattern(narrow)), `${wide} over ${narrow}`).to.equal(expected);
  });
});
