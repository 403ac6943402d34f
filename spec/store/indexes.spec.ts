import { expect } from 'chai';
import type { Filter, PageQuery, Store, StoredEvent, TelltaleEvent } from '../../lib/plugin.ts';
import { compileFilter } from '../../lib/filter/compile.ts';
import { JsonFileStore } from '../../plugins/json-file/store.ts';
import { memory } from '../../plugins/memory/index.ts';
import { openOn } from '../json-file/log-on-disk.ts';
import { MemoryDisk } from '../support/fault-fs.ts';

const EVENTS = 12_000;
const INDEX = ['payload.total', 'payload.open', 'metadata.tenant', 'source'];

const STORES: readonly [string, () => Promise<Store>][] = [
  ['memory', async () => opened(memory({ index: INDEX }))],
  ['json-file', () => openOn(new MemoryDisk(), { durability: 'os', segmentEvents: 4_000, index: INDEX })],
  ['json-file, compressed', () => openOn(new MemoryDisk(), { ...PACKED, index: INDEX })],
];
const PACKED = { durability: 'os', segmentEvents: 4_000, compress: true } as const;

async function opened(store: Store): Promise<Store> {
  await store.open();
  return store;
}

/** Times are not in order, as those of several machines. */
function build(n: number): TelltaleEvent {
  const id = `e-${n}`;
  return {
    id,
    type: `task.t${n % 50}`,
    source: `worker.${n % 250}`,
    time: 1_000_000 + n + (n % 7) * 3,
    entity: n % 100 === 3 ? `order/${n % 1_000}` : `task/${n % 600}`,
    correlationId: `c-${n % 700}`,
    ...(n > 0 && { causationId: `e-${n - (n % 9) - 1}` }),
    schemaVersion: 1,
    payload: { total: n % 300, open: n % 200 === 0, text: `text ${n}` },
    metadata: {
      conversationId: `v-${n % 500}`,
      requestId: `r-${n % 400}`,
      tenant: n % 3 === 0 ? n % 90 : String(n % 90),
    },
  };
}

async function ask(
  store: Store,
  query: Partial<PageQuery>,
): Promise<{ found: StoredEvent[]; scanned: number; indexes: Set<string | undefined> }> {
  const [found, indexes] = [[] as StoredEvent[], new Set<string | undefined>()];
  let scanned = 0;
  for (let after = query.after ?? 0; ;) {
    const page = await store.page({ through: EVENTS, descending: false, limit: 100, ...query, after });
    found.push(...page.events);
    scanned += page.scanned!;
    if (page.index !== undefined || page.events.length > 0) indexes.add(page.index);
    if (page.done) return { found, scanned, indexes };
    after = page.looked;
  }
}

const QUESTIONS: readonly [Filter, string][] = [
  [{ id: 'e-77' }, 'id'],
  [{ id: { $in: ['e-77', 'e-11000', 'nobody'] } }, 'id'],
  [{ correlationId: 'c-5' }, 'correlationId'],
  [{ causationId: 'e-89' }, 'causationId'],
  [{ entity: 'task/77' }, 'entity'],
  [{ entity: 'order/*' }, 'entity'],
  [{ entity: 'nothing/*' }, 'entity'],
  [{ type: 'task.t7' }, 'type'],
  [{ type: { $in: ['task.t7', 'task.t8'] } }, 'type'],
  [{ time: { $gte: 1_004_000, $lt: 1_004_100 } }, 'time'],
  [{ time: { $gt: 1_011_950 } }, 'time'],
  [{ 'metadata.conversationId': 'v-7' }, 'metadata.conversationId'],
  [{ 'metadata.requestId': { $in: ['r-7', 'r-8'] } }, 'metadata.requestId'],
  [{ 'payload.total': 12 }, 'payload.total'],
  [{ 'payload.open': true }, 'payload.open'],
  [{ 'metadata.tenant': 12 }, 'metadata.tenant'],
  [{ 'metadata.tenant': '13' }, 'metadata.tenant'],
  [{ source: 'worker.12' }, 'source'],
  [{ source: { $in: ['worker.12', 'worker.13', 'nobody'] } }, 'source'],
  [{ $and: [{ 'payload.total': 12 }, { type: 'task.t12' }, { time: { $gt: 0 } }] }, 'payload.total'],
  [{ correlationId: 'c-5', type: { $in: ['task.t5', 'task.t6'] } }, 'correlationId'],
];

