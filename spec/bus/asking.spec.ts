import { expect } from 'chai';
import { createVirtualClock } from '../../lib/clock.ts';
import { createBus, defineEvents, memory, type BusOptions } from '../../lib/index.ts';
import { rejectionOf } from '../support/rejection-of.ts';

describe('asking a bus', () => {
  it('sees what was emitted before it, however it is asked', async () => {
    const bus = await createBus({ store: memory() });
    bus.emit('note.taken', { text: 'The Disk is full' }, { id: 'n1' });
    const { hits } = await bus.search('disk');
    expect(hits.map(({ event }) => event.id)).to.eql(['n1']);
    bus.emit('note.taken', { text: 'disk again' });
    expect((await bus.stats()).events).to.equal(2);
    bus.emit('note.taken', { text: 'and again' });
    expect((await bus.query({ where: { 'payload.text': 'none' } }).explain()).scanned).to.equal(3);
    const found: string[] = [];
    for await (const { event } of bus.search('again', { direction: 'forward' }))
      found.push((event.payload as { text: string }).text);
    expect(found).to.eql(['disk again', 'and again']);
    await bus.close();
  });

  it('tells of a removed event when and why it went', async () => {
    const store = memory();
    const clock = createVirtualClock();
    const bus = await createBus({ store, clock });
    await bus.publish('note.taken', {}, { id: 'n1' });
    await store.remove([{ from: 1, to: 1 }], 'asked for');
    const removed = { position: 1, at: clock.now(), reason: 'asked for' };
    expect(await bus.get('n1')).to.deep.equal({ id: 'n1', removed });
    expect(await bus.get('n2')).to.equal(undefined);
    await bus.close();
  });

  it('needs a store', async () => {
    const bus = await createBus();
    for (const ask of [
      () => bus.get('x'),
      () => bus.count(),
      () => bus.stats(),
      () => bus.query().explain(),
      () => bus.search('x').explain(),
      () => Promise.resolve(bus.search('x')),
    ])
      expect(await rejectionOf(ask()), String(ask)).to.have.property('code', 'STORE_REQUIRED');
    await bus.close();
  });

  for (const options of [{}, { cache: false }])
    it(`keeps no answers unless it is told to: ${JSON.stringify(options)}`, async () => {
      const bus = await createBus({ store: memory(), ...options });
      await bus.publish('note.taken', {});
      const [first, second] = [await bus.query(), await bus.query()];
      expect(first.events).not.to.equal(second.events);
      expect(bus.metrics().cache).to.deep.equal({ entries: 0, bytes: 0, hits: 0, misses: 0 });
      await bus.close();
    });

  for (const [options, complaint] of [
    [{ cache: true }, /`cache` of createBus needs a `store`/],
    [{ cache: { entries: 5 } }, /`cache` of createBus needs a `store`/],
    [{ store: memory(), cache: { ttl: 0 } }, /`cache.ttl` of createBus to be a duration above 0/],
    [{ store: memory(), cache: { ttl: '0s' as const } }, /`cache.ttl` of createBus to be a duration above 0/],
  ] as const)
    it(`refuses a cache that could keep nothing: ${String(complaint)}`, async () => {
      const error = await rejectionOf(createBus(options));
      expect(error.code).to.equal('INVALID_OPTION');
      expect(error.message).to.match(complaint);
    });

  it('answers from its cache, and anew after a removal', async () => {
    const store = memory();
    const bus = await createBus({ store, cache: true });
    for (let i = 1; i <= 3; i++) await bus.publish('note.taken', { i });
    const asked = { where: { 'payload.i': { $gt: 1 } } };
    expect((await bus.query(asked)).events).to.deep.equal((await bus.query(asked)).events);
    expect(await bus.count(asked)).to.equal(await bus.count(asked));
    expect(bus.metrics().cache).to.include({ entries: 2, hits: 2, misses: 2 });
    await store.remove([{ from: 3, to: 3 }], 'test');
    expect(await bus.count(asked)).to.equal(1);
    expect(bus.metrics().cache).to.include({ entries: 1, hits: 2, misses: 3 });
    await bus.close();
  });

  it('keeps answers as they are stored: an upcaster registered later is heard', async () => {
    const events = defineEvents({ 'note.taken': {} });
    const bus = await createBus({ store: memory(), cache: { entries: 10, bytes: 100_000, ttl: '1s' }, events });
    await bus.publish('note.taken', { text: 'old' });
    expect((await bus.query()).events[0]!.payload).to.deep.equal({ text: 'old' });
    bus.schemas.register('note.taken', 2, undefined, { upcast: () => ({ text: 'new' }) });
    expect((await bus.query()).events[0]!.payload).to.deep.equal({ text: 'new' });
    expect((await bus.search('old')).hits[0]!.event.payload).to.deep.equal({ text: 'new' });
    expect(bus.metrics().cache).to.include({ hits: 1, misses: 2 });
    await bus.close();
  });

  for (const [cache, part] of [
    [{ entries: 0 }, '`cache.entries` of createBus'],
    [{ entries: 50_001 }, 'an integer from 1 to 50000'],
    [{ bytes: 1.5 }, '`cache.bytes` of createBus'],
    [{ ttl: 'soon' }, 'cache.ttl'],
    [{ size: 1 }, 'cache'],
    ['on', '`cache` of createBus'],
  ] as const)
    it(`refuses the cache ${JSON.stringify(cache)}`, async () => {
      const error = await rejectionOf(createBus({ store: memory(), cache } as unknown as BusOptions));
      expect(error.code).to.match(/^INVALID_(?:OPTION|DURATION)$/);
      expect(error.message).to.include(part);
    });
});
