import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import fc from 'fast-check';
import { admit } from '../../lib/event/admission.ts';
import { checkUserMetadata } from '../../lib/event/user-metadata.ts';
import { codeOf, refusalOf } from '../support/code-of.ts';

const LIMIT = 8 * 2 ** 20;
const payload = (value: unknown, limit = LIMIT): unknown => admit(value, 'payload', limit).value;
const refused = (value: unknown, limit = LIMIT) => refusalOf(() => payload(value, limit));

describe('admit', () => {
  describe('what it accepts', () => {
    it('copies and freezes through and through, and leaves the original alone', () => {
      const given = { list: [{ n: 1 }], text: 'a' };
      const copy = payload(given) as typeof given;
      given.list.push({ n: 2 });
      given.list[0]!.n = 9;
      expect(copy).to.deep.equal({ list: [{ n: 1 }], text: 'a' });
      expect([copy, copy.list, copy.list[0]].every((part) => Object.isFrozen(part))).to.equal(true);
      expect(Object.isFrozen(given)).to.equal(false);
    });

    it('leaves out undefined properties and makes -0 to 0', () => {
      const copy = payload({ gone: undefined, zero: -0, list: [-0] }) as { zero: number; list: number[] };
      expect(Object.keys(copy)).to.deep.equal(['zero', 'list']);
      expect([Object.is(copy.zero, 0), Object.is(copy.list[0], 0), Object.is(payload(-0), 0)]).to.deep.equal([
        true,
        true,
        true,
      ]);
    });

    it('takes undefined as null in a payload and as {} in metadata', () => {
      expect(payload(undefined)).to.equal(null);
      expect(admit(undefined, 'metadata', LIMIT).value).to.deep.equal({});
    });

    it('makes ordinary objects of objects without prototype', () => {
      const bare = Object.assign(Object.create(null) as object, { a: 1 });
      expect(Object.getPrototypeOf(payload(bare))).to.equal(Object.prototype);
    });

    it('accepts objects and arrays of another realm', () => {
      expect(payload(runInNewContext('({ a: [1, { b: 2 }] })'))).to.deep.equal({ a: [1, { b: 2 }] });
    });

    it('reads an accessor once and stores what it answered', () => {
      let reads = 0;
      const given = {
        get count() {
          return ++reads;
        },
      };
      expect(payload(given)).to.deep.equal({ count: 1 });
    });

    it('does not call toJSON: an own one is a function, an inherited one a class', () => {
      expect(refused({ toJSON: mustNotRun }).message).to.contain('payload.toJSON is a function');
      expect(
        refused(
          new (class Money {
            toJSON = mustNotRun;
          })(),
        ).message,
      ).to.contain('payload is a Money');
    });

    it('takes keys such as constructor and prototype as the data they are', () => {
      const given = JSON.parse('{"constructor":{"prototype":{"polluted":1}},"hasOwnProperty":1}') as unknown;
      expect(payload(given)).to.deep.equal(given);
      expect(({} as { polluted?: number }).polluted).to.equal(undefined);
    });

    it('takes no inherited property for data where somebody extended Object.prototype', () => {
      // oxlint-disable-next-line no-extend-native -- that somebody did is the case under test
      Object.defineProperty(Object.prototype, 'extension', { value: 1, enumerable: true, configurable: true });
      const copy = payload({ a: {} }) as { a: object };
      delete (Object.prototype as { extension?: number }).extension;
      expect([Object.keys(copy), Object.keys(copy.a)]).to.deep.equal([['a'], []]);
    });

    it('accepts 100 levels and refuses 101', () => {
      expect(payload(nested(100))).to.deep.equal(nested(100));
      expect(refused(nested(101)).code).to.equal('PAYLOAD_TOO_DEEP');
    });

    it('accepts one object in two places', () => {
      const shared = { a: 1 };
      expect(payload([shared, { shared }])).to.deep.equal([{ a: 1 }, { shared: { a: 1 } }]);
    });

    it('estimates the size within a factor of two', () => {
      fc.assert(
        fc.property(plain, (value) => {
          const real = Buffer.byteLength(JSON.stringify(value));
          const { bytes } = admit(value, 'payload', LIMIT);
          expect(bytes).to.be.within(real / 2 - 8, real * 6 + 8);
        }),
      );
      const realistic = { id: 'f81d4fae', items: [{ sku: 'A-1', n: 12, price: 19.95 }], note: 'Grüße', ok: true };
      const real = Buffer.byteLength(JSON.stringify(realistic));
      expect(admit(realistic, 'payload', LIMIT).bytes).to.be.within(real * 0.8, real * 1.3);
    });
  });

  describe('what it promises', () => {
    it('round-trips exactly through JSON whatever it accepts', () => {
      fc.assert(
        fc.property(anything, (value) => {
          let accepted: unknown;
          try {
            accepted = payload(value);
          } catch {
            return;
          }
          expect(JSON.parse(JSON.stringify(accepted))).to.deep.equal(accepted);
          expect(payload(accepted)).to.deep.equal(accepted);
        }),
        { numRuns: 500 },
      );
    });

    it('accepts all that JSON can hold', () => {
      fc.assert(
        fc.property(plain, (value) => void expect(payload(value)).to.deep.equal(value)),
        { numRuns: 300 },
      );
    });

    it('throws nothing but typed refusals', () => {
      fc.assert(
        fc.property(fc.anything({ withDate: true, withMap: true, withTypedArray: true, withBigInt: true }), (value) => {
          try {
            payload(value);
          } catch (error) {
            expect((error as { code?: string }).code).to.match(/^PAYLOAD_/);
          }
        }),
        { numRuns: 500 },
      );
    });
  });

  describe('what it refuses', () => {
    const symbol = Symbol('key');
    class Money {
      amount = 1;
    }
    const cases: [name: string, value: unknown, code: string, text: string][] = [
      ['NUL', { a: ['x', 'y\0'] }, 'PAYLOAD_BAD_STRING', 'payload.a[1] holds NUL at index 1'],
      ['NUL in a long string', `${'x'.repeat(500)}\0`, 'PAYLOAD_BAD_STRING', 'payload holds NUL at index 500'],
      ['NUL in a key', { 'a\0': 1 }, 'PAYLOAD_BAD_STRING', String.raw`payload["a\u0000"] holds NUL`],
      ['a lone surrogate', { a: 'x\ud800' }, 'PAYLOAD_BAD_STRING', 'payload.a holds a lone surrogate'],
      ['a lone surrogate in a key', { '\udc00': 1 }, 'PAYLOAD_BAD_STRING', 'holds a lone surrogate'],
      ['NaN', { items: [{ n: NaN }] }, 'PAYLOAD_BAD_NUMBER', 'payload.items[0].n is NaN'],
      ['1e400', JSON.parse('[1e400]'), 'PAYLOAD_BAD_NUMBER', 'payload[0] is Infinity'],
      ['BigInt', { n: 1n }, 'PAYLOAD_NOT_PLAIN', 'payload.n is a BigInt'],
      ['Date', { items: [1, 2, 3, { when: new Date() }] }, 'PAYLOAD_NOT_PLAIN', 'payload.items[3].when is a Date'],
      ['Map', new Map(), 'PAYLOAD_NOT_PLAIN', 'payload is a Map'],
      ['bytes', { raw: new Uint8Array(2) }, 'PAYLOAD_NOT_PLAIN', 'payload.raw is a Uint8Array'],
      ['an error', { error: new Error('x') }, 'PAYLOAD_NOT_PLAIN', 'payload.error is a'],
      ['a class instance', { price: new Money() }, 'PAYLOAD_NOT_PLAIN', 'payload.price is a Money'],
      ['an array subclass', { list: new (class Stack extends Array {})() }, 'PAYLOAD_NOT_PLAIN', 'payload.list'],
      ['a boxed number', { n: Object(1) as unknown }, 'PAYLOAD_NOT_PLAIN', 'payload.n is a Number'],
      ['a function', { run: () => 1 }, 'PAYLOAD_NOT_PLAIN', 'payload.run is a function'],
      ['a symbol', [symbol], 'PAYLOAD_NOT_PLAIN', 'payload[0] is a symbol'],
      ['undefined in an array', { a: [undefined] }, 'PAYLOAD_NOT_PLAIN', 'payload.a[0] is undefined'],
      ['a hole in an array', { a: Array(2) }, 'PAYLOAD_NOT_PLAIN', 'payload.a[0] is undefined (or a hole'],
      ['__proto__', JSON.parse('{"a":{"__proto__":{"b":1}}}'), 'PAYLOAD_FORBIDDEN_KEY', 'payload.a.__proto__'],
      ['a throwing getter', { a: throwing(new RangeError('no')) }, 'PAYLOAD_NOT_PLAIN', 'payload.a.bad cannot be read'],
      ['a getter that throws undefined', throwing(undefined), 'PAYLOAD_NOT_PLAIN', 'payload.bad cannot be read'],
      ['a revoked proxy', { a: revoked() }, 'PAYLOAD_NOT_PLAIN', 'payload.a cannot be read'],
      ['a hostile proxy', { a: hostileProxy() }, 'PAYLOAD_NOT_PLAIN', 'payload.a cannot be read'],
    ];
    for (const [name, value, code, text] of cases) {
      it(`${name}, naming the path`, () => {
        const error = refused(value);
        expect(error.code).to.equal(code);
        expect(error.message).to.contain(text);
        if (code !== 'PAYLOAD_FORBIDDEN_KEY') expect(error.message).to.contain('use toPlain(value)');
      });
    }

    it('the same in metadata', () => {
      expect(refusalOf(() => admit({ tags: [1n] }, 'metadata', LIMIT)).message).to.contain(
        'metadata.tags[0] is a BigInt',
      );
      expect(codeOf(() => admit('text', 'metadata', LIMIT))).to.equal('PAYLOAD_NOT_PLAIN');
      expect(codeOf(() => admit([], 'metadata', LIMIT))).to.equal('PAYLOAD_NOT_PLAIN');
      expect(codeOf(() => admit(null, 'metadata', LIMIT))).to.equal('PAYLOAD_NOT_PLAIN');
    });

    it('cycles, naming both ends', () => {
      const tree: { child: { parent?: unknown }[] } = { child: [{}] };
      tree.child[0]!.parent = tree.child;
      const error = refused({ tree });
      expect(error.code).to.equal('PAYLOAD_CYCLE');
      expect(error.message).to.contain('payload.tree.child[0].parent contains itself: it is payload.tree.child again');
    });

    it('a cycle that shows as size first', () => {
      const given: Record<string, unknown> = { text: 'x'.repeat(6 * 2 ** 20) };
      given['again'] = given;
      expect(refused(given).code).to.equal('PAYLOAD_CYCLE');
    });

    it('depth of a million without overflowing the stack', () => {
      expect(refused(nested(1_000_000)).code).to.equal('PAYLOAD_TOO_DEEP');
      expect(refused(JSON.parse('['.repeat(1e6) + ']'.repeat(1e6))).code).to.equal('PAYLOAD_TOO_DEEP');
    });

    it('what is too large, naming the largest path and the sizes', () => {
      const error = refused({ pages: [{ html: 'a' }, { html: 'b'.repeat(2_000) }], title: 'x' }, 1_000);
      expect(error.code).to.equal('PAYLOAD_TOO_LARGE');
      expect(error.message).to.match(
        /^payload has 20\d\d bytes, the limit is 1000 bytes, most of it in payload\.pages\[1\]\.html \(2003 bytes\)/,
      );
      expect(error.details).to.deep.include({ path: 'payload.pages[1].html', limit: 1_000 });
    });

    it('many small values and many references to one object as too large', () => {
      expect(refused(Array(10_000).fill(1), 1_000).code).to.equal('PAYLOAD_TOO_LARGE');
      let doubling: unknown = {};
      for (let i = 0; i < 60; i++) doubling = { a: doubling, b: doubling };
      expect(refused(doubling).code).to.equal('PAYLOAD_TOO_LARGE');
    });

    it('one value and takes the next, also from within a getter', () => {
      const given = {
        get inner() {
          return codeOf(() => payload({ bad: 1n }));
        },
        after: { b: 1 },
      };
      expect(payload(given)).to.deep.equal({ inner: 'PAYLOAD_NOT_PLAIN', after: { b: 1 } });
      expect(
        refused({
          a: {
            get inner() {
              return payload({ fine: [1] });
            },
            bad: 1n,
          },
        }).message,
      ).to.contain('payload.a.bad is');
    });
  });
});

