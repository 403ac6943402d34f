import { expect } from 'chai';
import { createBus, memory } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { buildEvent } from '../support/event-builder.ts';

/** 256 operations in a turn of the loop, of which the first may have begun before it is looked at. */
const MOST = 2 * 256 + 2;

/** How often `operation` was carried out, one after the other, before the event loop had a turn. */
async function countInOneTurn(operation: (n: number) => Promise<unknown>): Promise<number> {
  let hasTurned = false;
  setImmediate(() => (hasTurned = true));
  for (let n = 1; ; n++) {
    await operation(n);
    if (hasTurned || n === 10_000) return n;
  }
}

describe('a store that answers at once', () => {
  const operations: Readonly<Record<string, (store: Store, n: number) => Promise<unknown>>> = {
    append: (store) => store.append([buildEvent()]),
    putDocument: (store, n) => store.putDocument('states', 'it', n),
    document: (store) => store.document('states', 'it'),
    page: (store) => store.page({ after: 0, through: 1, descending: false, limit: 1 }),
    find: (store, n) => store.find([`event ${n}`]),
    revision: (store) => store.revision('task/1'),
    head: (store) => store.head(),
  };
  for (const [name, operation] of Object.entries(operations))
    it(`gives the event loop a turn where a program only ever awaits \`${name}\``, async () => {
      const store = memory();
      await store.open();
      expect(await countInOneTurn((n) => operation(store, n))).to.be.at.most(MOST);
      await store.close();
    });

  it('gives the event loop a turn where a program only ever awaits `publish`', async () => {
    await using bus = await createBus({ source: 'spec', store: memory() });
    expect(await countInOneTurn((n) => bus.publish('task.created', { n }))).to.be.at.most(MOST);
  });

  it('commits what is appended in one turn together all the same', async () => {
    const store = memory();
    await store.open();
    const sizes: number[] = [];
    store.onCommit((events) => sizes.push(events.length));
    for (let round = 0; round < 300; round++) {
      await Promise.all(Array.from({ length: 20 }, () => store.append([buildEvent()])));
    }
    expect(new Set(sizes)).to.deep.equal(new Set([20]));
    await store.close();
  });
});
