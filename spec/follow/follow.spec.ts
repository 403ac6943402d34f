// oxlint-disable eslint/no-underscore-dangle -- the faults lie in what a store brings
import { expect } from 'chai';
import { getEventListeners } from 'node:events';
import { createVirtualClock, systemClock } from '../../lib/clock.ts';
import { TelltaleError } from '../../lib/errors.ts';
import { follow, type Followed, type FollowOptions } from '../../lib/store/follow.ts';
import type { PageQuery } from '../../lib/plugin.ts';
import { buildEvents } from '../support/event-builder.ts';
import { FlakyStore } from '../support/flaky-store.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { turn, turnsUntil } from '../support/turns.ts';

/** A store that tells how much of it was read. */
class WatchedStore extends FlakyStore {
  pages = 0;

  protected override async _read(...asked: Parameters<FlakyStore['_read']>): ReturnType<FlakyStore['_read']> {
    this.pages++;
    return super._read(...asked);
  }
}

async function start(count: number, options: Partial<FollowOptions> = {}) {
  const store = new WatchedStore();
  await store.open();
  if (count > 0) await store.append(buildEvents(count, { type: 'a' }));
  const ending = new AbortController();
  const terms = { after: 0, signal: ending.signal, clock: systemClock, pageEvents: 10, bufferEvents: 20, ...options };
  const follower = follow(store, terms);
  return { store, follower, batches: follower[Symbol.asyncIterator](), end: () => ending.abort() };
}

const shape = ({ value }: IteratorResult<Followed, void>): unknown =>
  value && [value.events.map(({ position }) => position), value.looked];

describe('follow', () => {
  it('reads nothing before it is asked, and a page for each time it is', async () => {
    const { store, batches, end } = await start(25);
    await turn();
    expect(store.pages).to.equal(0);
    expect(shape(await batches.next())).to.deep.equal([[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 10]);
    await turn();
    expect(store.pages).to.equal(1);
    end();
    expect((await batches.next()).done).to.equal(true);
  });

  it('reads nothing once it has caught up: commits come from the feed', async () => {
    const { store, batches, end } = await start(5);
    await batches.next();
    const pages = store.pages;
    for (const count of [1, 3]) {
      const next = batches.next();
      await turn();
      await store.append(buildEvents(count));
      expect(shape(await next)).to.deep.equal(count === 1 ? [[6], 6] : [[7, 8, 9], 9]);
    }
    expect(store.pages).to.equal(pages);
    end();
  });

  it('says how far it has looked where nothing matched, in pages and in commits', async () => {
    const { store, batches, end } = await start(5, { where: { type: 'b' } });
    expect(shape(await batches.next())).to.deep.equal([[], 5]);
    await store.append(buildEvents(2));
    expect(shape(await batches.next())).to.deep.equal([[], 7]);
    await store.append(buildEvents(1, { type: 'b' }));
    expect(shape(await batches.next())).to.deep.equal([[8], 8]);
    end();
  });

  it('forgets the commits a slow reader does not fetch, and goes back to the log for them', async () => {
    const { store, follower, batches, end } = await start(1);
    await batches.next();
    const waiting = batches.next();
    await turnsUntil(() => follower.isResting);
    await store.append(buildEvents(1));
    await waiting;
    const pages = store.pages;
    for (let i = 0; i < 30; i++) await store.append(buildEvents(10));
    const seen: number[] = [];
    while (seen.length < 300) {
      const { value } = await batches.next();
      expect(value!.events.length).to.be.at.most(20);
      seen.push(...value!.events.map(({ position }) => position));
    }
    expect(seen).to.deep.equal(Array.from({ length: 300 }, (_, i) => i + 3));
    expect(store.pages).to.be.above(pages + 20);
    end();
  });

  it('keeps up while more arrives than it reads, without ever keeping it', async () => {
    const { store, batches, end } = await start(50);
    const seen: number[] = [];
    for (let i = 0; i < 40; i++) {
      await store.append(buildEvents(15));
      seen.push(...(await batches.next()).value!.events.map(({ position }) => position));
    }
    expect(seen).to.deep.equal(Array.from({ length: 400 }, (_, i) => i + 1));
    while (seen.length < 650) seen.push(...(await batches.next()).value!.events.map(({ position }) => position));
    expect(seen).to.deep.equal(Array.from({ length: 650 }, (_, i) => i + 1));
    end();
  });

  it('leaves out what was removed while it reads', async () => {
    const { store, batches, end } = await start(25);
    await batches.next();
    await store.remove([{ from: 5, to: 22 }], 'test');
    expect(shape(await batches.next())).to.deep.equal([[23, 24, 25], 25]);
    end();
  });

  it('may begin ahead of the log, and waits until it is there', async () => {
    const { store, batches, end } = await start(1, { after: 3 });
    const next = batches.next();
    await turn();
    for (let i = 0; i < 3; i++) await store.append(buildEvents(1));
    expect(shape(await next)).to.deep.equal([[4], 4]);
    end();
  });

  it('tries a store that does not answer again, with backoff, and says so', async () => {
    const clock = createVirtualClock();
    const said: unknown[] = [];
    const { store, batches, end } = await start(2, {
      clock,
      unavailable: ({ code }, attempt) => said.push([code, attempt]),
    });
    store.readFaults.push(new Error('not now'), new Error('not yet'));
    const next = batches.next();
    await clock.advance(1_000);
    expect(shape(await next)).to.deep.equal([[1, 2], 2]);
    expect(said).to.deep.equal([
      ['STORE_UNAVAILABLE', 1],
      ['STORE_UNAVAILABLE', 2],
    ]);
    end();
  });

  it('ends with the error of a store that will not answer any more', async () => {
    const { store, batches } = await start(2);
    store.readFaults.push(new TelltaleError('STORE_CORRUPT', 'bad record'));
    expect(await rejectionOf(batches.next())).to.include({ code: 'STORE_CORRUPT' });
    expect((await batches.next()).done).to.equal(true);
  });

  it('leaves nothing behind on the store and the signal', async () => {
    const { store } = await start(1);
    const ending = new AbortController();
    const { signal } = ending;
    let listeners = 0;
    const onCommit: typeof store.onCommit = (listener) => {
      listeners++;
      const leave = store.onCommit(listener);
      return () => {
        listeners--;
        leave();
      };
    };
    const seen = { head: () => store.head(), page: (query: PageQuery) => store.page(query), onCommit };
    const batches = follow(seen, { after: 0, signal, clock: systemClock })[Symbol.asyncIterator]();
    await batches.next();
    const waiting = batches.next();
    await turn();
    expect([listeners, getEventListeners(signal, 'abort').length]).to.deep.equal([1, 1]);
    ending.abort();
    await waiting;
    expect([listeners, getEventListeners(signal, 'abort').length]).to.deep.equal([0, 0]);
  });

  it('ends without an error when it is aborted, also while it waits, and when the store is closed', async () => {
    const { store, batches, end } = await start(0);
    const waiting = batches.next();
    await turn();
    end();
    expect((await waiting).done).to.equal(true);
    const clock = createVirtualClock();
    const ending = new AbortController();
    store.readFaults.push(new Error('not now'));
    await store.append(buildEvents(1));
    const retrying = follow(store, { after: 0, signal: ending.signal, clock })[Symbol.asyncIterator]();
    const next = retrying.next();
    await turn();
    ending.abort();
    expect((await next).done).to.equal(true);
    const late = follow(store, { after: 0, signal: new AbortController().signal, clock });
    await store.close();
    expect((await late[Symbol.asyncIterator]().next()).done).to.equal(true);
  });
});
