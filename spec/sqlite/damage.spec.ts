import { expect } from 'chai';
import { deflateRawSync } from 'node:zlib';
import { copyStore } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { buildEvent, buildEvents } from '../../plugins/contract/build-event.ts';
import { loadDriver } from '../../plugins/sqlite/drivers.ts';
import { memory } from '../../plugins/memory/index.ts';
import { verify } from '../../plugins/sqlite/index.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { withEachDriver } from './drivers.ts';
import { cleanUp, freshStore, pathOf, storeAt } from './files.ts';

const DAMAGES: Readonly<Record<string, string>> = {
  'a payload that is no JSON': `payload = '{"a'`,
  'a high bit in a payload': `payload = CAST(x'22e1ff22' AS TEXT)`,
  'a high bit in a type': `type = CAST(x'74ff' AS TEXT)`,
  'a payload that cannot be unpacked': `payload = '', packed = x'00112233'`,
  'metadata that are no JSON': `metadata = '{'`,
};

describe('sqlite: damaged rows', () => {
  let store: Store;
  afterEach(async () => {
    await store.close();
    cleanUp(store);
  });

  withEachDriver((driver) => {
    for (const [name, set] of Object.entries(DAMAGES))
      it(`names the position of a row with ${name}, and can remove it, with ${driver}`, async () => {
        await damage(driver, `UPDATE telltale_events SET ${set} WHERE position = 2`);
        const error = await rejectionOf(eventsOf(store));
        expect(error).to.include({ code: 'STORE_CORRUPT' });
        expect(error.details).to.include({ position: 2 });
        expect(store.health()).to.include({ status: 'open' });
        expect(store.health().notices.join()).to.match(/position 2 is damaged/);
        expect((await verify(pathOf(store), { driver })).findings).to.deep.include({
          position: 2,
          problem: 'the event cannot be read: sqlite: the row at position 2 is damaged',
        });
        expect(await store.remove([{ from: 2, to: 2 }], 'damaged')).to.equal(1);
        expect((await eventsOf(store)).map(({ position }) => position)).to.deep.equal([1, 3]);
        expect((await store.append([buildEvent()])).position).to.equal(4);
        expect((await verify(pathOf(store), { driver })).findings).to.deep.equal([]);
      });
  });

  for (const [what, set] of Object.entries({
    id: `id = 'xone'`,
    revision: 'revision = revision + 1',
    entity: 'entity = NULL',
    checksum: 'checksum = checksum + 1',
  }))
    it(`names the position of a removed event with another ${what}, so that no copy makes it right`, async () => {
      await damage(undefined, `UPDATE telltale_tombstones SET ${set}`, async (fresh) => {
        await fresh.append(buildEvents(1, { id: 'gone', entity: 'task/b' }));
        await fresh.remove([{ from: 4, to: 4 }], 'x');
      });
      for (const read of [() => store.tombstones({ from: 1, to: 9 }, 9), () => copyStore(store, memory())]) {
        const error = await rejectionOf(read());
        expect(error).to.include({ code: 'STORE_CORRUPT' });
        expect(error.details).to.include({ position: 4 });
      }
    });

  it('tells of a row that is no JSON where a filter would be answered by SQLite', async () => {
    await damage(undefined, `UPDATE telltale_events SET payload = '{"a' WHERE position = 2`);
    const query = { where: { 'payload.total': 1 } };
    expect(await rejectionOf(eventsOf(store, query))).to.include({ code: 'STORE_CORRUPT' });
  });

  it('tells of a payload that was changed where checksums are compared', async () => {
    const packed = deflateRawSync('{"total":8}').toString('hex');
    await damage(undefined, `UPDATE telltale_events SET packed = x'${packed}' WHERE position = 2`);
    expect(await rejectionOf(eventsOf(store))).to.include({ code: 'STORE_CORRUPT' });
  });

  it('knows the id of a damaged row, so that it is not stored twice', async () => {
    const [, second] = await damage(undefined, `UPDATE telltale_events SET payload = '{' WHERE position = 2`);
    expect([...(await store.find([second!])).keys()]).to.deep.equal([second]);
    expect(store.health().status).to.equal('open');
  });

  withEachDriver((driver) => {
    it(`refuses an append whose condition meets a damaged row, and no other, with ${driver}`, async () => {
      await damage(driver, `UPDATE telltale_events SET payload = '{' WHERE position = 2`);
      const asking = (after: number): Promise<unknown> =>
        store.append([buildEvent()], { expect: { query: { 'payload.n': 7 }, after } });
      const [refusal, other] = await Promise.all([rejectionOf(asking(0)), store.append([buildEvent()])]);
      expect(refusal).to.include({ code: 'STORE_CORRUPT' });
      expect(refusal.details).to.include({ position: 2 });
      expect(other.position).to.equal(4);
      await asking(2);
      expect(store.health()).to.include({ status: 'open' }).and.not.to.have.property('lastError');
    });

    it(`refuses what reads damage before it writes, and goes on, with ${driver}`, async () => {
      const lease = { lease: 'l', epoch: 1 };
      await damage(
        driver,
        `UPDATE telltale_events SET payload = '{' WHERE position = 2;
         INSERT INTO telltale_documents VALUES ('leases', 'l', CAST(x'ff' AS TEXT), '1', 0)`,
      );
      const [first] = (await store.page({ after: 0, through: 1, descending: false, limit: 1 })).events;
      for (const change of [
        () => store.rewrite([{ ...first!, position: 2 }]),
        () => store.remove([{ from: 1, to: 1 }], 'x', lease),
        () => store.putDocument('c', 'k', 1, { fence: lease }),
      ])
        expect(await rejectionOf(change())).to.include({ code: 'STORE_CORRUPT' });
      expect(store.health().status).to.equal('open');
      expect((await store.append([buildEvent()])).position).to.equal(4);
    });

    it(`reads around texts that are none, with ${driver}`, async () => {
      const noText = `CAST(x'61ff' AS TEXT)`;
      await damage(
        driver,
        `INSERT INTO telltale_documents VALUES ('c', 'whole', '1', '1', 0), ('c', 'bad', ${noText}, '2', 0), (${noText}, 'k', '1', '3', 0);
         UPDATE telltale_paths SET path = ${noText} WHERE number = 1;
         UPDATE telltale_events SET type = ${noText} WHERE position = 2;
         UPDATE telltale_tombstones SET hash = ${noText}; UPDATE telltale_removals SET reason = ${noText}`,
        async (fresh) => {
          await fresh.append(buildEvents(1, { id: 'gone' }));
          await fresh.remove([{ from: 4, to: 4 }], 'x');
        },
      );
      expect((await store.document('c', 'whole'))?.value).to.equal(1);
      for (const read of [() => store.document('c', 'bad'), () => store.listDocuments('c'), () => store.collections()])
        expect(await rejectionOf(read())).to.include({ code: 'STORE_CORRUPT' });
      expect((await rejectionOf(store.tombstones({ from: 1, to: 9 }, 9))).details).to.include({ position: 4 });
      expect([...(await store.find(['gone'])).keys()]).to.deep.equal(['gone']);
      expect((await store.removed()).map(({ from }) => from)).to.deep.equal([4]);
      const tally = { by: ['type'], numbers: [], withoutReserved: false, after: 0, through: 3, limit: 9 } as const;
      expect(await store.summarize(tally), 'it is counted by reading').to.equal(undefined);
      await store.putDocument('c', 'bad', 2);
      expect((await store.document('c', 'bad'))?.value).to.equal(2);
      expect(store.health().status).to.equal('open');
    });
  });

  it('finds texts in a log with a damaged row, which is told', async () => {
    const fresh = freshStore({ search: true });
    store = fresh;
    await fresh.open();
    await fresh.append(buildEvents(600, { payload: { text: 'common' } }));
    await fresh.close();
    const own = loadDriver().open(pathOf(fresh));
    own.exec(`DELETE FROM telltale_search; DELETE FROM telltale_search_blocks;
      UPDATE telltale_events SET payload = '{' WHERE position = 2`);
    own.close();
    await fresh.open();
    await (fresh as Store & { idle(): Promise<void> }).idle();
    expect(fresh.health().notices).to.deep.equal([]);
    const search = (word: string): Promise<unknown> =>
      eventsOf(fresh, { through: 512, words: { words: [word], in: ['payload'] } });
    expect(await rejectionOf(search('seldom')), 'it may have had the word').to.include({ code: 'STORE_CORRUPT' });
    await fresh.remove([{ from: 2, to: 2 }], 'damaged');
    await (fresh as Store & { idle(): Promise<void> }).idle();
    expect(await search('seldom')).to.deep.equal([]);
  });

  it('stops where an event is at a position that the head has not given yet', async () => {
    await damage(undefined, 'UPDATE telltale_log SET position = 1');
    const error = await rejectionOf(store.append([buildEvent()]));
    expect(error).to.include({ code: 'STORE_FAILED' });
    expect(error.cause).to.include({ code: 'STORE_CORRUPT' });
    expect(store.health().status).to.equal('failed');
    expect(await rejectionOf(store.append([buildEvent()]))).to.include({ code: 'STORE_FAILED' });
  });

  for (const sql of ['DELETE FROM telltale_log', 'DROP TABLE telltale_log', 'DROP TABLE telltale_events'])
    it(`says what is missing where somebody ran ${sql}`, async () => {
      const fresh = freshStore({});
      store = fresh;
      await fresh.open();
      await fresh.append(buildEvents(2));
      await fresh.close();
      const own = loadDriver().open(pathOf(fresh));
      own.exec(sql);
      own.close();
      const { findings } = await verify(pathOf(fresh));
      expect(findings.map(({ problem }) => problem).join()).to.match(/telltale_(?:log|events)|counters of the log/);
      const error = await rejectionOf(fresh.open().then(() => eventsOf(fresh)));
      expect(error.code).to.equal('STORE_CORRUPT');
    });

  async function damage(
    driver: Parameters<typeof loadDriver>[0],
    sql: string,
    before?: (fresh: Store) => Promise<void>,
  ): Promise<readonly string[]> {
    const options = { checkOnRead: true, ...(driver !== undefined && { driver }) };
    const fresh = freshStore(options);
    await fresh.open();
    const events = buildEvents(3, { entity: 'task/a', metadata: { requestId: 'r' } });
    await fresh.append(events);
    await before?.(fresh);
    await fresh.close();
    const own = loadDriver(driver).open(pathOf(fresh));
    own.exec(sql);
    own.close();
    store = storeAt(pathOf(fresh), options);
    await store.open();
    return events.map(({ id }) => id);
  }
});

async function eventsOf(store: Store, query: Parameters<Store['read']>[0] = {}): Promise<{ position: number }[]> {
  const events = [];
  for await (const event of store.read(query)) events.push(event);
  return events;
}
