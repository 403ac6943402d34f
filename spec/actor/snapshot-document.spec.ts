import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Context } from 'mocha';
import type { Behaviour } from '../../lib/acting-api.ts';
import { readSnapshot, saveSnapshot, type Snapshot } from '../../lib/actor/snapshot-document.ts';
import { createBus } from '../../lib/bus.ts';
import { TelltaleError } from '../../lib/errors.ts';
import type { Store } from '../../lib/store/port.ts';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { memory } from '../../plugins/memory/index.ts';
import { sqlite } from '../../plugins/sqlite/index.ts';
import { Stores } from '../postgres/stores.ts';
import { missing } from '../sqlite/drivers.ts';
import { buildEvents } from '../support/event-builder.ts';
import { leastHoldMs, longestHoldMs } from '../support/loop-hold.ts';
import { ask } from '../support/postgres-server.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { skip } from '../support/skip.ts';

const KEEPING = { schemaVersion: 1, compressAbove: 16_384 };

const written = async (store: Store): Promise<Record<string, unknown>> =>
  (await store.document('snapshots', 'a/1'))!.value as Record<string, unknown>;

async function storeWith(events: number): Promise<Store> {
  const store = memory();
  await store.open();
  if (events > 0) await store.append(buildEvents(events, { entity: 'a/1' }));
  return store;
}

const at = (revision: number, state: unknown = { revision }): Snapshot => ({ state, revision, position: revision });

