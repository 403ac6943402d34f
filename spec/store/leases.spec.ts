import { expect } from 'chai';
import { Lease, createVirtualClock } from '../../lib/plugin.ts';
import type { Store, VirtualClock } from '../../lib/plugin.ts';
import { memory } from '../../plugins/memory/index.ts';

const ttlMs = 9_000;

describe('Lease', () => {
  let store: Store;
  let clock: VirtualClock;

  beforeEach(async () => {
    clock = createVirtualClock();
    store = memory();
    await store.open({ clock });
  });

  afterEach(() => store.close());

  it('is held, renewed and taken over after the holder fell silent', async () => {
    const told: string[] = [];
    const stopA = hold('a', told);
    await clock.advance(0);
    const stopB = hold('b', told);
    await clock.advance(ttlMs * 3);
    expect(told).to.deep.equal(['a acquired 1']);
    await stopA();
    await clock.advance(ttlMs);
    expect(told).to.deep.equal(['a acquired 1', 'b acquired 2']);
    await stopB();
  });

  it('ends by itself where the holder could not renew in time', async () => {
    const lease = contend('a');
    await lease.attempt();
    await clock.advance(ttlMs - 1);
    expect(lease.fence).to.deep.equal({ lease: 'sweeper', epoch: 1 });
    await clock.advance(1);
    expect(lease.fence).to.equal(undefined);
    expect(await lease.attempt()).to.deep.equal({ lease: 'sweeper', epoch: 1 });
  });

  it('tells the holder that it was lost', async () => {
    const told: string[] = [];
    const stop = hold('a', told);
    await clock.advance(0);
    await store.putDocument('leases', 'sweeper', { owner: 'b', token: 'other', epoch: 7 });
    await clock.advance(ttlMs / 3);
    expect(told).to.deep.equal(['a acquired 1', 'a lost']);
    await stop();
    expect((await store.document('leases', 'sweeper'))?.value).to.include({ epoch: 7 });
  });

  it('is recognised as its own where the answer of the store was lost', async () => {
    let lose = true;
    const lossy: Pick<Store, 'document' | 'putDocument'> = {
      document: (collection, key) => store.document(collection, key),
      putDocument: async (...put) => {
        const etag = await store.putDocument(...put);
        if (!lose) return etag;
        lose = false;
        throw new Error('the answer was lost');
      },
    };
    const lease = new Lease(lossy, 'sweeper', { owner: 'a', ttlMs, clock });
    expect(await lease.attempt().catch((error: Error) => error.message)).to.equal('the answer was lost');
    expect(await lease.attempt()).to.deep.equal({ lease: 'sweeper', epoch: 1 });
  });

  it('reports a store that does not answer and tries again', async () => {
    const told: string[] = [];
    await store.close();
    const stop = hold('a', told);
    await clock.advance(0);
    await store.open({ clock });
    await clock.advance(ttlMs / 3);
    expect(told).to.deep.equal(['a failed STORE_CLOSED', 'a acquired 1']);
    await stop();
  });

  function contend(owner: string): Lease {
    return new Lease(store, 'sweeper', { owner, ttlMs, clock });
  }

  function hold(owner: string, told: string[]): () => Promise<void> {
    return contend(owner).hold({
      acquired: ({ epoch }) => told.push(`${owner} acquired ${epoch}`),
      lost: () => told.push(`${owner} lost`),
      failed: ({ code }) => told.push(`${owner} failed ${code}`),
    });
  }
});
