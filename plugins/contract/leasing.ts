import assert from 'node:assert/strict';
import { createVirtualClock, Lease } from '../../lib/plugin.ts';
import type { Clock, Store } from '../../lib/plugin.ts';
import { buildEvents } from './build-event.ts';
import { readAll, rejects } from './harness.ts';
import type { Chapter } from './harness.ts';

const ttlMs = 10_000;

export const leasing: Chapter = (test) => {
  test('grants a lease to one of two', async ({ store, clock }) => {
    const [a, b] = [contend(store, clock), contend(store, clock)];
    const fences = await Promise.all([a.attempt(), b.attempt()]);
    assert.equal(fences.filter((fence) => fence !== undefined).length, 1);
    assert.deepEqual(
      fences.find((fence) => fence !== undefined),
      { lease: 'sweeper', epoch: 1 },
    );
  });

  test('leaves a lease with the one who renews it', async ({ store, clock }) => {
    const [a, b] = [contend(store, clock), contend(store, clock)];
    await a.attempt();
    for (let i = 0; i < 10; i++) {
      await clock.advance(ttlMs / 2);
      assert.equal(await b.attempt(), undefined);
      assert.deepEqual(await a.attempt(), { lease: 'sweeper', epoch: 1 });
    }
  });

  test('lets a contender take over when the lease stood still on its own clock', async ({ store, clock }) => {
    const other = createVirtualClock(0);
    const [a, b] = [contend(store, clock), contend(store, other)];
    await a.attempt();
    await b.attempt();
    await clock.advance(ttlMs * 5);
    assert.equal(await b.attempt(), undefined, 'no time has passed on the clock of b');
    await other.advance(ttlMs);
    assert.deepEqual(await b.attempt(), { lease: 'sweeper', epoch: 2 });
    assert.equal(a.fence, undefined);
    assert.equal(await a.attempt(), undefined);
  });

  test('hands a lease over at once when it is given back, with a higher epoch', async ({ store, clock }) => {
    const [a, b] = [contend(store, clock), contend(store, clock)];
    await a.attempt();
    await a.release();
    assert.deepEqual(await b.attempt(), { lease: 'sweeper', epoch: 2 });
    assert.equal(await a.attempt(), undefined);
  });

  test('carries the epoch on when it is opened anew', async ({ store, clock, reopen }) => {
    await contend(store, clock).attempt();
    const again = await reopen();
    const b = contend(again, clock);
    assert.equal(await b.attempt(), undefined);
    await clock.advance(ttlMs);
    assert.equal((await b.attempt())?.epoch, 2);
  });

  test('refuses the changes of a holder that was superseded', async ({ store, clock }) => {
    await store.append(buildEvents(2));
    const [event] = await readAll(store);
    const a = contend(store, clock);
    const old = (await a.attempt())!;
    await store.putDocument('checkpoints', 'c', 1, { fence: old });
    await a.release();
    const fence = (await contend(store, clock).attempt())!;
    await rejects(store.putDocument('checkpoints', 'c', 2, { fence: old }), 'LEASE_LOST');
    await rejects(store.remove([{ from: 1, to: 1 }], 'contract', old), 'LEASE_LOST');
    await rejects(store.rewrite([event!], old), 'LEASE_LOST');
    await rejects(store.remove([{ from: 1, to: 1 }], 'contract', { lease: 'never', epoch: 1 }), 'LEASE_LOST');
    assert.equal((await store.document('checkpoints', 'c'))?.value, 1);
    await store.putDocument('checkpoints', 'c', 2, { fence });
    await store.rewrite([event!], fence);
    assert.equal(await store.remove([{ from: 1, to: 1 }], 'contract', fence), 1);
    assert.equal((await readAll(store)).length, 1);
  });
};

function contend(store: Store, clock: Clock): Lease {
  return new Lease(store, 'sweeper', { owner: 'contract', ttlMs, clock });
}
