import { expect } from 'chai';
import fc from 'fast-check';
import { readPath } from '../../lib/event/path.ts';
import { compileFilter } from '../../lib/filter/compile.ts';
import type { Filter } from '../../lib/filter/language.ts';
import { hintsOf, type FilterHints } from '../../lib/filter/hints.ts';
import type { StoredEvent } from '../../lib/event/event.ts';
import { arbitraryEvent, arbitraryFilter } from '../support/filter-oracle.ts';

function covers(hints: FilterHints, event: StoredEvent): boolean {
  const { ids, types, entity, entityKind, correlationId, causationId, time, equals } = hints;
  return (
    (ids === undefined || ids.includes(event.id)) &&
    (types === undefined || types.includes(event.type)) &&
    (entity === undefined || entity === event.entity) &&
    (entityKind === undefined || event.entity?.split('/')[0] === entityKind) &&
    (equals ?? []).every(({ path, values }) => values.includes(readPath(event, path.split('.')))) &&
    (correlationId === undefined || correlationId === event.correlationId) &&
    (causationId === undefined || causationId === event.causationId) &&
    (time?.from ?? -Infinity) <= event.time &&
    (time?.to ?? Infinity) >= event.time
  );
}

const INDEXED = ['id', 'type', 'entity', 'correlationId', 'causationId', 'time'] satisfies (keyof StoredEvent)[];

describe('hintsOf', () => {
  it('names what must hold in any case', () => {
    expect(
      hintsOf({
        type: { $in: ['a', 'b'] },
        id: 'e1',
        entity: 'agent/1',
        $and: [{ correlationId: 'c1' }, { causationId: { $eq: 'p1' }, time: { $gte: 3, $lt: 9 } }],
      }),
    ).to.deep.equal({
      ids: ['e1'],
      types: ['a', 'b'],
      entity: 'agent/1',
      correlationId: 'c1',
      causationId: 'p1',
      time: { from: 3, to: 9 },
    });
  });

  it('takes the narrowest of several conditions', () => {
    expect(hintsOf({ time: { $gt: 3, $lte: 8 }, $and: [{ time: { $gte: 5 } }, { time: { $lt: 7 } }] })).to.deep.equal({
      time: { from: 5, to: 7 },
    });
    expect(hintsOf({ time: { $gt: 3 } })).to.deep.equal({ time: { from: 3 } });
    expect(hintsOf({ time: 4 })).to.deep.equal({ time: { from: 4, to: 4 } });
    expect(hintsOf({ type: { $in: ['a', 'b'] }, $and: [{ type: 'a' }] })).to.deep.equal({ types: ['a'] });
  });

  it('names the kind of entities, and the values of paths and sources', () => {
    expect(hintsOf({ source: 'a' })).to.deep.equal({ equals: [{ path: 'source', values: ['a'] }] });
    const where = {
      entity: 'agent/*',
      'payload.total': 3,
      $and: [{ 'metadata.userId': { $in: ['a', 'b'] } }, { 'payload.open': { $eq: true } }],
    };
    expect(hintsOf(where)).to.deep.equal({
      entityKind: 'agent',
      equals: [
        { path: 'payload.total', values: [3] },
        { path: 'metadata.userId', values: ['a', 'b'] },
        { path: 'payload.open', values: [true] },
      ],
    });
  });

  it('says nothing about wildcards, alternatives and negations', () => {
    for (const where of [
      { type: 'a.*' },
      { type: { $in: ['a', 'b.*'] } },
      { $or: [{ type: 'a' }] },
      { $not: { type: 'a' } },
      { type: { $ne: 'a' } },
      { type: { $in: [] } },
      { entity: { $in: ['agent/1', 'agent/2'] } },
      { id: { $in: ['e1', 1] } },
      { 'payload.a': null },
      { 'payload.a': { x: 1 } },
      { 'payload.a': { $in: [1, [2]] } },
      { 'payload.a': { $gt: 1 } },
      { source: 'a.*' },
      { source: { $in: ['a', '*'] } },
    ])
      expect(hintsOf(where), JSON.stringify(where)).to.deep.equal({});
  });

  it('always covers every event that satisfies the filter', () => {
    let useful = 0;
    fc.assert(
      fc.property(arbitraryFilter, arbitraryEvent, fc.subarray(INDEXED), (other, event, fields) => {
        // Conditions the event is sure to satisfy; by chance alone few filters would be satisfied.
        const own = Object.fromEntries(fields.map((field) => [field, event[field]]).filter(([, value]) => value));
        const where: Filter = fields.length % 2 === 0 ? { ...own, $or: [own, other] } : { $and: [other, own] };
        if (!compileFilter(where)(event)) return;
        const hints = hintsOf(where);
        if (Object.keys(hints).length > 0) useful++;
        expect(covers(hints, event)).to.equal(true);
      }),
      { numRuns: 1_500 },
    );
    expect(useful).to.be.above(500);
  });
});
