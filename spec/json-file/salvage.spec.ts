import { expect } from 'chai';
import { salvage } from '../../plugins/json-file/salvage.ts';
import { JsonFileStore } from '../../plugins/json-file/store.ts';
import { parseOptions } from '../../plugins/json-file/options.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { FIRST_SEGMENT, FOLDER, event, idsOf, openOn, rejection } from './log-on-disk.ts';

const TARGET = '/salvaged';

async function openTarget(disk: MemoryDisk): Promise<JsonFileStore> {
  const store = new JsonFileStore(TARGET, parseOptions(TARGET, {}), disk, 'spec');
  await store.open();
  return store;
}

/** A log of 40 events in segments of 16, positions 3 to 5 removed. */
async function written(): Promise<{ disk: MemoryDisk; ids: string[] }> {
  const disk = new MemoryDisk();
  const store = await openOn(disk, { segmentEvents: 16 });
  for (let i = 0; i < 40; i++) await store.append([event({ entity: `order/${i % 2}` })]);
  await store.remove([{ from: 3, to: 5 }], 'old');
  await store.putDocument('checkpoints', 'reader', { done: 7 });
  for (const key of ['a', 'b']) await store.putDocument('snapshots', key, { of: key });
  const ids = await idsOf(store);
  await store.close();
  return { disk, ids };
}

describe('json-file: salvage', () => {
  it('copies an intact log exactly', async () => {
    const { disk, ids } = await written();
    const report = { kept: 40, damaged: 0, lost: [], tombstones: [], documents: [] };
    expect(await salvage(FOLDER, TARGET, disk)).to.deep.equal(report);
    const store = await openTarget(disk);
    expect(await idsOf(store)).to.deep.equal(ids);
    expect((await store.removed()).map(({ from, to, reason }) => ({ from, to, reason }))).to.deep.equal([
      { from: 3, to: 5, reason: 'old' },
    ]);
    expect(await store.revision('order/0')).to.equal(20);
    expect((await store.document('checkpoints', 'reader'))?.value).to.deep.equal({ done: 7 });
    expect((await store.document('snapshots', 'b'))?.value).to.deep.equal({ of: 'b' });
    expect((await store.append([event()])).position).to.equal(41);
    await store.close();
  });

  it('copies all intact records around damage, records what is lost and leaves the original alone', async () => {
    const { disk, ids } = await written();
    const bytes = disk.bytes(FIRST_SEGMENT);
    const lines = bytes.toString('latin1').split('\n');
    const at = lines.slice(0, 10).join('\n').length + 60;
    bytes[at]! ^= 1;
    disk.damage(FIRST_SEGMENT, bytes);
    const before = disk
      .paths()
      .filter((path) => path.startsWith(FOLDER))
      .map((path) => disk.bytes(path).toString('hex'));
    const report = await salvage(FOLDER, TARGET, disk);
    expect(report).to.deep.include({ kept: 39, damaged: 1 });
    expect(report.lost[0]).to.include({ from: 10, to: 10, reason: 'lost' });
    const after = disk
      .paths()
      .filter((path) => path.startsWith(FOLDER))
      .map((path) => disk.bytes(path).toString('hex'));
    expect(after).to.deep.equal(before);
    const store = await openTarget(disk);
    expect(await idsOf(store)).to.deep.equal(ids.filter((_, i) => i !== 6));
    expect((await store.removed()).map(({ from, to }) => [from, to])).to.deep.equal([
      [3, 5],
      [10, 10],
    ]);
    await store.close();
  });

  it('names removed events of which the id is damaged, and damaged documents', async () => {
    const { disk } = await written();
    const turn = (path: string, from: number): void => {
      const bytes = disk.bytes(path);
      bytes[from]! ^= 1;
      disk.damage(path, bytes);
    };
    const lines = disk.bytes(FIRST_SEGMENT).toString('latin1').split('\n');
    turn(FIRST_SEGMENT, lines.slice(0, 4).join('\n').length + 60);
    const snapshot = disk.paths().find((path) => path.includes('snapshots/'))!;
    for (const path of [`${FOLDER}/state.json`, snapshot]) turn(path, 60);
    const { lost, ...report } = await salvage(FOLDER, TARGET, disk);
    const documents = ['state.json', snapshot.slice(FOLDER.length + 1)];
    expect(report).to.deep.equal({ kept: 39, damaged: 1, tombstones: [{ from: 4, to: 4 }], documents });
    expect(lost).to.deep.equal([]);
    const store = await openTarget(disk);
    expect(await store.listDocuments('snapshots')).to.have.length(1);
    await store.close();
  });

  it('refuses a target that holds something', async () => {
    const { disk } = await written();
    expect((await rejection(salvage(FOLDER, FOLDER, disk))).code).to.equal('STORE_PATH');
  });
});
