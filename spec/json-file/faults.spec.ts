import { expect } from 'chai';
import { MemoryDisk } from '../support/fault-fs.ts';
import type { Leftover } from '../support/fault-fs.ts';
import { EVENTS, OPTIONS, failEach, loss, run } from './fault-run.ts';
import { FIRST_SEGMENT, event, idsOf, openOn, rejection, sized, storeOn } from './log-on-disk.ts';

describe('json-file: faults', () => {
  it('loses nothing acknowledged in a power cut, whatever was left of unsynced bytes', async () => {
    for (const leftover of ['nothing', 'half', 'zeros', 'all'] as Leftover[]) {
      const { disk, acknowledged } = await run(() => undefined);
      expect(acknowledged.size).to.equal(EVENTS);
      expect(await loss(disk.powerCut(leftover), acknowledged), leftover).to.deep.equal([]);
    }
  });

  it('control: a disk whose syncs do nothing loses acknowledged events, and this suite sees it', async () => {
    const { disk, acknowledged } = await run(() => undefined, true);
    expect((await loss(disk.powerCut(), acknowledged)).length).to.be.greaterThan(0);
  });

  for (const kind of ['EIO', 'ENOSPC', 'short'] as const) {
    it(`acknowledges nothing it does not have when the Nth operation fails with ${kind}`, async () => {
      expect(await failEach(kind, 22)).to.deep.equal([]);
    });
  }

  it('loses nothing acknowledged when the process dies at the Nth operation', async () => {
    expect(await failEach('crash', 22, ['nothing', 'zeros'])).to.deep.equal([]);
  });

  it('recovers when it dies at every step of a recovery', async () => {
    const { disk, store, acknowledged } = await run(() => undefined);
    const { position } = await store.head();
    const broken = disk.killed();
    const path = broken.paths().findLast((name) => name.endsWith('.ndjson'))!;
    broken.damage(
      path,
      Buffer.concat([broken.bytes(path), Buffer.from(`{"crc":"00000000","position":${position + 1},"com`)]),
    );
    for (let n = 1; ; n++) {
      const dying = broken.killed();
      dying.fault = ({ serial }) => (serial === n ? 'crash' : undefined);
      const opened = await openOn(dying, OPTIONS).then(
        () => true,
        () => false,
      );
      for (const left of [dying.killed(), dying.powerCut()]) {
        expect(await loss(left, acknowledged), `step ${n}`).to.deep.equal([]);
        const again = await openOn(left, OPTIONS);
        expect((await again.append([event()])).position, `step ${n}`).to.equal(position + 2);
        await again.close();
      }
      if (opened) return expect(n).to.be.greaterThan(8);
    }
  });

  it('stops for good after a failed sync: nothing more is acknowledged, reads go on, the sync is not tried again', async () => {
    const disk = new MemoryDisk();
    const store = await openOn(disk);
    await store.append([event({ id: 'safe' })]);
    let syncs = 0;
    disk.fault = ({ name }) => (name === 'datasync' && ++syncs === 1 ? 'EIO' : undefined);
    expect((await rejection(store.append([event()]))).code).to.equal('STORE_FAILED');
    expect((await rejection(store.append([event()]))).code).to.equal('STORE_FAILED');
    expect((await rejection(store.putDocument('a', 'b', 1))).code).to.equal('STORE_FAILED');
    expect(syncs).to.equal(1);
    expect(store.health().status).to.equal('failed');
    expect(await idsOf(store)).to.deep.equal(['safe']);
    await store.close();
  });

  it('appends nothing behind a segment whose successor is there already', async () => {
    for (const name of ['open', 'rename', 'syncFolder'] as const) {
      const disk = new MemoryDisk();
      const store = await openOn(disk, OPTIONS);
      for (let i = 0; i < 15; i++) await store.append([event()]);
      let failed = false;
      disk.fault = (operation) => (operation.name === name && !failed && (failed = true) ? 'EIO' : undefined);
      expect((await rejection(store.append([event(), event(), event()]))).code).to.match(/STORE_(FAILED|UNAVAILABLE)/);
      const last = event();
      const acknowledged = new Map<string, number>();
      await store.append([last]).then(
        ({ position }) => acknowledged.set(last.id, position),
        () => undefined,
      );
      expect(await loss(disk.killed(), acknowledged), name).to.deep.equal([]);
      await store.close();
    }
  });

  it('stops for good when a failed write cannot be cut off again', async () => {
    const disk = new MemoryDisk();
    const store = await openOn(disk);
    let writes = 0;
    disk.fault = ({ name }) => {
      if (name === 'write') return ++writes === 1 ? 'short' : 'EIO';
      return name === 'truncate' ? 'EIO' : undefined;
    };
    expect((await rejection(store.append([event()]))).code).to.equal('STORE_FAILED');
    expect(store.health().status).to.equal('failed');
    await store.close();
  });

  it('goes on without repair when a full disk has room again', async () => {
    for (let round = 0; round < 3; round++) {
      const disk = new MemoryDisk();
      const store = await openOn(disk);
      await store.append([event()]);
      const good = disk.bytes(FIRST_SEGMENT);
      disk.capacity = good.length + 400 + round * 211;
      const large = sized(2_000);
      expect((await rejection(store.append([large]))).code).to.equal('STORE_UNAVAILABLE');
      expect(disk.bytes(FIRST_SEGMENT).equals(good)).to.equal(true);
      disk.capacity = Infinity;
      expect(await store.append([large])).to.include({ position: 2, duplicate: false });
      expect(await loss(disk.killed(), new Map([[large.id, 2]]))).to.deep.equal([]);
      await store.close();
    }
  });

  it('continues a short write that is no failure', async () => {
    const disk = new MemoryDisk();
    const store = await openOn(disk);
    disk.fault = ({ name }) => (name === 'write' && disk.serial % 2 === 0 ? 'short' : undefined);
    for (let i = 0; i < 10; i++) await store.append([sized(700)]);
    expect((await idsOf(store)).length).to.equal(10);
    await store.close();
    expect((await idsOf(await openOn(disk))).length).to.equal(10);
  });

  it('needs no sync with durability os, until somebody asks for one', async () => {
    const disk = new MemoryDisk();
    const store = await openOn(disk, { durability: 'os' });
    let syncs = 0;
    disk.fault = ({ name }) => {
      if (name === 'datasync') syncs++;
      return undefined;
    };
    expect((await store.append([event()])).durability).to.equal('os');
    expect(syncs).to.equal(0);
    await store.sync();
    expect(syncs).to.equal(1);
    expect((await idsOf(await openOn(disk.powerCut()))).length).to.equal(1);
    await store.close();
  });

  it('leaves the old state or the new when it dies at every step of a removal', async () => {
    const { disk, acknowledged } = await run(() => undefined);
    const seen = new Set<number>();
    for (let n = 1; ; n++) {
      const dying = disk.killed();
      const store = storeOn(dying, OPTIONS);
      await store.open();
      const first = dying.serial;
      dying.fault = ({ serial }) => (serial - first === n ? 'crash' : undefined);
      const done = await store.remove([{ from: 3, to: 5 }], 'old').then(
        () => true,
        () => false,
      );
      for (const left of [dying.killed(), dying.powerCut()]) {
        const again = await openOn(left, OPTIONS);
        const ids = await idsOf(again);
        seen.add(ids.length);
        expect(ids.length, `step ${n}`).to.be.oneOf([EVENTS, EVENTS - 3]);
        expect(await again.removed()).to.have.length(ids.length === EVENTS ? 0 : 1);
        expect((await again.find([...acknowledged.keys()])).size, `step ${n}`).to.equal(EVENTS);
        expect((await again.append([event()])).position).to.equal(EVENTS + 1);
        await again.close();
      }
      if (done) break;
    }
    expect([...seen]).to.have.members([EVENTS - 3, EVENTS]);
  });
});
