import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBus } from '../../lib/bus.ts';
import { createVirtualClock } from '../../lib/clock.ts';
import type { VirtualClock } from '../../lib/clock.ts';
import type { StoredEvent } from '../../lib/event/event.ts';
import type { Store } from '../../lib/store/port.ts';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { FIRST_SEGMENT, commit, event, idsOf, openOn, rejection, sized, storeOn } from './log-on-disk.ts';

describe('json-file: follower', () => {
  let disk: MemoryDisk;
  let writer: Store;
  let clock: VirtualClock;

  beforeEach(async () => {
    disk = new MemoryDisk();
    writer = await openOn(disk, { segmentEvents: 16 });
    clock = createVirtualClock();
  });
  afterEach(() => writer.close());

  async function follow(): Promise<Store> {
    const reader = storeOn(disk, { readOnly: true });
    await reader.open({ clock });
    return reader;
  }

  it('tells what is committed while it is being written, in order and once, across segments', async () => {
    const reader = await follow();
    const told: number[] = [];
    reader.onCommit((events: readonly StoredEvent[]) => told.push(...events.map(({ position }) => position)));
    for (let i = 0; i < 60; i++) {
      await commit(writer, [[event()], [event(), event()]]);
      if (i % 7 === 0) await clock.advance(250);
    }
    await clock.advance(250);
    await reader.head();
    await clock.advance(250);
    expect(told).to.deep.equal(Array.from({ length: 180 }, (_, i) => i + 1));
    expect(await idsOf(reader)).to.deep.equal(await idsOf(writer));
    await reader.close();
  });

  it('tells whole commits only', async () => {
    await commit(writer, [[event()], [event()]]);
    await commit(writer, [[event()], [event(), event()], [sized(600)]]);
    const bytes = disk.bytes(FIRST_SEGMENT);
    const start = bytes.indexOf(10) + 1;
    const heads = new Set<number>();
    for (let length = start; length <= bytes.length; length += 11) {
      const cut = disk.killed();
      cut.damage(FIRST_SEGMENT, bytes.subarray(0, length));
      const reader = storeOn(cut, { readOnly: true });
      await reader.open({ clock });
      heads.add((await reader.head()).position);
      await reader.close();
    }
    expect([...heads].every((head) => [0, 2, 6].includes(head))).to.equal(true);
    expect(heads.size).to.be.greaterThan(1);
  });

  it('goes on when a failed write was cut off and written again', async () => {
    const reader = await follow();
    await writer.append([event()]);
    disk.capacity = disk.bytes(FIRST_SEGMENT).length + 300;
    await rejection(writer.append([sized(5_000)]));
    expect((await reader.head()).position).to.equal(1);
    disk.capacity = Infinity;
    await writer.append([event({ id: 'second' })]);
    expect(await idsOf(reader)).to.include('second');
    await reader.close();
  });

  it('reads on when the writer removes events under it', async () => {
    for (let i = 0; i < 40; i++) await writer.append([event()]);
    const reader = await follow();
    expect((await idsOf(reader)).length).to.equal(40);
    await writer.remove([{ from: 2, to: 20 }], 'old');
    await writer.append([event()]);
    await reader.head();
    expect(await idsOf(reader)).to.deep.equal(await idsOf(writer));
    expect(await reader.removed()).to.deep.equal(await writer.removed());
    await reader.close();
  });

  it('tells what the writer removes and rewrites, also out of the segment that was written to', async () => {
    for (let i = 0; i < 40; i++) await writer.append([event()]);
    const reader = await follow();
    const told: (readonly [from: number, to: number])[][] = [];
    reader.onRemove((ranges) => told.push(ranges.map(({ from, to }) => [from, to])));
    const news = async (): Promise<unknown> => {
      await clock.advance(250);
      await reader.head();
      return told.splice(0).flat();
    };
    await writer.append([event()]);
    expect(await news(), 'an append').to.deep.equal([]);
    await writer.remove([{ from: 20, to: 21 }], 'old');
    expect(await news(), 'a sealed segment').to.deep.equal([[17, 32]]);
    await writer.remove([{ from: 3, to: 40 }], 'old');
    expect(await news(), 'the active one').to.deep.equal([
      [1, 16],
      [17, 32],
      [33, 41],
    ]);
    const [first] = (await writer.page({ after: 0, through: 1, limit: 1, descending: false })).events;
    await writer.rewrite([{ ...first!, payload: 'other' }]);
    expect(await news(), 'a rewrite').to.deep.equal([[1, 16]]);
    expect(await news(), 'nothing').to.deep.equal([]);
    await reader.close();
  });

  it('keeps no answer of a bus that the writer has removed', async () => {
    for (let i = 0; i < 20; i++) await writer.append([event()]);
    const bus = await createBus({ store: storeOn(disk, { readOnly: true }), clock, cache: true });
    const ids = async (): Promise<string[]> =>
      (await bus.query({ limit: 5, direction: 'forward' })).events.map(({ id }) => id);
    const before = await ids();
    expect(await ids()).to.deep.equal(before);
    await writer.remove([{ from: 1, to: 5 }], 'asked for');
    await clock.advance(250);
    expect(await ids()).to.not.include.members(before);
    await bus.close();
  });

  it('sees documents as they change, and writes none', async () => {
    const reader = await follow();
    await writer.putDocument('checkpoints', 'a', { at: 1 });
    expect((await reader.document('checkpoints', 'a'))?.value).to.deep.equal({ at: 1 });
    await writer.putDocument('checkpoints', 'a', { at: 2 });
    expect((await reader.document('checkpoints', 'a'))?.value).to.deep.equal({ at: 2 });
    expect((await rejection(reader.putDocument('checkpoints', 'a', 1))).code).to.equal('STORE_READ_ONLY');
    await reader.close();
  });

  it('writes nothing at all', async () => {
    for (let i = 0; i < 40; i++) await writer.append([event({ entity: 'order/1' })]);
    await writer.close();
    const before = disk.serial;
    const reader = await follow();
    await idsOf(reader);
    await reader.revision('order/1');
    await reader.close();
    expect(disk.serial).to.equal(before);
  });

  it('follows a writer over real files as soon as the platform tells', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'telltale-follow-'));
    const real = jsonFile(folder);
    await real.open();
    const reader = jsonFile(folder, { readOnly: true });
    await reader.open();
    const told = new Promise<readonly StoredEvent[]>((resolve) => reader.onCommit(resolve));
    await real.append([event({ id: 'seen' })]);
    expect((await told)[0]!.id).to.equal('seen');
    await reader.close();
    await real.close();
    rmSync(folder, { recursive: true });
  });

  it('refuses to read where there is no log', async () => {
    const reader = jsonFile(join(tmpdir(), 'telltale-there-is-nothing-here'), { readOnly: true });
    expect((await rejection(reader.open())).code).to.equal('STORE_PATH');
  });
});
