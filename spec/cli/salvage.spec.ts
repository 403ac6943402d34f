import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import sinon from 'sinon';
import { jsonFile } from 'telltale';
import type { Store } from '../../lib/plugin.ts';
import { doctor } from '../../plugins/cli/doctor.ts';
import { loadDriver } from '../../plugins/sqlite/drivers.ts';
import { sqlite } from '../../plugins/sqlite/index.ts';
import { commandLine } from '../support/command-line.ts';
import { buildEvents } from '../support/event-builder.ts';
import { rejectionOf } from '../support/rejection-of.ts';

const NO_TEXT = `CAST(x'61ff' AS TEXT)`;

describe('telltale doctor --salvage', function () {
  this.timeout(60_000);
  let home: string;

  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'telltale-salvage-'));
  });
  afterEach(() => {
    sinon.restore();
    rmSync(home, { recursive: true, force: true });
  });

  /** 1,200 events, of which 4 to 6 and 1,100 are removed, with documents; then changed by `sql`. */
  async function fill(sql: string, more: (store: Store) => Promise<unknown> = async () => {}): Promise<void> {
    const store = sqlite(join(home, 'log.db'));
    await store.open();
    await store.append(buildEvents(1_200, { entity: 'task/a' }));
    for (const [from, to] of [
      [4, 6],
      [1_100, 1_100],
    ] as const)
      await store.remove([{ from, to }], 'old');
    for (const collection of ['checkpoints', 'notes'])
      for (const key of ['one', 'two', 'three']) await store.putDocument(collection, key, { of: key });
    await more(store);
    await store.close();
    const own = loadDriver().open(join(home, 'log.db'));
    own.exec(sql);
    own.close();
  }

  async function salvaged(): Promise<{ report: Record<string, unknown>; out: string; store: Store }> {
    const { out, err, code } = await commandLine(['doctor', 'log.db', '--salvage', 'saved'], home);
    expect([code, err], out).to.deep.equal([0, '']);
    const json = await commandLine(['doctor', 'log.db', '--salvage', 'again', '--json'], home);
    const { salvaged: report } = JSON.parse(json.out) as { salvaged: Record<string, unknown> };
    const store = jsonFile(join(home, 'saved'));
    await store.open();
    return { report, out, store };
  }

  it('leaves out one damaged id of a removed event, and names it', async () => {
    await fill(`UPDATE telltale_tombstones SET id = 'x' WHERE position = 5`);
    const { report, out, store } = await salvaged();
    expect(report).to.deep.include({ kept: 1_199, damaged: 0, lost: [], tombstones: [{ from: 5, to: 5 }] });
    expect(out).to.include('1 removed event of which the id is damaged: 5');
    const left = await store.tombstones({ from: 1, to: 1_200 }, 10);
    expect(left.map(({ position }) => position)).to.deep.equal([4, 6, 1_100]);
    expect((await store.removed()).map(({ from, to }) => [from, to])).to.deep.equal([
      [4, 6],
      [1_100, 1_100],
    ]);
    await store.close();
  });

  it('leaves out one damaged document of a collection, and names it', async () => {
    await fill(`UPDATE telltale_documents SET value = '{' WHERE collection = 'notes' AND key = 'two';
      INSERT INTO telltale_documents VALUES ('notes', ${NO_TEXT}, '1', '9', 0), (${NO_TEXT}, 'k', '1', '9', 0)`);
    const { report, out, store } = await salvaged();
    const documents = ['a\ufffd/*', 'notes/two', 'notes/a\ufffd'];
    expect(report).to.deep.include({ kept: 1_200, damaged: 0, lost: [], documents });
    expect(out).to.include('3 documents not copied').and.include('notes/two');
    const keys = async (collection: string): Promise<string[]> =>
      (await store.listDocuments(collection)).map(({ key }) => key);
    expect(await keys('notes')).to.have.members(['one', 'three']);
    expect(await keys('checkpoints')).to.have.members(['one', 'two', 'three']);
    await store.close();
  });

  it('names documents too large for the new log, and copies the others as a copy does', async () => {
    await fill('', async (store) => {
      await store.putDocument('notes', 'large', 'x'.repeat(5 * 1024 * 1024));
      await store.putDocument('notes', 'last', 1);
      await store.putDocument('copies', 'progress', {});
    });
    const { report, store } = await salvaged();
    expect(report).to.deep.include({ kept: 1_200, documents: ['notes/large'] });
    expect((await store.document('notes', 'last'))?.value).to.equal(1);
    expect(await store.document('copies', 'progress')).to.equal(undefined);
    await store.close();
  });

  it('closes the new log also where closing the damaged one fails', async () => {
    await fill('');
    const prototype = Object.getPrototypeOf(sqlite(join(home, 'log.db'))) as { _close(): Promise<void> };
    sinon.stub(prototype, '_close').rejects(new Error('it cannot be closed'));
    sinon.stub(process.stdout, 'write').returns(true);
    const failed = rejectionOf(doctor(join(home, 'log.db'), { salvage: join(home, 'saved') }));
    expect((await failed.finally(() => sinon.restore())).message).to.include('it cannot be closed');
    const saved = jsonFile(join(home, 'saved'));
    await saved.open();
    expect((await saved.head()).position).to.equal(1_200);
    await saved.close();
  });
});
