import { expect } from 'chai';
import { buildEvents } from '../support/event-builder.ts';
import { ask } from '../support/postgres-server.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { Stores } from './stores.ts';

describe('postgres: a position that is there already', function () {
  this.timeout(60_000);
  const stores = new Stores();

  before(function () {
    return stores.begin(this);
  });

  it('stops the store, because its counter is behind its events', async () => {
    const store = stores.create();
    try {
      await store.open();
      await store.append(buildEvents(3));
      await ask(stores.server, `UPDATE "${stores.schemaOf(store)}".counter SET position = 1`);
      const error = await rejectionOf(store.append(buildEvents(1)));
      expect(error).to.include({ code: 'STORE_FAILED' });
      expect(error.cause).to.include({ code: 'STORE_CORRUPT' });
      expect(store.health().status).to.equal('failed');
    } finally {
      await store.close();
      await stores.cleanUp(store);
    }
  });
});