describe('checkUserMetadata', () => {
  it('refuses keys that begin with $', () => {
    expect(codeOf(() => checkUserMetadata({ $content: 'x' }))).to.equal('RESERVED_TYPE');
    checkUserMetadata({ userId: 'u', price$: 1 });
  });
});

const text = fc.string({ unit: 'grapheme' }).filter((value) => !value.includes('\0'));
const key = text.filter((value) => value !== '__proto__');
const { plain } = fc.letrec<{ plain: unknown }>((tie) => ({
  plain: fc.oneof(
    { depthSize: 'medium', withCrossShrink: true },
    text,
    fc.oneof(
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => n + 0),
    ),
    fc.constantFrom(null, true, false),
    fc.array(tie('plain')),
    fc.dictionary(key, tie('plain'), { noNullPrototype: true }),
  ),
}));
const anything = fc.anything({
  withNullPrototype: true,
  withSparseArray: true,
  values: [text, fc.double(), fc.constant(undefined)],
});

function mustNotRun(): never {
  return expect.fail('toJSON was called');
}

function nested(depth: number): unknown {
  let value: unknown = [];
  for (let i = 1; i < depth; i++) value = { a: value };
  return value;
}

function throwing(error: unknown): object {
  return Object.defineProperty({}, 'bad', {
    enumerable: true,
    get: () => {
      throw error;
    },
  });
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

function hostileProxy(): object {
  return new Proxy(
    {},
    {
      ownKeys: () => {
        throw new Error('hostile');
      },
    },
  );
}
