import { expect } from 'chai';
import { compileFilter } from '../../lib/filter/compile.ts';
import { count } from '../../lib/history/lookup.ts';
import { summarize, type SummarizeOptions } from '../../lib/history/summarize.ts';
import type { Store } from '../../lib/store/port.ts';
import { Stores } from '../postgres/stores.ts';
import { withEachDriver } from '../sqlite/drivers.ts';
import { cleanUp, freshStore } from '../sqlite/files.ts';
import { START, checkCounting, fillForCounting, telling } from './counting.ts';

const RUNS = 150;
const EXPRESSIBLE: readonly SummarizeOptions[] = [
  {},
  { by: 'type' },
  { by: ['entity', 'schemaVersion'], bucket: '1h', min: 'time', max: 'position' },
  { by: 'type', pattern: 'task.*', top: 1 },
  { by: 'type', pattern: 'task.**' },
  { by: 'source', entity: 'agent/*' },
  { by: 'correlationId', from: new Date(START), to: 100 },
  { by: 'type', where: { $or: [{ source: 'planner' }, { time: { $gt: START } }], entity: { $exists: true } } },
];
const BEYOND: readonly SummarizeOptions[] = [
  { by: 'payload.n' },
  { by: 'type', sum: 'position' },
  { by: 'type', max: 'payload.n' },
  { by: 'type', where: { 'payload.n': 1 } },
  { by: 'type', where: { type: { $like: 't*' } } },
];
const ODD_NUMBERS = [
  { position: { $gt: 1.5 } },
  { position: { $in: [1.5, 2] } },
  { position: { $lt: 1e300 } },
  { schemaVersion: { $ne: 30_000_000_000 } },
  { revision: { $lte: -0.5 } },
  { time: { $in: [START, START + 0.25] } },
];

async function opened(store: Store): Promise<Store> {
  await store.open();
  return store;
}

function itCounts(open: () => Promise<Store>, clean: (store: Store) => unknown): void {
  let store: Store;
  before(async () => {
    store = await open();
    await fillForCounting(store);
  });
  after(async () => {
    await store?.close();
    if (store) await clean(store);
  });

  it('gives the answers that reading gives, whatever is asked', async function () {
    this.timeout(60_000);
    const { answered, refused } = await checkCounting(store, RUNS);
    expect(answered).to.be.above(RUNS / 3);
    expect(refused).to.be.above(0);
  });

  it('counts where the events lie what fields of the envelope tell', async () => {
    for (const options of EXPRESSIBLE) {
      const { store: told, figures } = telling(store);
      await summarize(told, options);
      expect(figures, JSON.stringify(options)).to.deep.equal({ answered: 1, refused: 0 });
    }
    const one = telling(store);
    expect(await count(one.store, { type: 'task' })).to.be.above(0);
    expect(one.figures).to.deep.equal({ answered: 1, refused: 0 });
  });

  it('compares whole numbers with fractions and with numbers beyond its columns', async () => {
    for (const where of ODD_NUMBERS) {
      const matches = compileFilter(where);
      let wanted = 0;
      for await (const event of store.read()) if (matches(event)) wanted++;
      expect(await count(store, { where }), JSON.stringify(where)).to.equal(wanted);
    }
  });

  it('reads the events for everything else', async () => {
    for (const options of BEYOND) {
      const { store: told, figures } = telling(store);
      await summarize(told, options);
      expect(figures.answered, JSON.stringify(options)).to.equal(0);
    }
  });
}

describe('summaries of a store that counts by itself', () => {
  withEachDriver((driver) => {
    describe(`sqlite with ${driver}`, () => {
      itCounts(() => opened(freshStore({ driver })), cleanUp);
    });
  });

  describe('postgres', () => {
    const stores = new Stores();
    before(async function () {
      await stores.begin(this);
    });
    itCounts(
      () => opened(stores.create()),
      (store) => stores.cleanUp(store),
    );
  });
});