describe('the document of a snapshot', () => {
  it('has the state as it is while that is small, and compressed above the size', async () => {
    const store = await storeWith(2);
    const state = { text: 'a line of a long story. '.repeat(10_000), odd: ['\u2028', 'é', '"\\', -0.5, null] };
    await saveSnapshot(store, 'a/1', at(1), KEEPING);
    expect(await written(store)).to.deep.include({ state: { revision: 1 }, schemaVersion: 1 });
    await saveSnapshot(store, 'a/1', at(2, state), KEEPING);
    const { packed, ...rest } = await written(store);
    expect(rest).to.deep.equal({ entity: 'a/1', position: 2, revision: 2, schemaVersion: 1 });
    expect((packed as string).length).to.be.below(5_000);
    expect(await readSnapshot(store, { entity: 'a/1', schemaVersion: 1 })).to.deep.equal(at(2, state));
  });

  it('is never compressed where the size is Infinity', async () => {
    const store = await storeWith(1);
    const state = 'x'.repeat(100_000);
    await saveSnapshot(store, 'a/1', at(1, state), { schemaVersion: 1, compressAbove: Infinity });
    expect(await written(store)).to.include({ state });
  });

  it('is nothing to another version of the state, and to whoever finds it damaged', async () => {
    const store = await storeWith(1);
    await saveSnapshot(store, 'a/1', at(1, 'x'.repeat(100_000)), KEEPING);
    expect(await readSnapshot(store, { entity: 'a/1', schemaVersion: 2 })).to.equal(undefined);
    await store.putDocument('snapshots', 'a/1', { ...(await written(store)), packed: 'AAAA' });
    expect(await readSnapshot(store, { entity: 'a/1', schemaVersion: 1 })).to.equal(undefined);
  });

  it('is never replaced by an older one, whoever is late, but by any of a newer version', async () => {
    const store = await storeWith(3);
    await saveSnapshot(store, 'a/1', at(3), KEEPING);
    await saveSnapshot(store, 'a/1', at(2), KEEPING);
    expect(await written(store)).to.include({ revision: 3 });
    await saveSnapshot(store, 'a/1', at(1), { ...KEEPING, schemaVersion: 2 });
    expect(await written(store)).to.include({ revision: 1 });
    await saveSnapshot(store, 'a/1', at(3), KEEPING);
    expect(await written(store)).to.include({ revision: 1, schemaVersion: 2 });
    const big = 'x'.repeat(1_000_000);
    await Promise.all([
      saveSnapshot(store, 'a/1', at(2, big), { ...KEEPING, schemaVersion: 2 }),
      saveSnapshot(store, 'a/1', at(3), { ...KEEPING, schemaVersion: 2 }),
    ]);
    expect(await written(store)).to.include({ revision: 3 });
  });

  const damaged: readonly [string, unknown][] = [
    ['of no object', 'text'],
    ['of a list', []],
    ['without a state', { entity: 'a/1', position: 3, revision: 3, schemaVersion: 1 }],
    ['whose position is text', { entity: 'a/1', position: 'a', revision: 3, schemaVersion: 1, state: {} }],
    ['whose revision is negative', { entity: 'a/1', position: 3, revision: -7, schemaVersion: 1, state: {} }],
    ['of another entity', { entity: 'a/2', position: 3, revision: 3, schemaVersion: 1, state: {} }],
    ['packed as a number', { entity: 'a/1', position: 3, revision: 3, schemaVersion: 1, packed: 5 }],
    ['packed badly', { entity: 'a/1', position: 3, revision: 3, schemaVersion: 1, packed: 'AAAA' }],
    ['ahead of the log', { entity: 'a/1', position: 9, revision: 9, schemaVersion: 1, state: {} }],
    ['of another event', { entity: 'a/1', position: 3, revision: 3, eventId: 'else', schemaVersion: 1, state: {} }],
    ['of another revision', { entity: 'a/1', position: 3, revision: 2, schemaVersion: 1, state: {} }],
  ];
  for (const [what, value] of damaged)
    it(`${what} is ignored, told of, and replaced by the next one`, async () => {
      const store = await storeWith(3);
      await store.putDocument('snapshots', 'a/1', value);
      const told: string[] = [];
      const ignored = (reason: TelltaleError): void => void told.push(reason.message);
      expect(await readSnapshot(store, { entity: 'a/1', schemaVersion: 1, ignored })).to.equal(undefined);
      expect(told).to.have.lengthOf(1);
      expect(told[0]).to.include('the snapshot of a/1 is ignored');
      if (what === 'packed badly') return;
      await saveSnapshot(store, 'a/1', at(2), KEEPING);
      expect(await written(store)).to.include({ revision: 2 });
    });

  it('that the store cannot read is ignored, told of, and replaced by the next one', async () => {
    const store = await storeWith(3);
    await saveSnapshot(store, 'a/1', at(3), KEEPING);
    const document = store.document.bind(store);
    store.document = async () => {
      throw new TelltaleError('STORE_CORRUPT', 'its checksum is wrong');
    };
    const told: string[] = [];
    const ignored = (reason: TelltaleError): void => void told.push(reason.message);
    expect(await readSnapshot(store, { entity: 'a/1', schemaVersion: 1, ignored })).to.equal(undefined);
    expect(told).to.deep.equal(['the snapshot of a/1 is ignored: it is damaged; its state is rebuilt from the events']);
    await saveSnapshot(store, 'a/1', at(2), KEEPING);
    store.document = document;
    expect(await written(store)).to.include({ revision: 2 });
  });

  it('before the first event is none', async () => {
    const store = await storeWith(0);
    await saveSnapshot(store, 'a/1', { state: {}, revision: 0, position: 0 }, KEEPING);
    expect(await store.document('snapshots', 'a/1')).to.equal(undefined);
  });

  it('is of another log where its event is not there and the next one is none of its future', async () => {
    const store = await storeWith(3);
    // As json-file opens an older log beside a newer snapshot: its positions are lost, and revisions go on behind them.
    await store.append(buildEvents(1, { entity: 'b/1' }));
    await store.remove([{ from: 4, to: 4 }], 'test');
    await store.append(buildEvents(2, { entity: 'a/1' }));
    const value = { entity: 'a/1', position: 4, revision: 5, schemaVersion: 1, state: {} };
    await store.putDocument('snapshots', 'a/1', value);
    expect(await readSnapshot(store, { entity: 'a/1', schemaVersion: 1 })).to.equal(undefined);
  });

  it('is good without its event where that was removed', async () => {
    const store = await storeWith(3);
    await saveSnapshot(store, 'a/1', { ...at(2), eventId: 'whatever' }, KEEPING);
    await store.remove([{ from: 1, to: 2 }], 'test');
    expect(await readSnapshot(store, { entity: 'a/1', schemaVersion: 1 })).to.include({ revision: 2 });
  });

  it('gives way to one that is stored between its look and its turn', async () => {
    const store = await storeWith(2);
    const document = store.document.bind(store);
    store.document = async (...which) => {
      const found = await document(...which);
      store.document = document;
      await saveSnapshot(store, 'a/1', at(2), KEEPING);
      return found;
    };
    await saveSnapshot(store, 'a/1', at(1), KEEPING);
    expect(await written(store)).to.include({ revision: 2 });
  });

  it('is refused where the state is not plain data', async () => {
    const error = await rejectionOf(saveSnapshot(await storeWith(1), 'a/1', at(1, new Map()), KEEPING));
    expect(error.code).to.equal('PAYLOAD_NOT_PLAIN');
    expect(error.message).to.include('state').and.not.include('payload');
  });

  it('is compressed beside the event loop', async function () {
    this.timeout(120_000);
    const store = await storeWith(1);
    const state = { lines: Array.from({ length: 16 }, () => randomBytes(500_000).toString('base64')) };
    const plain = await longestHoldMs(() =>
      saveSnapshot(store, 'a/1', at(1, state), { ...KEEPING, compressAbove: Infinity }),
    );
    let schemaVersion = 1;
    const packed = await leastHoldMs(
      () => saveSnapshot(store, 'a/1', at(1, state), { ...KEEPING, schemaVersion: ++schemaVersion }),
      plain + 100,
    );
    // Deflating 11 MB takes some 200 ms, the rest is JSON either way.
    expect(packed).to.be.below(plain + 100);
  });
});

