import { expect } from 'chai';
import { copyFileSync, mkdirSync, renameSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Store } from '../../lib/plugin.ts';
import { buildEvent } from '../../plugins/contract/build-event.ts';
import { sqliteTarget } from '../../plugins/sqlite/index.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { Child } from './children.ts';
import { withEachDriver } from './drivers.ts';
import { cleanUp, freshStore, pathOf, storeAt } from './files.ts';

describe('sqlite: a file that is taken away while it is open', () => {
  const ways: readonly (readonly [string, RegExp, (path: string) => void])[] = [
    ['deleted', /log\.db was deleted or moved/, (path) => rmSync(path)],
    ['moved', /log\.db was deleted or moved/, (path) => renameSync(path, `${path}.old`)],
    [
      'replaced by a backup',
      /log\.db was replaced/,
      (path) => {
        copyFileSync(path, `${path}.backup`);
        renameSync(`${path}.backup`, path);
      },
    ],
    ['robbed of its write-ahead log', /log\.db-wal was deleted or moved/, (path) => rmSync(`${path}-wal`)],
    ['robbed of the index of that', /log\.db-shm was deleted or moved/, (path) => rmSync(`${path}-shm`)],
    [
      'in a folder that is moved',
      /log\.db was deleted or moved/,
      (path) => {
        const folder = dirname(path);
        renameSync(folder, `${folder}.old`);
        mkdirSync(folder);
      },
    ],
  ];

  let store: Store;
  afterEach(async () => {
    await store.close();
    cleanUp(store);
    rmSync(`${dirname(pathOf(store))}.old`, { recursive: true, force: true });
  });

  withEachDriver((driver) => {
    for (const [how, told, take] of ways)
      it(`acknowledges nothing any more when it is ${how}, with ${driver}`, async () => {
        store = freshStore({ driver });
        await store.open();
        await store.append([buildEvent({ id: 'safe' })]);
        expect(store.health().notices).to.deep.equal([]);
        take(pathOf(store));
        expect(store.health().notices.join()).to.match(told);
        const error = await rejectionOf(store.append([buildEvent()]));
        expect(error.code).to.equal('STORE_FAILED');
        expect(error.message).to.match(told);
        expect(store.health().status).to.equal('failed');
        expect((await rejectionOf(store.putDocument('a', 'b', 1))).code).to.equal('STORE_FAILED');
        expect([...(await store.find(['safe'])).keys()], 'reads go on').to.deep.equal(['safe']);
      });
  });

  withEachDriver((driver) => {
    it(`keeps what another process writes without the -shm that is known here, with ${driver}`, async () => {
      store = freshStore({ driver });
      await store.open();
      await store.append([buildEvent()]);
      const path = pathOf(store);
      rmSync(`${path}-shm`);
      await new Child('append', driver, path, 3).end();
      await rejectionOf(store.append([buildEvent()]));
      await store.close();
      const next = new Child('append', driver, path, 1);
      await next.end();
      expect(next.lines.at(-1)).to.match(/ 5$/);
    });
  });

  for (const suffix of ['', '-wal', '-shm'])
    it(`is told in the health of who only reads, log.db${suffix}`, async () => {
      store = freshStore({});
      await store.open();
      const reader = storeAt(pathOf(store), { readOnly: true });
      await reader.open();
      await store.close();
      expect(reader.health()).to.deep.include({ status: 'open', notices: [] });
      rmSync(pathOf(store) + suffix);
      expect(reader.health().status).to.equal('failed');
      expect(reader.health().notices.join()).to.match(/was deleted or moved/);
      await reader.close();
    });

  it('is noticed by who has opened it through a link, which sizes it as well', async () => {
    store = freshStore({});
    const link = join(dirname(pathOf(store)), 'link.db');
    symlinkSync('log.db', link);
    const linked = storeAt(link, {});
    await linked.open();
    await linked.append([buildEvent()]);
    expect((await linked.size()).storedBytes).to.be.greaterThan(statSync(`${pathOf(store)}-wal`).size);
    rmSync(`${pathOf(store)}-wal`);
    expect((await rejectionOf(linked.append([buildEvent()]))).code).to.equal('STORE_FAILED');
    await linked.close();
  });

  for (const suffix of ['-wal', '-shm'])
    it(`stops a target as well, log.db${suffix}`, async () => {
      store = freshStore({});
      const path = pathOf(store);
      const target = sqliteTarget(path);
      const claim = { key: 'a', position: 0, epoch: 1 };
      await target.claim(claim);
      rmSync(path + suffix);
      expect((await rejectionOf(target.claim(claim))).code).to.equal('STORE_FAILED');
      await target.close();
    });

  it('does not stop who has opened it by another way that leads there still', async () => {
    store = freshStore({});
    await store.open();
    const path = pathOf(store);
    const other = storeAt(join(path, '..', '.', 'log.db'), {});
    await other.open();
    await store.append([buildEvent()]);
    expect(await other.append([buildEvent()])).to.include({ position: 2 });
    await other.close();
  });
});
