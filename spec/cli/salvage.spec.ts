import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import sinon from 'sinon';
import { jsonFile } from 'telltale';
import { TelltaleError } from '../../lib/plugin.ts';
import type { Range, Store } from '../../lib/plugin.ts';
import { doctor } from '../../plugins/cli/doctor.ts';
import { Connection } from '../../plugins/sqlite/connection.ts';
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

  async function salvaged(name = 'log.db'): Promise<{ report: Record<string, unknown>; out: string; store: Store }> {
    const { out, err, code } = await commandLine(['doctor', name, '--salvage', 'saved'], home);
    expect([code, err], out).to.deep.equal([0, '']);
    const json = await commandLine(['doctor', name, '--salvage', 'again', '--json'], home);
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

  for (const [what, sql] of [
    ['far behind it', 'UPDATE telltale_log SET position = 900'],
    ['missing', 'DELETE FROM telltale_log'],
    ['in a table that is gone', 'DROP TABLE telltale_log'],
  ] as const)
    it(`leaves out no event where the head is ${what}`, async () => {
      await fill(sql, (store) => store.putDocument('checkpoints', 'reader', { position: 1_200 }, { position: 1_200 }));
      const { report, store } = await salvaged();
      expect(report).to.deep.include({ kept: 1_200, damaged: 0, lost: [], documents: [] });
      expect((await store.head()).position).to.equal(1_200);
      await store.close();
      const { code, out } = await commandLine(['doctor', 'saved'], home);
      expect(code, out).to.equal(0);
    });

  it('records as lost what lies between the last event and a head that is far ahead', async () => {
    await fill('UPDATE telltale_log SET position = 1000000000000');
    const { report, store } = await salvaged();
    const { lost, ...rest } = report as { lost: { from: number; to: number }[] };
    expect(rest).to.deep.include({ kept: 1_200, damaged: 0 });
    expect(lost.map(({ from, to }) => [from, to])).to.deep.equal([[1_201, 1_000_000_000_000]]);
    await store.close();
  });

  const PAGE = 4_096;
  /** Of those that have rows, the one in the middle. */
  const withoutPage = (bytes: Buffer): Buffer => {
    const leaves = Array.from({ length: bytes.length / PAGE }, (_, i) => i * PAGE).filter((at) => bytes[at] === 13);
    const at = leaves[Math.floor(leaves.length / 2)]!;
    return bytes.fill(0, at, at + PAGE);
  };
  for (const [what, damage] of [
    ['is cut in half', (bytes: Buffer) => bytes.subarray(0, Math.floor(bytes.length / 2 / PAGE) * PAGE + 100)],
    ['has lost the end of its last page', (bytes: Buffer) => bytes.subarray(0, -100)],
    ['has a first page of zeros', (bytes: Buffer) => bytes.fill(0, 0, PAGE)],
    ['has a damaged header', (bytes: Buffer) => bytes.fill(77, 16, 60)],
    ['has a damaged first page', (bytes: Buffer) => bytes.fill(77, 100, PAGE)],
    ['has a page of zeros', (bytes: Buffer) => withoutPage(bytes)],
  ] as const)
    it(`salvages what it can of a file that ${what}`, async () => {
      await fill('');
      // A file of its own: this process may still have the other one open.
      const path = join(home, 'damaged.db');
      const before = damage(readFileSync(join(home, 'log.db')));
      writeFileSync(path, before);
      const { report, store } = await salvaged('damaged.db');
      const { kept, lost } = report as { kept: number; lost: Range[] };
      const gone = lost.reduce((sum, { from, to }) => sum + to - from + 1, 0);
      expect(kept + gone, JSON.stringify(report)).to.equal(1_200);
      expect(kept, JSON.stringify(report)).to.be.greaterThan(what.includes('half') ? 200 : 1_100);
      const events = [];
      for await (const event of store.read()) events.push(event);
      expect(events.length).to.be.greaterThan(0);
      await store.close();
      expect(readFileSync(path).equals(before)).to.equal(true);
      expect(readdirSync(home).filter((name) => name.startsWith('telltale'))).to.deep.equal([]);
      expect((await commandLine(['doctor', 'saved'], home)).code).to.equal(0);
    });

  // It was told that --salvage copies what is intact.
  it('says that nothing is left of a file that is cut before its first event, and makes nothing', async () => {
    await fill('');
    writeFileSync(join(home, 'damaged.db'), readFileSync(join(home, 'log.db')).subarray(0, PAGE + 900));
    const { code, err } = await commandLine(['doctor', 'damaged.db', '--salvage', 'saved'], home);
    expect(code).to.equal(2);
    expect(err).to.match(/^telltale: .*; nothing is left of the log in it, and nothing was copied\n$/);
    expect(readdirSync(home).filter((name) => /^(?:saved|telltale)/.test(name))).to.deep.equal([]);
  });

  it('closes the new log also where closing the damaged one fails', async () => {
    await fill('');
    const close = sinon.stub(Connection.prototype, 'close').callThrough();
    // Behind the two of the diagnosis.
    close.onThirdCall().throws(new TelltaleError('STORE_UNAVAILABLE', 'it cannot be closed'));
    sinon.stub(process.stdout, 'write').returns(true);
    const failed = rejectionOf(doctor(join(home, 'log.db'), { salvage: join(home, 'saved') }));
    expect((await failed.finally(() => sinon.restore())).message).to.include('it cannot be closed');
    const saved = jsonFile(join(home, 'saved'));
    await saved.open();
    expect((await saved.head()).position).to.equal(1_200);
    await saved.close();
  });
});