const STATE_BYTES = 6 * 1024 * 1024;

/** A state larger than all the other documents of json-file together may be. */
const hoarder: Behaviour<{ readonly parts: readonly string[] }> = {
  initial: { parts: [] },
  snapshot: { every: 2 },
  receive: (_, { payload }) => ({ type: 'kept', payload }),
  apply: ({ parts }, { payload }) => ({ parts: [...parts, payload as string] }),
};

const unwanted = (): never => {
  throw new Error('the snapshot has it all');
};

interface Opened {
  readonly open: () => Store;
  /** Damages the only document where it is kept. */
  readonly damage?: () => Promise<void>;
  readonly cleanUp?: () => Promise<void>;
}

type Opener = (test: Context, folder: string) => Promise<Opened>;

const STORES: Readonly<Record<string, Opener>> = {
  memory: async () => {
    const store = memory();
    return { open: () => store };
  },
  'json-file': async (_, folder) => ({
    open: () => jsonFile(join(folder, 'log')),
    damage: async () => {
      const snapshots = join(folder, 'log', 'snapshots');
      await truncate(join(snapshots, (await readdir(snapshots))[0]!), 50);
    },
  }),
  sqlite: async (test, folder) => {
    const reason = missing('libsql');
    if (reason !== undefined) skip(test, `sqlite with libsql: ${reason}`);
    const damage = async (): Promise<void> => {
      const { default: Database } = await import('libsql');
      const database = new Database(join(folder, 'log.db'));
      database.exec("UPDATE telltale_documents SET value = '{'");
      database.close();
    };
    return { open: () => sqlite(join(folder, 'log.db'), { driver: 'libsql' }), damage };
  },
  postgres: async (test) => {
    const stores = new Stores();
    await stores.begin(test);
    const first = stores.create();
    let opened = 0;
    return {
      open: () => (opened++ === 0 ? first : stores.again(first)),
      damage: async () => {
        await ask(stores.server, `UPDATE ${stores.schemaOf(first)}.documents SET value = '{'`);
      },
      cleanUp: () => stores.cleanUp(first),
    };
  },
};

describe('a snapshot of megabytes', () => {
  for (const [name, opener] of Object.entries(STORES))
    it(`is kept by ${name} and brought back after a restart`, async function () {
      this.timeout(30_000);
      const folder = await mkdtemp(join(quickFolder(), 'telltale-snapshot-'));
      try {
        const { open, cleanUp } = await opener(this, folder);
        const parts = [1, 2].map(() => randomBytes(STATE_BYTES * 0.375).toString('base64'));
        const bus = await createBus({ store: open() });
        const actor = bus.actor('hoarder', hoarder);
        for (const part of parts) actor.tell('keep', part);
        await bus.settled();
        await bus.close();
        const again = open();
        const back = await createBus({ store: again });
        expect((await again.document('snapshots', 'hoarder/main'))!.value).to.include({ revision: 2 });
        expect(await back.load('hoarder/main', { ...hoarder, apply: unwanted })).to.deep.equal({
          state: { parts },
          revision: 2,
        });
        await back.close();
        await cleanUp?.();
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    });
});

describe('a snapshot that was damaged where it is kept', () => {
  for (const [name, opener] of Object.entries(STORES))
    if (name !== 'memory')
      it(`keeps no actor of ${name} from beginning, and the next one replaces it`, async function () {
        this.timeout(30_000);
        const folder = await mkdtemp(join(quickFolder(), 'telltale-snapshot-'));
        try {
          const { open, damage, cleanUp } = await opener(this, folder);
          const bus = await createBus({ store: open() });
          const actor = bus.actor('hoarder', hoarder);
          for (const part of ['a', 'b']) actor.tell('keep', part);
          await bus.settled();
          await bus.close();
          await damage!();
          const back = await createBus({ store: open() });
          const told: unknown[] = [];
          back.on(
            '$actor.failed',
            ({ payload }) => void told.push((payload as { error: { code: string } }).error.code),
          );
          const again = back.actor('hoarder', hoarder);
          expect(await again.state()).to.deep.equal({ parts: ['a', 'b'] });
          expect(new Set(told)).to.deep.equal(new Set(['STORE_CORRUPT']));
          await again.snapshot();
          expect(await back.load('hoarder/main', { ...hoarder, apply: unwanted })).to.deep.include({ revision: 2 });
          await back.close();
          await cleanUp?.();
        } finally {
          await rm(folder, { recursive: true, force: true });
        }
      });
});
