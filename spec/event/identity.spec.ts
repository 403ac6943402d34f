import { expect } from 'chai';
import fc from 'fast-check';
import { checkEntity, checkId, entityKind, toTime } from '../../lib/event/identity.ts';
import { checkType, isReserved } from '../../lib/event/type-name.ts';
import { show } from '../../lib/errors.ts';
import { codeOf } from '../support/code-of.ts';

describe('checkType', () => {
  const sixteen = Array(16).fill('a').join('.');
  for (const type of ['task.created', 'a', 'A_b-9.x', '$bus.lagged', sixteen]) {
    it(`takes ${type}`, () => expect(checkType(type)).to.equal(type));
  }

  const bad = [
    '',
    '.',
    'a.',
    '.a',
    'a..b',
    'a b',
    'a.*',
    '**',
    'ä',
    'a/b',
    'a\n',
    'a$',
    `${sixteen}.a`,
    'x'.repeat(256),
    5,
    null,
    undefined,
    {},
  ];
  for (const type of bad) {
    it(`refuses ${JSON.stringify(type) ?? 'undefined'}`, () => {
      expect(codeOf(() => checkType(type))).to.equal('INVALID_TYPE');
      expect(codeOf(() => checkType(type))).to.equal('INVALID_TYPE');
    });
  }

  it('goes on knowing types after more of them than it remembers', () => {
    for (let i = 0; i < 25_000; i++) checkType(`task.t${i}`);
    expect(checkType('task.t0')).to.equal('task.t0');
    expect(codeOf(() => checkType('task t'))).to.equal('INVALID_TYPE');
  });

  it('knows what belongs to the bus', () => {
    expect(['$bus.x', 'bus.$x', ''].map(isReserved)).to.deep.equal([true, false, false]);
  });
});

describe('checkId', () => {
  it('takes any well-formed string up to 256 bytes', () => {
    for (const id of ['a', 'x'.repeat(256), 'é'.repeat(128), 'a\r\nb', "'; drop table events; --", '../x']) {
      expect(checkId(id)).to.equal(id);
    }
  });

  it('refuses the rest', () => {
    for (const id of ['', 'x'.repeat(257), 'é'.repeat(129), 'a\0', '\ud800', 7, undefined, null]) {
      expect(codeOf(() => checkId(id))).to.equal('INVALID_ID');
    }
  });
});

describe('checkEntity', () => {
  it('takes kind/id; the first slash separates', () => {
    for (const entity of ['agent/550e8400', 'a/b/c', 'file/src/ü.ts', '$audit/x', 'a//']) {
      expect(checkEntity(entity)).to.equal(entity);
    }
    expect(entityKind('file/src/x.ts')).to.equal('file');
  });

  it('refuses the rest', () => {
    for (const entity of [
      '',
      'agent',
      '/x',
      'agent/',
      'a b/c',
      '*/c',
      'a/\0',
      'a/\udc00',
      `a/${'x'.repeat(511)}`,
      5,
      null,
    ]) {
      expect(codeOf(() => checkEntity(entity))).to.equal('INVALID_ENTITY');
    }
  });
});

describe('toTime', () => {
  const noon = Date.UTC(2026, 0, 31, 12);
  const cases: [value: number | string | Date, time: number][] = [
    [noon + 0.25, noon + 0.25],
    [-0, 0],
    [new Date(noon), noon],
    ['2026-01-31T12:00:00Z', noon],
    ['2026-01-31T12:00Z', noon],
    ['2026-01-31T13:30:00+01:30', noon],
    ['2026-01-31T07:00:00-0500', noon],
    ['2026-01-31T12:00:00.057Z', noon + 57],
    ['2026-01-31T12:00:00.123456Z', noon + 123.456],
    ['0001-01-01T00:00:00Z', Date.parse('0001-01-01T00:00:00Z')],
    ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
  ];
  for (const [value, time] of cases) {
    it(`reads ${value instanceof Date ? 'a Date' : String(value)}`, () =>
      expect(toTime(value)).to.be.closeTo(time, 1e-6));
  }

  const bad = [
    NaN,
    Infinity,
    9e15,
    new Date(NaN),
    '2026-01-31',
    '2026-01-31T12:00:00',
    '2026-02-30T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-01-01T24:00:00Z',
    'now',
    '',
    null,
    {},
    5n,
  ];
  for (const value of bad) {
    it(`refuses ${show(value)}`, () => expect(codeOf(() => toTime(value as number))).to.equal('INVALID_TIME'));
  }

  it('reads what Date writes', () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(Date.UTC(9999, 0)) }), (date) => {
        expect(toTime(date.toISOString())).to.equal(date.getTime());
      }),
    );
  });
});
