import { expect } from 'chai';
import { isTelltaleError } from '../../lib/plugin.ts';
import type { Store } from '../../lib/plugin.ts';
import { buildEvent, buildEvents } from '../support/event-builder.ts';
import { ownServer } from '../support/postgres-server.ts';
import type { TestServer } from '../support/postgres-server.ts';
import type { TcpProxy } from '../support/tcp-proxy.ts';
import {
  TIMEOUT_MS,
  closeStalling,
  openStalling,
  openSurely,
  restartWhilePublishing,
  stallWhilePublishing,
  terminateBackends,
} from './fault-runs.ts';
import type { Stalling } from './fault-runs.ts';
import { appendSurely } from './retrying.ts';
import { Stores } from './stores.ts';

const stores = new Stores();

/**
 * Whether `work` ends before so many timeouts have passed one after another. A machine that is slow or busy holds up
 * these as it holds up those that `work` waits for.
 */
async function endsWithin(timeouts: number, work: Promise<unknown>): Promise<boolean> {
  const pass = async (): Promise<boolean> => {
    for (let n = 0; n < timeouts; n++) await new Promise((resolve) => setTimeout(resolve, TIMEOUT_MS));
    return false;
  };
  return Promise.race([work.then(() => true), pass()]);
}

describe('postgres: connections that break', function () {
  this.timeout(120_000);

  before(async function () {
    await stores.begin(this);
  });

  it('lose nothing and double nothing when backends are terminated during commits', async () => {
    await terminateBackends(stores, 30);
  });
});

describe('postgres: a server that is restarted', function () {
  this.timeout(120_000);
  let server: Required<TestServer>;

  before(async function () {
    server = await ownServer(this);
  });

  it('has every event once, and its watchers hear of all of them', async () => {
    await restartWhilePublishing(server, 3);
  });
});

describe('postgres: a server that says nothing any more', function () {
  this.timeout(120_000);
  let stalling: Stalling;
  let proxy: TcpProxy;
  let store: Store;

  before(async function () {
    await stores.begin(this);
  });

  beforeEach(async () => {
    stalling = await openStalling(stores);
    ({ proxy, store } = stalling);
  });

  afterEach(() => closeStalling(stores, stalling));

  it('has every event once when it was silent for a while, again and again', async () => {
    await stallWhilePublishing(stores, stalling, 2);
  });

  it('keeps no call waiting beyond the timeout, and takes the retry for what it is', async () => {
    const event = buildEvent();
    await appendSurely(store, [event]);
    proxy.stall();
    const late = buildEvent();
    const calls: readonly (() => Promise<unknown>)[] = [
      () => store.append([late]),
      () => store.head(),
      () => store.find(['x']),
      () => store.revision('task/a'),
      () => store.page({ after: 0, through: 1, descending: false, limit: 1 }),
      () => store.putDocument('c', 'k', 1),
      () => store.document('c', 'k'),
      () => store.listDocuments('c'),
      () => store.deleteDocument('c', 'k'),
      () => store.remove([{ from: 1, to: 1 }], 'spec'),
      () => store.removed(),
      () => store.size(),
      () => store.sync(),
    ];
    for (const call of calls) {
      const refused = call().then(
        () => 'an answer',
        (thrown: unknown) => thrown,
      );
      // A connection, one statement and the clean-up behind it.
      expect(await endsWithin(4, refused), String(call)).to.equal(true);
      expect(isTelltaleError(await refused, 'STORE_UNAVAILABLE'), String(call)).to.equal(true);
    }
    proxy.resume();
    const again = await appendSurely(store, [late]);
    expect(again.position).to.equal(2);
    expect((await appendSurely(store, [event])).duplicate).to.equal(true);
  });

  it('does not keep a store from closing', async () => {
    await Promise.all([store.head(), store.head()]).catch(() => undefined);
    proxy.stall();
    const appended = store.append(buildEvents(3)).catch((error: unknown) => error);
    expect(await endsWithin(8, store.close())).to.equal(true);
    expect(isTelltaleError(await appended, 'STORE_UNAVAILABLE')).to.equal(true);
  });

  it('is told as unavailable to who opens a store', async () => {
    await store.close();
    proxy.stall();
    const refused = store.open().catch((thrown: unknown) => thrown);
    expect(await endsWithin(4, refused)).to.equal(true);
    expect(isTelltaleError(await refused, 'STORE_UNAVAILABLE')).to.equal(true);
    proxy.resume();
    await openSurely(store);
  });
});
