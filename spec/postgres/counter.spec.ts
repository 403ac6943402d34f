import { expect } from 'chai';
import { isTelltaleError } from '../../lib/plugin.ts';
import type { PostgresStore } from '../../plugins/postgres/index.ts';
import { buildEvent, buildEvents } from '../support/event-builder.ts';
import { ask } from '../support/postgres-server.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { storesOfSuite } from './stores.ts';

describe('postgres: a log that has lost the row which counts its events', function () {
  this.timeout(60_000);
  const stores = storesOfSuite();
  let store: PostgresStore;

  beforeEach(async () => {
    store = stores.create({ partitionEvents: 8 });
    await store.open();
    await store.append(buildEvents(3));
    await ask(stores.server, `DELETE FROM ${stores.schemaOf(store)}.counter`);
  });

  afterEach(async () => {
    await store.close();
    await stores.cleanUp(store);
  });

  it('is corrupt for whoever opens it, also to read only', async () => {
    for (const readOnly of [false, true]) {
      const other = stores.again(store, { readOnly });
      const error = await rejectionOf(other.open().then(() => other.head()));
      expect(error.code, error.message).to.equal('STORE_CORRUPT');
      expect(error.message).to.include('"counter"');
      await other.close();
    }
  });

  it('is corrupt for whoever reads it', async () => {
    const query = { after: 0, through: 10, descending: false, limit: 10 };
    for (const read of [() => store.head(), () => store.page(query)])
      expect((await rejectionOf(read())).code).to.equal('STORE_CORRUPT');
  });

  const slice = { from: 4, to: 4, storedAt: 1, events: [], tombstones: [] };
  const removed = [{ from: 4, to: 4, reason: 'spec', at: 1 }];
  const condition = { expect: { query: { type: 'task.never' }, after: 0 } };
  for (const [what, write] of Object.entries({
    'an append': () => store.append([buildEvent()]),
    'one larger than all partitions': () => store.append(buildEvents(50)),
    'one with a condition': () => store.append([buildEvent()], condition),
    'a stretch of another log': () => store.takeOver({ ...slice, removed }),
  }))
    it(`stops at ${what}, and tries nothing again`, async () => {
      const error = await rejectionOf(write());
      expect(error.code, error.message).to.be.oneOf(['STORE_FAILED', 'STORE_CORRUPT']);
      const cause = error.code === 'STORE_CORRUPT' ? error : error.cause;
      expect(isTelltaleError(cause, 'STORE_CORRUPT') && cause.message).to.include('"counter"');
      expect(store.health().status).to.equal('failed');
    });
});
