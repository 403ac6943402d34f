import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { PageQuery, Store } from '../../lib/plugin.ts';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { Stores } from '../postgres/stores.ts';
import { withEachDriver } from '../sqlite/drivers.ts';
import { cleanUp, freshStore } from '../sqlite/files.ts';
import { buildEvent } from '../support/event-builder.ts';
import { quickFolder } from '../support/quick-folder.ts';

const MEBIBYTE = 1024 * 1024;
const EVENTS = 320;
/** Each is no more than its share of a page and as much again, and one event more. */
const MOST_BYTES = (2 * 16 + 4.1) * MEBIBYTE;

/** Some are large in their payload or in their metadata, most are not, and all together are 60 MiB. */
function eventOf(n: number): ReturnType<typeof buildEvent> {
  const text = textOf(n);
  const isOdd = n % 64 === 0;
  return buildEvent({
    id: `e${n}`,
    entity: 'task/1',
    payload: { n, text: isOdd ? '' : text },
    metadata: isOdd ? { text } : {},
  });
}

function textOf(n: number): string {
  return 'x'.repeat(n % 32 === 0 ? 4 * MEBIBYTE : 60_000);
}

interface Opened {
  readonly open: () => Promise<Store>;
  readonly clean: (store: Store) => unknown;
}

function itEndsPages({ open, clean }: Opened): void {
  let store: Store;
  before(async function () {
    this.timeout(120_000);
    store = await open();
    for (let n = 1; n <= EVENTS; n += 32) await store.append(Array.from({ length: 32 }, (_, i) => eventOf(n + i)));
  });
  after(async () => {
    await store?.close();
    if (store) await clean(store);
  });

  async function read(query: Partial<PageQuery>): Promise<{ numbers: number[]; most: number }> {
    const numbers: number[] = [];
    let most = 0;
    let range: PageQuery = { after: 0, through: EVENTS, descending: false, limit: 1_000, ...query };
    for (;;) {
      const { events, looked, done } = await store.page(range);
      let bytes = 0;
      for (const { position, payload, metadata } of events) {
        const { n, text } = payload as { n: number; text: string };
        const whole = text === '' ? (metadata['text'] as string) : text;
        expect([n, whole.length]).to.deep.equal([position, textOf(position).length]);
        numbers.push(n);
        bytes += whole.length;
      }
      most = Math.max(most, bytes);
      if (done) return { numbers, most };
      range = range.descending ? { ...range, through: looked - 1 } : { ...range, after: looked };
    }
  }

  const all = Array.from({ length: EVENTS }, (_, i) => i + 1);
  const queries: readonly (readonly [name: string, query: Partial<PageQuery>])[] = [
    ['from the first', {}],
    ['from the last', { descending: true }],
    ['by an index', { entity: 'task/1' }],
    ['by a filter that no database takes over', { where: { 'payload.text': { $like: '*' } }, descending: true }],
    ['few at a time', { limit: 7 }],
  ];
  for (const [name, query] of queries)
    it(name, async function () {
      this.timeout(60_000);
      const { numbers, most } = await read(query);
      expect(numbers).to.deep.equal(query.descending === true ? all.toReversed() : all);
      expect(most).to.be.below(MOST_BYTES);
    });
}

describe('a page of large events has no more than some, and the next has the others', () => {
  withEachDriver((driver) => {
    describe(`sqlite with ${driver}`, () => {
      itEndsPages({ open: () => opened(freshStore({ driver })), clean: cleanUp });
    });
  });

  describe('json-file', () => {
    const folder = mkdtempSync(join(quickFolder(), 'telltale-large-'));
    itEndsPages({ open: () => opened(jsonFile(folder)), clean: () => rmSync(folder, { recursive: true }) });
  });

  describe('postgres', () => {
    const stores = new Stores();
    before(async function () {
      await stores.begin(this);
    });
    itEndsPages({ open: () => opened(stores.create({ timeout: '60s' })), clean: (store) => stores.cleanUp(store) });
  });
});

async function opened(store: Store): Promise<Store> {
  await store.open();
  return store;
}
