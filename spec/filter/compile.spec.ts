import { expect } from 'chai';
import fc from 'fast-check';
import type { StoredEvent, TelltaleEvent } from '../../lib/event/event.ts';
import { compileFilter } from '../../lib/filter/compile.ts';
import type { Filter } from '../../lib/filter/language.ts';
import { arbitraryEvent, arbitraryFilter, oracle } from '../support/filter-oracle.ts';
import { leastMs } from '../support/least-ms.ts';

const EVENT: StoredEvent = {
  id: 'e1',
  type: 'task.created',
  source: 'team.planner',
  time: Date.UTC(2026, 0, 1),
  entity: 'agent/7',
  correlationId: 'c1',
  schemaVersion: 1,
  payload: { title: 'Write', nothing: null, tags: ['a', 'b'], user: { name: 'Ada', age: 36 }, done: false, n: '5' },
  metadata: { userId: 'u1' },
  position: 12,
  revision: 3,
  storedAt: Date.UTC(2026, 0, 2),
};

const holds = (where: Filter, event: TelltaleEvent = EVENT): boolean => compileFilter(where)(event);

function refusal(where: unknown): { code: string; message: string } {
  try {
    compileFilter(where as Filter);
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error(`accepted ${JSON.stringify(where)}`);
}

describe('compileFilter', () => {
  it('takes a bare value as equality and several fields as all of them', () => {
    expect(holds({})).to.equal(true);
    expect(holds({ type: 'task.created', 'payload.title': 'Write' })).to.equal(true);
    expect(holds({ type: 'task.created', 'payload.title': 'Read' })).to.equal(false);
  });

  it('reads every envelope field by name, position, revision and storedAt too', () => {
    for (const field of ['id', 'source', 'time', 'correlationId', 'schemaVersion', 'position', 'revision', 'storedAt'])
      expect(holds({ [field]: EVENT[field as keyof StoredEvent] }), field).to.equal(true);
    const { position: _, ...live } = EVENT;
    expect(holds({ position: { $exists: false } }, live)).to.equal(true);
    expect(holds({ position: { $gt: 0 } }, live)).to.equal(false);
  });

  it('tells missing from null', () => {
    expect(holds({ 'payload.nothing': null })).to.equal(true);
    expect(holds({ 'payload.missing': null })).to.equal(false);
    expect(holds({ 'payload.missing': { $ne: null } })).to.equal(true);
    expect(holds({ 'payload.nothing': { $exists: true } })).to.equal(true);
    expect(holds({ 'payload.missing': { $exists: true } })).to.equal(false);
    expect(holds({ causationId: { $exists: false } })).to.equal(true);
    for (const operator of ['$eq', '$gt', '$lt', '$gte', '$lte', '$contains'])
      expect(holds({ 'payload.missing': { [operator]: null } }), operator).to.equal(false);
  });

  it('compares within one JSON type only', () => {
    expect(holds({ 'payload.n': 5 })).to.equal(false);
    expect(holds({ 'payload.n': { $gt: 4 } })).to.equal(false);
    expect(holds({ 'payload.user.age': { $gt: '4' } })).to.equal(false);
    expect(holds({ 'payload.done': { $lt: true } })).to.equal(true);
    expect(holds({ 'payload.done': 0 })).to.equal(false);
  });

  it('orders strings by their UTF-8 bytes, not by UTF-16 units', () => {
    const event = { ...EVENT, payload: { text: '😀' } };
    expect(holds({ 'payload.text': { $gt: '\uffff' } }, event)).to.equal(true);
  });

  it('compares objects and arrays whole, whatever the order of keys', () => {
    expect(holds({ 'payload.user': { age: 36, name: 'Ada' } })).to.equal(true);
    expect(holds({ 'payload.user': { name: 'Ada' } })).to.equal(false);
    expect(holds({ 'payload.user': { name: 'Ada', age: 36, more: 1 } })).to.equal(false);
    expect(holds({ 'payload.tags': ['a', 'b'] })).to.equal(true);
    expect(holds({ 'payload.tags': ['b', 'a'] })).to.equal(false);
    expect(holds({ 'payload.tags': { $in: [['a', 'b'], 'x'] } })).to.equal(true);
  });

  it('understands patterns on type and source and kind/* on entity', () => {
    expect(holds({ type: 'task.*', source: 'team.**', entity: 'agent/*' })).to.equal(true);
    expect(holds({ type: { $in: ['x', '**.created'] } })).to.equal(true);
    expect(holds({ type: { $ne: 'task.*' } })).to.equal(false);
    expect(holds({ entity: 'agen/*' })).to.equal(false);
    expect(holds({ 'payload.title': 'Wri*' })).to.equal(false);
    expect(holds({ type: '**' }, { ...EVENT, type: '$bus.lagged' })).to.equal(false);
  });

  it('takes a time as ms, as a Date and as a string with zone', () => {
    for (const time of [EVENT.time, new Date(EVENT.time), '2026-01-01T01:00:00+01:00'])
      expect(holds({ time, storedAt: { $gt: time } }), String(time)).to.equal(true);
    expect(refusal({ time: '2026-01-01' }).code).to.equal('INVALID_TIME');
  });

  it('finds substrings of strings and elements of arrays', () => {
    expect(holds({ 'payload.title': { $contains: 'rit' } })).to.equal(true);
    expect(holds({ 'payload.tags': { $contains: 'b' } })).to.equal(true);
    expect(holds({ 'payload.tags': { $contains: 'c' } })).to.equal(false);
    expect(holds({ 'payload.user.age': { $contains: 3 } })).to.equal(false);
    expect(holds({ 'payload.n': { $contains: 5 } })).to.equal(false);
    expect(holds({ 'payload.title': { $like: 'W*?e' } })).to.equal(true);
    expect(holds({ 'payload.title': { $like: 'w*' } })).to.equal(false);
  });

  it('negates whole conditions, so that what is missing satisfies a negation', () => {
    expect(holds({ 'payload.missing': { $not: { $gt: 5 } } })).to.equal(true);
    expect(holds({ 'payload.user.age': { $not: { $gt: 5 } } })).to.equal(false);
    expect(holds({ $not: { type: 'task.*', 'payload.title': 'Read' } })).to.equal(true);
    expect(holds({ 'payload.missing': { $nin: [1] } })).to.equal(true);
  });

  it('agrees with a naive oracle on any filter and event', () => {
    fc.assert(
      fc.property(arbitraryFilter, arbitraryEvent, (where, event) => {
        expect(holds(where, event)).to.equal(oracle(where, event));
      }),
      { numRuns: 2_000 },
    );
  });

  it('keeps no hold on the object it was made from', () => {
    const where = { 'payload.user': { name: 'Ada', age: 36 }, type: { $in: ['task.created'] } };
    const test = compileFilter(where);
    where['payload.user'].name = 'Bob';
    where.type.$in.length = 0;
    expect(test(EVENT)).to.equal(true);
  });

  it('refuses an unknown operator by name, with its place and the known ones', () => {
    expect(refusal({ 'payload.x': { $regex: 'a' } })).to.include({
      code: 'INVALID_FILTER',
      message:
        'expected an operator on `payload.x` to be one of $eq, $ne, $in, $nin, $gt, $gte, $lt, $lte, $exists, $like, $contains, $not, got "$regex" (string)',
    });
    expect(refusal({ $or: [{ $nor: [] }] }).message).to.equal(
      'expected an operator of `$or[0]` to be one of $and, $or, $not, got "$nor" (string)',
    );
    expect(refusal({ 'payload.x': { $gt: 1, name: 2 } }).message).to.include('"name"');
  });

  it('refuses fields no event has, and says which there are', () => {
    expect(refusal({ typ: 'a' }).message).to.match(/^expected a filter's field to be one of id, type, .*got "typ"/);
    for (const path of ['payloads.x', 'type.x', ''])
      expect(refusal({ [path]: 1 }).code).to.match(/INVALID_(FILTER|PATH)/);
    for (const path of ['payload.__proto__.x', 'metadata.constructor', 'payload.prototype', 'payload..x'])
      expect(refusal({ [path]: 1 }).code, path).to.equal('INVALID_PATH');
    expect(refusal(JSON.parse('{"__proto__": 1}')).code).to.equal('INVALID_PATH');
  });

  it('refuses what is not a value', () => {
    const cyclic: Record<string, unknown> = {};
    cyclic['a'] = cyclic;
    cyclic['b'] = cyclic;
    let shared: unknown = 1;
    for (let level = 0; level < 60; level++) shared = { a: shared, b: shared };
    expect(refusal({ 'payload.x': shared }).code).to.equal('INVALID_FILTER');
    for (const value of [
      undefined,
      NaN,
      Infinity,
      1n,
      new Date(),
      new Map(),
      Symbol('x'),
      () => 1,
      cyclic,
      [undefined],
    ])
      expect(refusal({ 'payload.x': value }).code, typeof value).to.equal('INVALID_FILTER');
    for (const operators of [
      { $gt: {} },
      { $in: 'a' },
      { $exists: 1 },
      { $like: 5 },
      { $contains: [] },
      { $like: '*'.repeat(5_000) },
    ])
      expect(refusal({ 'payload.x': operators }).code, Object.keys(operators)[0]).to.equal('INVALID_FILTER');
    for (const where of [null, undefined, [], 'x', 1, new Map(), { $and: {} }, { $not: 1 }, { $or: [1] }])
      expect(refusal(where).code).to.equal('INVALID_FILTER');
    expect(refusal({ type: 'a*' }).code).to.equal('INVALID_PATTERN');
  });

  it('refuses a filter too deep or too wide to be meant', () => {
    let deep: Filter = {};
    for (let level = 0; level < 100_000; level++) deep = { $not: deep };
    expect(refusal(deep).code).to.equal('INVALID_FILTER');
    let nested: unknown = { $eq: 1 };
    for (let level = 0; level < 100_000; level++) nested = { $not: nested };
    expect(refusal({ 'payload.x': nested }).code).to.equal('INVALID_FILTER');
    expect(refusal({ $or: Array.from({ length: 20_000 }, () => ({ type: 'a' })) }).code).to.equal('INVALID_FILTER');
  });

  it('answers a value wildcard of 1,000 stars in milliseconds', () => {
    const event = { ...EVENT, payload: 'a'.repeat(10_000) };
    const match = (): void =>
      void expect(holds({ payload: { $like: `${'*a'.repeat(1_000)}b` } }, event)).to.equal(false);
    expect(leastMs(match, 500)).to.be.below(500);
  });
});
