import { expect } from 'chai';
import { createBus } from '../../lib/bus.ts';
import { createTestBus } from '../../lib/testing.ts';
import { memory } from '../../plugins/memory/index.ts';
import { codeOf, refusalOf } from '../support/code-of.ts';
import { FlakyStore } from '../support/flaky-store.ts';
import { logged } from '../support/logged.ts';
import { rejectionOf } from '../support/rejection-of.ts';

describe('bus.batch', () => {
  it('stores all of its events at consecutive positions and dispatches them then, in order', async () => {
    const { bus, events } = await createTestBus();
    bus.emit('other', 0);
    const batch = bus.batch().add('a', 1, { entity: 'x/1' }).add('b', 2).add('a', 3, { entity: 'x/1' });
    expect(batch.size).to.equal(3);
    const commit = batch.commit();
    bus.emit('other', 4);
    expect(events.map(({ payload }) => payload)).to.deep.equal([0, 4]);
    expect(await commit).to.deep.equal({ position: 2, revisions: [1, 0, 2], durability: 'memory', duplicate: false });
    expect(events.map(({ payload }) => payload)).to.deep.equal([0, 4, 1, 2, 3]);
    const ids = new Set(events.filter(({ metadata }) => metadata.batchId).map(({ metadata }) => metadata.batchId));
    expect(ids.size).to.equal(1);
  });

  it('stores and delivers nothing when the expectation fails', async () => {
    const { bus, events } = await createTestBus();
    await bus.publish('a', 0, { entity: 'x/1' });
    const batch = bus.batch().add('a', 1, { entity: 'x/1' }).add('b', 2);
    const error = await rejectionOf(batch.commit({ expect: 'none' }));
    expect(error).to.include({ code: 'EXPECTATION_FAILED' });
    expect(events.map(({ payload }) => payload)).to.deep.equal([0]);
    expect(bus.metrics()).to.include({ offered: 3, accepted: 1, refused: 2 });
  });

  it('is a duplicate when it is committed again under the same id, a conflict with other content', async () => {
    const { bus, events } = await createTestBus();
    const commit = (last: number) => bus.batch({ id: 'import-7' }).add('a', 1).add('a', last).commit();
    const first = await commit(2);
    expect(await commit(2)).to.deep.equal({ ...first, duplicate: true });
    expect((await rejectionOf(commit(3))).code).to.equal('EVENT_CONFLICT');
    expect(events.map(({ payload }) => payload)).to.deep.equal([1, 2]);
    expect(events.map(({ metadata }) => metadata.batchId)).to.deep.equal(['import-7', 'import-7']);
  });

  it('refuses an id twice within it', async () => {
    const { bus } = await createTestBus();
    const batch = bus.batch().add('a', 1, { id: 'same' }).add('a', 1, { id: 'same' });
    expect((await rejectionOf(batch.commit())).code).to.equal('EVENT_CONFLICT');
  });

  it('forgets its events when it is discarded, and cannot be used after that', async () => {
    const { bus, events } = await createTestBus();
    const batch = bus.batch().add('a', 1).add('a', 2);
    expect(batch.discard()).to.equal(2);
    expect(codeOf(() => batch.add('a', 3))).to.equal('BATCH_DONE');
    expect((await rejectionOf(batch.commit())).code).to.equal('BATCH_DONE');
    expect(codeOf(() => batch.discard())).to.equal('BATCH_DONE');
    expect(events).to.deep.equal([]);
    expect(bus.metrics()).to.include({ offered: 0, accepted: 0 });
  });

  it('refuses a bad event where it is added, keeps a letter, and goes on without it', async () => {
    const { bus, events } = await createTestBus();
    const batch = bus.batch().add('a', 1);
    expect(codeOf(() => batch.add('a', { at: new Date() }))).to.equal('PAYLOAD_NOT_PLAIN');
    expect(codeOf(() => batch.add('a', 1, { metadata: 'text' as never }))).to.equal('PAYLOAD_NOT_PLAIN');
    await batch.commit();
    expect(events).to.have.length(1);
    expect(await bus.deadLetters.list()).to.have.length(2);
    expect(bus.metrics()).to.include({ refused: 2 });
  });

  it('refuses transient events and counts them', async () => {
    const { bus } = await createTestBus();
    const error = refusalOf(() => bus.batch().add('token', 1, { transient: true }));
    expect(error.code).to.equal('INVALID_OPTION');
    expect(bus.metrics()).to.include({ offered: 1, refused: 1, accepted: 0 });
  });

  it('resolves when it is empty', async () => {
    const { bus } = await createTestBus();
    expect(await bus.batch().commit()).to.deep.equal({
      position: 0,
      revisions: [],
      durability: 'none',
      duplicate: false,
    });
  });

  it('is delivered on a bus without store, kept nowhere', async () => {
    const bus = await createBus();
    const seen: unknown[] = [];
    bus.on('a', ({ payload }) => void seen.push(payload));
    const receipt = await bus.batch().add('a', 1).add('a', 2).commit();
    expect(receipt).to.deep.equal({ position: 0, revisions: [0, 0], durability: 'none', duplicate: false });
    expect(seen).to.deep.equal([1, 2]);
  });

  it('survives a commit that failed after it was written: stored once, delivered once, no duplicate', async () => {
    const store = new FlakyStore();
    const { bus, events, clock } = await createTestBus({ store });
    store.faults.push({ after: new Error('connection lost') });
    const commit = bus.batch().add('a', 1).add('a', 2).commit();
    await clock.advance(200);
    expect(await commit).to.deep.include({ position: 1, duplicate: false });
    expect(events.map(({ payload }) => payload)).to.deep.equal([1, 2]);
    expect(await logged(store)).to.have.length(2);
  });

  it('larger than the backlog is taken when nothing else waits, otherwise refused whole', async () => {
    const store = memory();
    const { bus } = await createTestBus({ store, backlog: { events: 3 } });
    const fill = () => [1, 2, 3, 4].reduce((batch, n) => batch.add('a', n), bus.batch());
    expect(await fill().commit()).to.include({ position: 1 });
    const one = bus.publish('b', null);
    expect((await rejectionOf(fill().commit())).code).to.equal('STORE_BACKLOG_FULL');
    await one;
    expect(await logged(store)).to.have.length(5);
  });

  it('cannot be committed from outside a bus that closes', async () => {
    const { bus } = await createTestBus();
    const batch = bus.batch().add('a', 1);
    await bus.close();
    expect((await rejectionOf(batch.commit())).code).to.equal('BUS_CLOSED');
  });
});
