import { expect } from 'chai';
import fc from 'fast-check';
import { admit } from '../../lib/event/admission.ts';
import { toPlain } from '../../lib/event/to-plain.ts';

const LIMIT = 8 * 2 ** 20;

/** What toPlain made, after admission has accepted it. */
function plain(value: unknown): unknown {
  return admit(toPlain(value), 'payload', LIMIT).value;
}

describe('toPlain', () => {
  it('tells a promise also where Node has marked it', () => {
    const marked = Object.assign(Promise.resolve(), { [Symbol('async_id_symbol')]: 7 });
    expect(toPlain({ marked })).to.deep.equal({ marked: '[Promise]' });
  });

  it('keeps what an error says: name, code, message, stack, cause and own fields', () => {
    const cause = Object.assign(new TypeError('inner'), { errno: -2 });
    const error = Object.assign(new RangeError('outer', { cause }), { code: 'E_RANGE', when: new Date(0) });
    const told = plain({ error }) as { error: Record<string, unknown> };
    expect(told.error).to.deep.include({ name: 'RangeError', message: 'outer', code: 'E_RANGE', stack: error.stack });
    expect(told.error['when']).to.equal('1970-01-01T00:00:00.000Z');
    expect(told.error['cause']).to.deep.include({ name: 'TypeError', message: 'inner', errno: -2 });
  });

  it('keeps the members of an AggregateError', () => {
    const told = plain(new AggregateError([new Error('a'), 'b'], 'both')) as { message: string; errors: unknown[] };
    expect(told.message).to.equal('both');
    expect(told.errors[0]).to.deep.include({ name: 'Error', message: 'a' });
    expect(told.errors[1]).to.equal('b');
  });

  it('keeps the fields a DOMException has by inheritance', () => {
    expect(plain(new DOMException('gone', 'AbortError'))).to.deep.include({
      name: 'AbortError',
      message: 'gone',
      code: 20,
    });
  });

  class Point {
    x = 1;
    readonly #secret = 2;
    get sum(): number {
      return this.x + this.#secret;
    }
  }
  class Empty {
    readonly #hidden = 1;
    get hidden(): number {
      return this.#hidden;
    }
  }
  class Money {
    toJSON(): unknown {
      return { amount: 5n };
    }
  }
  class Broken {
    kept = 1;
    toJSON(): never {
      throw new Error('no');
    }
  }
  const forms: [name: string, value: unknown, told: unknown][] = [
    ['Date', new Date(0), '1970-01-01T00:00:00.000Z'],
    ['an invalid Date', new Date(NaN), '[invalid date]'],
    ['URL', new URL('https://a.example/b?c'), 'https://a.example/b?c'],
    ['RegExp', /a+/g, '/a+/g'],
    ['bytes', Buffer.from('hi'), { base64: 'aGk=', bytes: 2 }],
    ['an ArrayBuffer', new ArrayBuffer(3), { base64: 'AAAA', bytes: 3 }],
    ['a DataView', new DataView(new ArrayBuffer(8), 2, 3), { base64: 'AAAA', bytes: 3 }],
    ['other typed arrays', new Float32Array([1.5, NaN]), [1.5, 'NaN']],
    ['Map by strings', new Map([['a', new Map([[1, 2]])]]), { a: [[1, 2]] }],
    ['Set', new Set([1, new Set(['a'])]), [1, ['a']]],
    ['BigInt', 12345678901234567890n, '12345678901234567890'],
    ['numbers JSON has not', [NaN, Infinity, -Infinity], ['NaN', 'Infinity', '-Infinity']],
    ['boxed primitives', [Object(1), Object('a'), Object(1n)], [1, 'a', '1']],
    ['functions', [noop, () => 1], ['[function noop]', '[function]']],
    ['symbols', [Symbol('s'), { [Symbol('k')]: 1 }], ['[Symbol(s)]', { 'Symbol(k)': 1 }]],
    ['undefined', { gone: undefined, list: [undefined] }, { list: [null] }],
    ['a class instance', new Point(), { x: 1 }],
    [
      'an instance without fields',
      [new Empty(), Promise.resolve(), new WeakMap()],
      ['[Empty]', '[Promise]', '[WeakMap]'],
    ],
    ['an instance with toJSON', new Money(), { amount: '5' }],
    ['an instance whose toJSON throws', new Broken(), { kept: 1 }],
    ['strings no store can hold', 'a\0b\ud800', 'a\ufffdb\ufffd'],
    ['__proto__ as a key', JSON.parse('{"__proto__":{"a":1}}'), { '[__proto__]': { a: 1 } }],
    ['a throwing getter', throwing(new Error('no')), { bad: '[unreadable: no]' }],
    ['a getter that throws no error', throwing(1), { bad: '[unreadable: 1]' }],
    ['undefined itself', undefined, null],
    ['data that is plain already', { a: [1, 'b', null, true] }, { a: [1, 'b', null, true] }],
  ];
  for (const [name, value, told] of forms) {
    it(`tells ${name}`, () => expect(plain(value)).to.deep.equal(told));
  }

  it('names where a cycle leads', () => {
    const loop: Record<string, unknown> = { list: [{}] };
    loop['self'] = loop;
    (loop['list'] as unknown[])[0] = { up: loop['list'] };
    expect(plain(loop)).to.deep.equal({ list: [{ up: '[circular: .list]' }], self: '[circular: the whole]' });
  });

  it('tells an object twice where it is in two places', () => {
    const shared = { a: 1 };
    expect(plain([shared, shared])).to.deep.equal([{ a: 1 }, { a: 1 }]);
  });

  it('cuts a million levels', () => {
    let deep: unknown = {};
    for (let i = 0; i < 1_000_000; i++) deep = { deep };
    expect(JSON.stringify(plain(deep))).to.contain('"[too deep]"');
  });

  it('never goes deeper than admission does, whatever it is told', () => {
    let deep: unknown = {};
    for (let i = 0; i < 200; i++) deep = [deep];
    admit(toPlain(deep, { maxDepth: 1_000 }), 'payload', LIMIT);
  });

  it('says how much of a text, of bytes, of a list and of fields it has cut', () => {
    expect(small('x'.repeat(500))).to.match(/^x+… \[cut: \d+ of 500 characters\]$/);
    expect(small(new Uint8Array(500)))
      .to.have.property('[cut]')
      .that.matches(/^\d+ of 500 bytes$/);
    expect((small(Array(500).fill(1)) as string[]).at(-1)).to.match(/^\[cut: \d+ of 500 items\]$/);
    const wide = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`k${i}`, i]));
    expect(small(wide))
      .to.have.property('[cut]')
      .that.matches(/^\d+ of 500 fields$/);
  });

  it('bounds what sharing makes exponential, and lists that are nothing but length', () => {
    let doubling: unknown = { text: 'x'.repeat(100) };
    for (let i = 0; i < 30; i++) doubling = { a: doubling, b: doubling };
    expect(bounded(doubling)).to.be.below(60_000);
    expect(bounded(Array(4_000_000_000))).to.be.below(60_000);
    plain({ huge: 'é'.repeat(10_000_000), bytes: new Uint8Array(20_000_000) });
  });

  it('survives whatever proxies do', () => {
    const traps = ['get', 'ownKeys', 'getPrototypeOf', 'getOwnPropertyDescriptor', 'has'] as const;
    for (const trap of traps) {
      for (const target of [{ a: 1 }, [1], noop, new Error('x'), new Map()]) {
        plain({
          it: new Proxy(target, {
            [trap]: () => {
              throw Object.create(null);
            },
          }),
        });
      }
    }
    for (const target of [{}, [], () => 1]) {
      const { proxy, revoke } = Proxy.revocable(target, {});
      revoke();
      expect(plain({ proxy }))
        .to.have.property('proxy')
        .that.matches(/^\[unreadable: /);
    }
  });

  it('never throws, and admission accepts what it makes', () => {
    const anything = fc.anything({
      withBigInt: true,
      withBoxedValues: true,
      withDate: true,
      withMap: true,
      withSet: true,
      withNullPrototype: true,
      withObjectString: true,
      withSparseArray: true,
      withTypedArray: true,
      values: [fc.string({ unit: 'binary' }), fc.double(), fc.constant(undefined), fc.func(fc.nat())],
    });
    fc.assert(
      fc.property(anything, (value) => {
        const told = plain(value);
        expect(toPlain(told)).to.deep.equal(told);
      }),
      { numRuns: 300 },
    );
  });

  it('changes nothing that admission accepts', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        let accepted: unknown;
        try {
          accepted = admit(value, 'payload', LIMIT).value;
        } catch {
          return;
        }
        expect(toPlain(value)).to.deep.equal(accepted);
      }),
    );
  });
});

function small(value: unknown): unknown {
  return toPlain(value, { maxBytes: 100 });
}

function bounded(value: unknown): number {
  return JSON.stringify(toPlain(value, { maxBytes: 50_000 })).length;
}

function noop(): void {}

function throwing(error: unknown): object {
  return Object.defineProperty({}, 'bad', {
    enumerable: true,
    get: () => {
      throw error;
    },
  });
}
