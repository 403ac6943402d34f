import { expect } from 'chai';
import { parsePath, readPath } from '../../lib/event/path.ts';
import { isTelltaleError, show } from '../../lib/errors.ts';

const read = (target: unknown, path: string): unknown => readPath(target, parsePath(path));

describe('path', () => {
  it('reads nested own properties and elements of arrays', () => {
    const target = { payload: { items: [{ name: 'a' }, { name: 'b' }], empty: null } };
    expect(read(target, 'payload.items.1.name')).to.equal('b');
    expect(read(target, 'payload.empty')).to.equal(null);
  });

  it('answers undefined where there is nothing', () => {
    const target = { payload: { text: 'abc', items: [1] } };
    for (const path of ['payload.nothing', 'payload.nothing.at.all', 'payload.text.length', 'payload.items.length'])
      expect(read(target, path), path).to.equal(undefined);
    expect(read(target, 'payload.items.1')).to.equal(undefined);
    expect(read(target, 'payload.items.00')).to.equal(undefined);
    expect(read(null, 'payload')).to.equal(undefined);
  });

  it('never reads inherited properties', () => {
    expect(read({ payload: Object.create({ secret: 1 }) }, 'payload.secret')).to.equal(undefined);
    expect(read({ payload: {} }, 'payload.toString')).to.equal(undefined);
  });

  it('refuses keys that lead to a prototype, wherever they stand', () => {
    for (const key of ['__proto__', 'constructor', 'prototype'])
      for (const path of [key, `payload.${key}`, `payload.${key}.polluted`])
        expect(() => parsePath(path), path)
          .to.throw(key)
          .with.property('code', 'INVALID_PATH');
  });

  it('refuses what is not a dotted path and says what came', () => {
    for (const path of [
      '',
      '.',
      'a.',
      '.a',
      'a..b',
      'x'.repeat(513),
      'a.'.repeat(32) + 'a',
      7,
      null,
      undefined,
      {},
      ['a'],
    ]) {
      let caught: unknown;
      try {
        parsePath(path);
      } catch (error) {
        caught = error;
      }
      expect(isTelltaleError(caught, 'INVALID_PATH'), show(path)).to.equal(true);
      expect((caught as Error).message).to.match(/^expected a path to be .*, got /);
    }
  });
});
