import { expect } from 'chai';
import fc from 'fast-check';
import { canonicalJson, contentHash } from '../../lib/event/content-hash.ts';
import type { TelltaleEvent } from '../../lib/event/event.ts';

const event: TelltaleEvent = {
  id: '1',
  type: 'task.created',
  source: 'planner',
  time: 5,
  entity: 'task/1',
  correlationId: '1',
  schemaVersion: 1,
  payload: { title: 'x', list: [1, { a: 1, b: 2 }] },
  metadata: { userId: 'u' },
};

describe('contentHash', () => {
  it('is the same for the same content, whatever time, id, correlation, cause, batch and the bus say', () => {
    const metadata = { userId: 'u', batchId: 'b', causes: ['x'], $link: 1 };
    const again = { ...event, id: '2', time: 6, correlationId: '9', causationId: '8', metadata };
    expect(contentHash(again)).to.equal(contentHash(event));
  });

  const others: Partial<TelltaleEvent>[] = [
    { type: 'task.changed' },
    { source: 'other' },
    { entity: 'task/2' },
    { schemaVersion: 2 },
    { payload: { title: 'y' } },
    { payload: null },
    { metadata: { userId: 'v' } },
    { metadata: {} },
  ];
  for (const other of others) {
    it(`differs with ${JSON.stringify(other)}`, () => {
      expect(contentHash({ ...event, ...other })).to.not.equal(contentHash(event));
    });
  }

  it('does not take one field for another', () => {
    const { entity: _, ...rest } = event;
    expect(contentHash({ ...rest, source: 'a', type: 'b' })).to.not.equal(
      contentHash({ ...rest, source: 'b', type: 'a' }),
    );
  });

  it('is what an admit stage left as the hash of what the caller gave', () => {
    expect(contentHash({ ...event, metadata: { $content: 'given' } })).to.equal('given');
  });

  it('stays what it was: logs keep it for ever', () => {
    const { entity: _, ...rest } = event;
    const odd = JSON.parse('{"10":1,"9":[{}],"é":"\\n","__proto__":-0.5,"b":null,"B":true}') as unknown;
    const many = Object.fromEntries(Array.from({ length: 40 }, (_value, i) => [`k${(i * 7) % 40}`, i]));
    expect([
      contentHash(event),
      contentHash({ ...rest, payload: odd, metadata: {} }),
      contentHash({ ...event, payload: many }),
    ]).to.deep.equal([
      'MGWIHf61qkL8CKss9sApzalzv_baU9tmAvlC3vcWvjs',
      'z7vYAeEsF23gvtt819vs4WjjXnv12vEUS1fjS6Wrbf0',
      'p1r-P5iMWQZ3CusUXyoYYtDxqwEIbsUsCGSTTtko92E',
    ]);
  });

  it('does not depend on the order of keys', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (payload) => {
        expect(contentHash({ ...event, payload: shuffled(payload) })).to.equal(contentHash({ ...event, payload }));
      }),
    );
  });

  it('tells different payloads apart', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        const same = JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
        expect(contentHash({ ...event, payload: a }) === contentHash({ ...event, payload: b })).to.equal(same);
      }),
    );
  });
});

describe('canonicalJson', () => {
  it('is JSON with sorted keys', () => {
    expect(canonicalJson({ b: [{ d: 1, c: '"' }], a: null, gone: undefined })).to.equal(
      '{"a":null,"b":[{"c":"\\"","d":1}]}',
    );
  });

  it('is JSON of the same data, escaped as JSON.stringify does it', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
        expect(JSON.parse(canonicalJson(value))).to.deep.equal(JSON.parse(JSON.stringify(value)));
      }),
    );
    for (const text of ['"', '\\', '\0', '\u007f', '\u2028', '\ud800', '😀'])
      expect(canonicalJson(text)).to.equal(JSON.stringify(text));
    expect(canonicalJson([NaN, -0, 1e21, undefined, 1e-7])).to.equal('[null,0,1e+21,null,1e-7]');
  });
});

function shuffled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, member]) => [key, shuffled(member)]),
  );
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, member]) => [key, sorted(member)]));
}