for (const [name, create] of STORES) {
  describe(`indexes of ${name}`, () => {
    const events = Array.from({ length: EVENTS }, (_, n) => build(n));
    let store: Store;

    before(async function () {
      this.timeout(30_000);
      store = await create();
      for (let n = 0; n < EVENTS; n += 1_000) await store.append(events.slice(n, n + 1_000));
      // Questions come when the segments are packed.
      if (store instanceof JsonFileStore) await store.idle();
    });

    after(() => store.close());

    for (const [where, index] of QUESTIONS) {
      it(`answer ${JSON.stringify(where)} by ${index}, looking at what satisfies it and little else`, async () => {
        const { found, scanned, indexes } = await ask(store, { where });
        const wanted = events.filter(compileFilter(where)).map(({ id }) => id);
        expect(found.map(({ id }) => id)).to.deep.equal(wanted);
        // Two conditions: one index answers, and the rest is filtered.
        const spare = Object.keys(where).length > 1 || '$and' in where ? 200 : 2;
        expect(scanned).to.be.at.most(2 * wanted.length + spare);
        if (wanted.length > 0) expect([...indexes]).to.deep.equal([index]);
      });
    }

    it('answer backwards and from the middle', async () => {
      const where = { time: { $gte: 1_004_000, $lt: 1_004_100 } };
      const wanted = events.filter(compileFilter(where)).map(({ id }) => id);
      const page = await store.page({ where, after: 0, through: EVENTS, descending: true, limit: 1_000 });
      expect(page.events.map(({ id }) => id)).to.deep.equal(wanted.toReversed());
      const { found } = await ask(store, { where, after: 4_050 });
      expect(found.map(({ id }) => id)).to.deep.equal(wanted.filter((id) => Number(id.slice(2)) >= 4_050));
    });

    it('control: what has no index is found by looking at everything, and the page says so', async () => {
      const { found, scanned, indexes } = await ask(store, { where: { 'payload.text': 'text 7' } });
      expect([found.length, scanned, [...indexes]]).to.deep.equal([1, EVENTS, [undefined]]);
    });

    it('answer what a pattern of sources satisfies by looking at everything', async () => {
      const { found, indexes } = await ask(store, { where: { source: '*.12' } });
      expect([found.length, [...indexes]]).to.deep.equal([EVENTS / 250, [undefined]]);
    });

    it('take in what a rewrite changed, and forget what was removed', async () => {
      const [before] = (await ask(store, { where: { id: 'e-5000' } })).found;
      await store.rewrite([{ ...before!, payload: { total: 12 }, metadata: { conversationId: 'another' } }]);
      expect((await ask(store, { where: { 'metadata.conversationId': 'another' } })).found).to.have.lengthOf(1);
      const twelve = await ask(store, { where: { 'payload.total': 12 } });
      expect(twelve.found.some(({ id }) => id === 'e-5000')).to.equal(true);
      expect(twelve.scanned).to.be.at.most(twelve.found.length * 2);
      await store.remove([{ from: 1, to: 6_000 }], 'old');
      for (const where of [
        { 'payload.total': 12 },
        { type: 'task.t7' },
        { entity: 'order/*' },
        { time: { $lt: 1_006_500 } },
      ]) {
        const { found, scanned } = await ask(store, { where });
        const wanted = events.slice(6_000).filter(compileFilter(where));
        expect(found.map(({ id }) => id)).to.deep.equal(wanted.map(({ id }) => id));
        expect(scanned).to.be.at.most(2 * wanted.length);
      }
    });
  });
}
