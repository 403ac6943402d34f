import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TelltaleError } from '../../lib/errors.ts';
import { jsonFile } from '../../plugins/json-file/index.ts';
import type { JsonFileOptions } from '../../plugins/json-file/index.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { skip } from '../support/skip.ts';
import { event, idsOf, openOn, rejection, sized, storeOn } from './log-on-disk.ts';

describe('json-file: options and folder', () => {
  let folder: string;

  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'telltale-options-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function refusal(options: unknown, path: unknown = folder): TelltaleError {
    try {
      jsonFile(path as string, options as JsonFileOptions);
    } catch (error) {
      if (error instanceof TelltaleError) return error;
    }
    throw new Error('expected a refusal');
  }

  it('refuses unknown options by name and wrong values with what came', () => {
    expect(refusal({ sync: true })).to.include({ code: 'INVALID_OPTION' });
    expect(refusal({ sync: true }).message).to.match(/`sync`.*durability, create, readOnly/);
    expect(refusal({ durability: 'paper' }).message).to.match(/`durability`.*"paper"/);
    expect(refusal({ segmentBytes: 1 }).message).to.match(/`segmentBytes`.*1 \(number\)/);
    expect(refusal({ index: ['id'] }).message).to.match(/`index\.0`.*source or a dotted path.*have an index already/);
    expect(refusal({}, '').code).to.equal('INVALID_OPTION');
    expect(refusal({}, 7).message).to.match(/`folder`.*7 \(number\)/);
    // The url that openStore takes: there would be a folder `file:`.
    expect(refusal({}, 'file:./events').code).to.equal('INVALID_OPTION');
  });

  it('makes the folder and those above it, unless told not to', async () => {
    const deep = join(folder, 'a', 'b');
    const refused = await rejection(jsonFile(deep, { create: false }).open());
    expect([refused.code, refused.message]).to.deep.equal([
      'STORE_PATH',
      `expected ${deep} to be a folder that exists, got "nothing" (string)`,
    ]);
    const store = jsonFile(deep);
    await store.open();
    await store.append([event()]);
    await store.close();
  });

  it('names a folder that is a file', async () => {
    const path = join(folder, 'file');
    writeFileSync(path, 'not a log');
    const error = await rejection(jsonFile(path).open());
    expect(error.code).to.equal('STORE_PATH');
    expect(error.message)
      .to.include(path)
      .and.match(/a folder, got "a file"/);
    expect((await rejection(jsonFile(join(path, 'below')).open())).code).to.equal('STORE_PATH');
  });

  it('names a folder that may not be written', async () => {
    for (const code of ['EACCES', 'EROFS'] as const) {
      const disk = new MemoryDisk();
      disk.fault = ({ path }) => (path.endsWith('lock') ? code : undefined);
      const error = await rejection(openOn(disk));
      expect(error.code).to.equal('STORE_PATH');
      expect(error.message).to.match(new RegExp(`may write.*${code}`));
    }
  });

  it('refuses documents beyond 4 MiB and keeps what it has, but not snapshots', async () => {
    const disk = new MemoryDisk();
    const store = await openOn(disk);
    const large = 'x'.repeat(3 * 1024 * 1024);
    await store.putDocument('a', 'first', large);
    const error = await rejection(store.putDocument('a', 'second', large));
    expect(error.code).to.equal('DOCUMENT_TOO_LARGE');
    expect(error.details['expected']).to.equal(4 * 1024 * 1024);
    await store.putDocument('snapshots', 'second', large);
    await store.close();
    const again = await openOn(disk);
    expect((await again.listDocuments('a')).map(({ key }) => key)).to.deep.equal(['first']);
    expect((await again.document('snapshots', 'second'))?.value).to.equal(large);
    await again.close();
  });

  it('finds events by paths of its index option, in old segments too', async () => {
    const disk = new MemoryDisk();
    const store = await openOn(disk, { segmentEvents: 16 });
    for (let i = 0; i < 40; i++)
      await store.append([event({ payload: { order: i % 10 }, metadata: { requestId: `r-${i % 4}` } })]);
    await store.close();
    const again = await openOn(disk, { segmentEvents: 16, index: ['payload.order'] });
    const all = { after: 0, through: Infinity, descending: false, limit: 100 };
    const orders = await again.page({ ...all, where: { 'payload.order': 3 } });
    expect(orders.events.map(({ position }) => position)).to.deep.equal([4, 14, 24, 34]);
    const requests = await again.page({
      ...all,
      descending: true,
      where: { $and: [{ 'metadata.requestId': { $in: ['r-1'] } }] },
    });
    expect(requests.events.length).to.equal(10);
    await again.close();
  });

  it('answers how much of the disk is left', async () => {
    const disk = new MemoryDisk();
    disk.capacity = 1_000_000;
    const store = await openOn(disk);
    expect(store.health().diskFreeBytes).to.be.within(900_000, 1_000_000);
    await store.close();
  });

  it('may be opened with smaller segments than it was written with', async () => {
    const disk = new MemoryDisk();
    const store = await openOn(disk);
    for (let i = 0; i < 100; i++) await store.append([event()]);
    await store.close();
    const again = storeOn(disk, { segmentEvents: 16 });
    await again.open();
    for (let i = 0; i < 40; i++) await again.append([event()]);
    expect((await idsOf(again)).length).to.equal(140);
    await again.close();
  });

  it('goes on when a really full file system has room again', async function (): Promise<void> {
    const mount = join(folder, 'small');
    mkdirSync(mount);
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', mount], { stdio: 'pipe' });
    } catch (error) {
      return skip(this, `a file system of 256 kB: it needs root and mount: ${String(error).split('\n')[0]}`);
    }
    const store = jsonFile(join(mount, 'log'));
    try {
      await store.open();
      const ballast = join(mount, 'ballast');
      for (let round = 0; round < 3; round++) {
        const { position } = await store.head();
        writeFileSync(ballast, Buffer.alloc(100 * 1024));
        const large = sized(200 * 1024);
        const error = await rejection(store.append([large]));
        expect(error).to.include({ code: 'STORE_UNAVAILABLE' });
        expect(error.message).to.match(/ENOSPC/);
        rmSync(ballast);
        expect(await store.append([sized(20 * 1024)])).to.include({ position: position + 1 });
      }
      await store.close();
      const again = jsonFile(join(mount, 'log'));
      await again.open();
      expect(again.health().notices).to.deep.equal([]);
      expect((await idsOf(again)).length).to.equal(3);
      await again.close();
    } finally {
      await store.close();
      execFileSync('umount', ['-l', mount]);
    }
  });
});
