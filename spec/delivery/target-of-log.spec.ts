import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { CheckpointTarget } from '../../lib/delivery/target.ts';
import { createBus, fileTarget, memory, type Bus } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { postgresTarget } from '../../plugins/postgres/index.ts';
import { sqliteTarget } from '../../plugins/sqlite/index.ts';
import { dropSchema, schemaName, sharedServer, type TestServer } from '../support/postgres-server.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { viewOfShared } from '../support/shared-views.ts';
import { skip } from '../support/skip.ts';
import { INSTALLED } from '../sqlite/drivers.ts';

interface Kept extends CheckpointTarget {
  close?(): Promise<void>;
}

const quiet = (bus: Bus): Bus => {
  bus.on('$bus.consumer.**', () => undefined);
  return bus;
};

async function opened(): Promise<Store> {
  const store = memory();
  await store.open();
  return store;
}

describe('a target and the log it was filled from', function () {
  this.timeout(120_000);
  let folder: string;
  let schema: string;
  let server: TestServer | undefined;
  let target: Kept;
  let handled: unknown[];

  beforeEach(() => {
    folder = mkdtempSync(join(quickFolder(), 'telltale-log-'));
    schema = schemaName();
    handled = [];
  });
  afterEach(async () => {
    await target.close?.();
    if (server) await dropSchema(server, schema);
    rmSync(folder, { recursive: true, force: true });
  });

  async function run(store: Store, payloads: readonly number[], name = 'views'): Promise<void> {
    const bus = quiet(await createBus({ store: viewOfShared(store, { shared: false }) }));
    try {
      for (const payload of payloads) await bus.publish('a', payload);
      await bus.consume(name, 'a', ({ payload }) => void handled.push(payload), { checkpointIn: target }).caughtUp();
    } finally {
      await bus.close();
    }
  }

  const TARGETS = ['fileTarget', 'sqliteTarget', 'postgresTarget'] as const;
  for (const kind of TARGETS)
    it(`${kind} does not go on in another one that is as long, and does in its own`, async function () {
      if (kind === 'sqliteTarget' && INSTALLED.length === 0) skip(this, 'no driver for SQLite is installed');
      if (kind === 'fileTarget') target = fileTarget(join(folder, 'views.json'), {});
      else if (kind === 'sqliteTarget') target = sqliteTarget(join(folder, 'views.db'));
      else target = postgresTarget({ url: (server = await sharedServer(this)).url, schema });
      const [own, other] = [await opened(), await opened()];
      await run(own, [1, 2]);
      const error = await rejectionOf(run(other, [3, 4, 5]));
      expect(error.code).to.equal('TARGET_BROKEN');
      const ids = await Promise.all(
        [own, other].map(
          async (store) => (await store.page({ after: 1, through: 2, descending: false, limit: 1 })).events[0]!.id,
        ),
      );
      for (const id of ids) expect(error.message).to.include(id);
      expect(handled).to.deep.equal([1, 2]);
      await run(own, [6]);
      await run(other, [], 'others');
      expect(handled).to.deep.equal([1, 2, 6, 3, 4, 5]);
    });

  it('takes an event on trust that was removed', async () => {
    target = fileTarget(join(folder, 'views.json'), {});
    const store = await opened();
    await run(store, [1, 2]);
    await store.remove([{ from: 2, to: 2 }], 'cleared');
    await run(store, [3]);
    expect(handled).to.deep.equal([1, 2, 3]);
  });
});
