import { expect } from 'chai';
import type { Store, StoredEvent } from '../../lib/plugin.ts';
import { buildEvent, buildEvents } from '../../plugins/contract/build-event.ts';
import { loadDriver } from '../../plugins/sqlite/drivers.ts';
import { verify } from '../../plugins/sqlite/index.ts';
import { longestHoldMs } from '../support/loop-hold.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { cleanUp, freshStore, pathOf, storeAt } from './files.ts';

describe('sqlite: the file', function () {
  this.timeout(30_000);

  let store: Store;
  afterEach(async () => {
    await store.close();
    cleanUp(store);
  });

  async function openFresh(options: Parameters<typeof freshStore>[0] = {}): Promise<void> {
    store = freshStore(options);
    await store.open();
  }

  async function readAll(from = store): Promise<StoredEvent[]> {
    const events: StoredEvent[] = [];
    for await (const event of from.read()) events.push(event);
    return events;
  }

  /** Does to the file what no store would. */
  function tamper(sql: string): void {
    const database = loadDriver().open(pathOf(store));
    database.exec(sql);
    database.close();
  }

  it('syncs every commit, and says so', async () => {
    await openFresh();
    expect((await store.append([buildEvent()])).durability).to.equal('disk');
    expect(store.supports).to.include({ durability: 'disk', shared: true });
    await store.close();
    store = storeAt(pathOf(store), { durability: 'os' });
    await store.open();
    expect((await store.append([buildEvent()])).durability).to.equal('os');
    await store.sync();
    expect(store.health().diskFreeBytes).to.be.greaterThan(0);
  });

  it('keeps large payloads packed and gives them back exactly, also rewritten and removed', async () => {
    await openFresh({ compressAbove: 2_048, checkOnRead: true, index: ['payload.lane'] });
    const texts = ['short', 'repetitive '.repeat(500), 'ä€😀'.repeat(60_000), 'x'.repeat(3_000_000)];
    const given = texts.map((text, n) => buildEvent({ payload: { lane: `l-${n}`, text } }));
    for (const event of given) await store.append([event]);
    const events = await readAll();
    expect(events.map(({ payload }) => payload)).to.deep.equal(given.map(({ payload }) => payload));
    const { storedBytes, originalBytes } = await store.size();
    expect(originalBytes).to.be.greaterThan(3_500_000);
    expect(storedBytes).to.be.lessThan(originalBytes / 5);
    for (const n of [0, 1, 2, 3]) {
      const page = await store.page({
        after: 0,
        through: 9,
        descending: false,
        limit: 9,
        where: { 'payload.lane': `l-${n}` },
      });
      expect(page).to.include({ index: 'payload.lane' });
      expect(page.events.map(({ position }) => position)).to.deep.equal([n + 1]);
    }
    await store.rewrite([{ ...events[3]!, payload: { lane: 'new', text: 'y'.repeat(5_000) } }]);
    expect(((await readAll())[3]!.payload as { text: string }).text).to.equal('y'.repeat(5_000));
    await store.remove([{ from: 1, to: 3 }], 'x');
    expect((await verify(pathOf(store))).findings).to.deep.equal([]);
  });

  it('packs payloads by their bytes, not by their characters', async () => {
    await openFresh({ compressAbove: 2_048 });
    const texts = ['a'.repeat(2_046), 'a'.repeat(2_047), 'é'.repeat(1_023), 'é'.repeat(1_024), '😀'.repeat(600)];
    for (const payload of texts) await store.append([buildEvent({ payload })]);
    const database = loadDriver().open(pathOf(store));
    const rows = database.prepare('SELECT packed IS NOT NULL AS packed FROM telltale_events ORDER BY position').all([]);
    database.close();
    expect(rows.map(({ packed }) => packed)).to.deep.equal([0, 1, 0, 1, 1]);
    expect((await readAll()).map(({ payload }) => payload)).to.deep.equal(texts);
  });

  it('finds each fault that is made in the file, and none in one that is whole', async () => {
    await openFresh();
    await store.append(buildEvents(20, { entity: 'task/a', metadata: { requestId: 'r' } }));
    await store.remove([{ from: 5, to: 6 }], 'x');
    await store.putDocument('checkpoints', 'c', { position: 20 }, { position: 20 });
    expect(await verify(pathOf(store))).to.deep.include({ head: 20, events: 18, findings: [], found: 0 });
    const faults: readonly (readonly [sql: string, problem: RegExp])[] = [
      ['UPDATE telltale_events SET payload = \'{"a":1}\' WHERE position = 3', /checksum/],
      [`UPDATE telltale_events SET payload = '{' WHERE position = 4`, /cannot be read/],
      ['DELETE FROM telltale_events WHERE position = 8', /no event and no removal is recorded up to 8/],
      ['DELETE FROM telltale_removals', /no event and no removal is recorded up to 6/],
      ['DELETE FROM telltale_keys WHERE position = 10', /index of metadata\.requestId/],
      [`UPDATE telltale_documents SET named = 99`, /names position 99/],
      ['UPDATE telltale_events SET revision = 12 WHERE position = 11', /there twice/],
      ['UPDATE telltale_log SET events = 1', /1 events .* are counted/],
      ['UPDATE telltale_log SET position = 19', /head .* is 19/],
    ];
    const problems = new Set<string>();
    for (const [sql, problem] of faults) {
      tamper(sql);
      const { findings } = await verify(pathOf(store));
      const found = findings.map((finding) => finding.problem).filter((text) => !problems.has(text));
      expect(found.join('\n'), sql).to.match(problem);
    }
  });

  it('refuses a damaged row where it is asked to look, and names it', async () => {
    await openFresh();
    await store.append(buildEvents(3));
    tamper(`UPDATE telltale_events SET payload = '"other"' WHERE position = 2`);
    expect((await readAll()).length).to.equal(3);
    const checking = storeAt(pathOf(store), { checkOnRead: true, readOnly: true });
    await checking.open();
    const error = await rejectionOf(readAll(checking));
    expect(error.code).to.equal('STORE_CORRUPT');
    expect(error.details['position']).to.equal(2);
    await checking.close();
  });

  it('fills an index that another process has added since', async () => {
    await openFresh();
    await store.append([buildEvent({ payload: { lane: 'a' } })]);
    const other = storeAt(pathOf(store), { index: ['payload.lane'] });
    await other.open();
    await (other as Store & { idle(): Promise<void> }).idle();
    await store.append([buildEvent({ payload: { lane: 'a' } })]);
    const query = { after: 0, through: 9, descending: false, limit: 9, where: { 'payload.lane': 'a' } };
    for (const one of [other, store]) {
      const { index, events } = await one.page(query);
      expect([index, events.length]).to.deep.equal(['payload.lane', 2]);
    }
    await other.close();
  });

  it('takes over a stretch of another log', async () => {
    await openFresh();
    await store.append(buildEvents(5, { entity: 'task/a' }));
    await store.remove([{ from: 2, to: 3 }], 'x');
    const source = store;
    const target = freshStore({});
    await target.open();
    await target.takeOver({
      from: 1,
      to: 5,
      storedAt: (await source.head()).storedAt,
      events: await readAll(source),
      removed: await source.removed(),
      tombstones: await source.tombstones({ from: 1, to: 5 }, 10),
    });
    expect(await readAll(target)).to.deep.equal(await readAll(source));
    expect(await target.removed()).to.deep.equal(await source.removed());
    expect(await target.revision('task/a')).to.equal(5);
    expect((await verify(pathOf(target))).findings).to.deep.equal([]);
    await target.close();
    cleanUp(target);
  });

  it('removes and rewrites 8,000 events in slices of at most 20 ms, and takes appends meanwhile', async () => {
    let held = Infinity;
    // Up to five attempts: a collection of the garbage of other specs, and what is compiled meanwhile, are not its work.
    for (let attempt = 0; attempt < 5 && held >= 20; attempt++) {
      if (attempt > 0) await store.close();
      if (attempt > 0) cleanUp(store);
      held = Math.min(held, await changeMany());
    }
    expect(held).to.be.lessThan(20);
  }).timeout(120_000);

  async function changeMany(): Promise<number> {
    await openFresh();
    for (let n = 0; n < 8; n++)
      await store.append(buildEvents(1_000, { entity: 'task/a', metadata: { requestId: 'r' } }));
    const some = (await readAll()).slice(0, 500);
    let appended = 0;
    const held = await longestHoldMs(async () => {
      const over = new AbortController();
      const work = store
        .rewrite(some.map((event) => ({ ...event, payload: 'gone' })))
        .then(() => store.remove([{ from: 1, to: 7_000 }], 'x'))
        .finally(() => over.abort());
      while (!over.signal.aborted) {
        await store.append([buildEvent()]);
        appended++;
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(await work).to.equal(7_000);
    });
    expect(appended).to.be.greaterThan(5);
    expect((await store.size()).events).to.equal(1_000 + appended);
    expect((await verify(pathOf(store))).findings).to.deep.equal([]);
    return held;
  }
});
