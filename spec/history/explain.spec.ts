import { expect } from 'chai';
import { createVirtualClock } from '../../lib/clock.ts';
import { ResultCache } from '../../lib/history/cache.ts';
import { query } from '../../lib/history/query.ts';
import { search } from '../../lib/history/search.ts';
import type { Filter } from '../../lib/filter/language.ts';
import type { Store } from '../../lib/store/port.ts';
import { memory } from '../../plugins/memory/index.ts';
import { buildEvent } from '../support/event-builder.ts';

const clock = createVirtualClock();

function build(i: number) {
  return buildEvent({
    id: `e${i}`,
    type: i % 10 === 0 ? 'task.failed' : 'task.done',
    payload: { user: `u${i % 4}`, text: `text ${i}` },
    metadata: { team: 'red' },
  });
}

describe('explain', () => {
  let store: Store;
  before(async () => {
    store = memory();
    await store.open({ clock });
    await store.append(Array.from({ length: 200 }, (_, i) => build(i)));
  });

  const suggestion = async (where: Filter): Promise<string | undefined> =>
    (await query(store, { where }).explain()).suggestion;

  it('tells the index that answered, what was looked at and what was found', async () => {
    const told = await query(store, { type: 'task.failed' }, { clock }).explain();
    expect(told).to.deep.equal({ index: 'type', scanned: 20, matched: 20, tookMs: 0 });
  });

  it('tells that everything was looked at, and which index would have helped', async () => {
    const told = await query(store, { where: { 'payload.user': 'u1' } }, { clock }).explain();
    expect(told).to.deep.equal({ scanned: 200, matched: 50, tookMs: 0, suggestion: 'payload.user' });
  });

  it('suggests what is compared for equality in any case, and nothing else', async () => {
    expect(await suggestion({ 'payload.user': { $in: ['u1', 'u9'] } })).to.equal('payload.user');
    expect(await suggestion({ source: 'nobody' })).to.equal('source');
    expect(await suggestion({ $and: [{ type: 'task.*' }, { 'payload.user': 'u1' }] })).to.equal('payload.user');
    for (const where of [
      { 'payload.user': { $ne: 'u1' } },
      { 'payload.user': { $like: 'u*' } },
      { 'payload.user': { $in: [] } },
      { 'payload.user': { a: 1 } },
      { $or: [{ 'payload.user': 'u1' }, { type: 'task.failed' }] },
      { $not: { 'payload.user': 'u1' } },
      { source: 'nobody.*' },
    ])
      expect(await suggestion(where), JSON.stringify(where)).to.equal(undefined);
  });

  it('suggests nothing where at least half of what was looked at was wanted, or the path has answered', async () => {
    expect(await suggestion({ 'metadata.team': 'red' })).to.equal(undefined);
    const indexed = new Proxy(store, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        if (name !== 'page') return value.bind(target) as unknown;
        return async (asked: never) => ({ ...(await target.page(asked)), index: 'payload.user', scanned: 120 });
      },
    });
    const told = await query(indexed, { where: { 'payload.user': 'u1' } }, { clock }).explain();
    expect(told).to.deep.equal({ index: 'payload.user', scanned: 120, matched: 50, tookMs: 0 });
  });

  it('tells the same of a search', async () => {
    const told = await search(store, 'text 15', { where: { 'payload.user': 'u3' } }, { clock }).explain();
    expect(told).to.deep.equal({ scanned: 200, matched: 5, tookMs: 0, suggestion: 'payload.user' });
  });

  it('goes past the cache, and is about one page', async () => {
    const cache = new ResultCache({ entries: 10, bytes: 1e6, ttlMs: 1e6 }, clock);
    const asked = { type: 'task.done', limit: 7 };
    await query(store, asked, { clock, cache });
    const told = await query(store, asked, { clock, cache }).explain();
    expect(told).to.include({ matched: 7 });
    expect(told.scanned).to.be.within(7, 180);
    expect(cache.figures).to.include({ hits: 0, misses: 1 });
  });

  it('refuses what the query itself refuses', async () => {
    let code: unknown;
    await query(store, { limit: 0 })
      .explain()
      .catch((error: { code: string }) => (code = error.code));
    expect(code).to.equal('INVALID_QUERY');
  });
});
