import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createBus } from '../../lib/bus.ts';
import { AbstractSink, type StoredEvent } from '../../lib/plugin.ts';
import type { EnforceReport } from '../../lib/retention/enforce.ts';
import type { RetentionPlan } from '../../lib/retention/preview.ts';
import type { RetentionRule } from '../../lib/retention/rule.ts';
import { LETTER_OPENED, letterEntity } from '../../lib/store/letter.ts';
import { CHECKPOINTS } from '../../lib/store/read/resolve-place.ts';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { memory } from '../../plugins/memory/index.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { fill, openLog, positionsOf, type Entry } from './log.ts';

const ALL: readonly RetentionRule[] = [{ match: '**', keepCount: 0 }];
const tasks = (count: number, more: Partial<Entry> = {}): Entry[] =>
  Array.from({ length: count }, () => ({ type: 'task.done', ...more }));

class Archive extends AbstractSink {
  readonly name = 'archive';
  readonly written: StoredEvent[] = [];
  failing = false;
  closed = 0;

  protected async _open(): Promise<void> {}
  protected async _write(events: readonly StoredEvent[]): Promise<void> {
    if (this.failing) throw new Error('no room');
    this.written.push(...events);
  }
  protected async _close(): Promise<void> {
    this.closed++;
  }
}

describe('enforcing a retention plan', () => {
  it('removes what the plan said, nothing that came later', async () => {
    const { retention, store, clock } = await openLog(tasks(4), { rules: ALL });
    const plan = await retention.preview();
    await fill(store, clock, tasks(2));
    const report = await retention.enforce(plan);
    expect(report.removed).to.deep.include({ events: 4, byRule: { '**': 4 } });
    expect(report.removed.bytes).to.equal(plan.removes.bytes);
    expect(report).to.deep.include({ complete: true, slices: 1, left: { events: 0, why: {} } });
    expect(await positionsOf(store)).to.deep.equal([5, 6]);
    expect((await store.removed())[0]).to.include({ from: 1, to: 4, reason: 'retention' });
  });

  it('removes nothing twice', async () => {
    const { retention } = await openLog(tasks(4), { rules: ALL });
    const plan = await retention.preview();
    expect((await retention.enforce(plan)).removed.events).to.equal(4);
    expect((await retention.enforce(plan)).removed.events).to.equal(0);
  });

  it('leaves what a new consumer has not seen, and says so', async () => {
    const { retention, store, clock } = await openLog(tasks(6), { rules: ALL });
    const plan = await retention.preview();
    await store.putDocument(CHECKPOINTS, 'new', { position: 2, at: clock.at });
    const report = await retention.enforce(plan);
    expect(await positionsOf(store)).to.deep.equal([3, 4, 5, 6]);
    expect(report.left).to.deep.equal({ events: 4, why: { consumer: 4 } });
    expect(report.removed.events).to.equal(2);
  });

  it('leaves what a consumer that went back has to process again', async () => {
    const rules = [{ match: '**', keepUntilProcessedBy: 'mailer' }];
    const { retention, store } = await openLog(tasks(6), { rules });
    await store.putDocument(CHECKPOINTS, 'mailer', { position: 6, at: 0 });
    const plan = await retention.preview();
    expect(plan.removes.events).to.equal(6);
    await store.putDocument(CHECKPOINTS, 'mailer', { position: 1, at: 0 });
    expect((await retention.enforce(plan)).left.why).to.deep.equal({ keepUntilProcessedBy: 5 });
    expect(await positionsOf(store)).to.deep.equal([2, 3, 4, 5, 6]);
  });

  it('leaves what a letter that was opened since is about', async () => {
    const { retention, store, clock } = await openLog(tasks(4), { rules: ALL });
    const plan = await retention.preview();
    await fill(store, clock, [{ type: LETTER_OPENED, entity: letterEntity('l'), payload: { id: 'l', position: 3 } }]);
    expect((await retention.enforce(plan)).left.why).to.deep.equal({ 'dead letter': 1 });
    expect(await positionsOf(store)).to.deep.equal([3, 5]);
  });

  it('leaves what lies behind a snapshot that was taken since', async () => {
    const { retention, store } = await openLog(tasks(4, { entity: 'agent/1' }), { rules: ALL });
    const plan = await retention.preview();
    await store.putDocument('snapshots', 'agent/1', { position: 2 });
    expect((await retention.enforce(plan)).left.why).to.deep.equal({ snapshot: 2 });
    expect(await positionsOf(store)).to.deep.equal([3, 4]);
  });

  it('leaves a correlation that has gone on since, whole', async () => {
    const rules = [{ match: '**', keepCount: 0, wholeCorrelations: true }];
    const { retention, store, clock } = await openLog(
      [...tasks(2, { correlationId: 'a' }), ...tasks(2, { correlationId: 'b' }), ...tasks(1, { correlationId: 'a' })],
      { rules },
    );
    const plan = await retention.preview();
    await fill(store, clock, tasks(1, { correlationId: 'a' }));
    const report = await retention.enforce(plan);
    expect(report.left.why).to.deep.equal({ wholeCorrelations: 3 });
    expect(await positionsOf(store)).to.deep.equal([1, 2, 5, 6]);
  });

  it('goes through a long plan in slices', async () => {
    const { retention, store, clock } = await openLog([], { rules: ALL }, { store: memory({ capacity: 100_000 }) });
    for (let n = 0; n < 14; n++) await fill(store, clock, tasks(5_000));
    const report = await retention.enforce();
    expect(report.slices).to.equal(2);
    expect(report.removed.events).to.equal(70_000);
    expect(await positionsOf(store)).to.deep.equal([]);
  });

  it('gives events to the archive before it removes them, and removes none where that fails', async () => {
    const archive = new Archive();
    const { retention, store } = await openLog(tasks(4), { rules: [{ match: '**', keepCount: 1 }], archive });
    archive.failing = true;
    expect((await rejectionOf(retention.enforce())).code).to.equal('STORE_UNAVAILABLE');
    expect(await positionsOf(store)).to.have.length(4);
    archive.failing = false;
    await retention.enforce();
    expect(archive.written.map(({ position }) => position)).to.deep.equal([1, 2, 3]);
    expect(await positionsOf(store)).to.deep.equal([4]);
    await retention.close();
    expect(archive.closed).to.equal(1);
  });

  it('takes only plans that preview made', async () => {
    const { retention } = await openLog(tasks(1), { rules: ALL });
    const copy: unknown = JSON.parse(JSON.stringify(await retention.preview()));
    for (const plan of [copy, {}, null])
      expect((await rejectionOf(retention.enforce(plan as RetentionPlan))).message).to.match(
        /a plan of `retention.preview`/,
      );
  });

  it('refuses other options of preview than it knows', async () => {
    const { retention } = await openLog([]);
    for (const options of [{ rule: [] }, { after: -1 }, [], { rules: [{}] }, { signal: 5 }, { signal: null }])
      expect((await rejectionOf(retention.preview(options as never))).code).to.equal('INVALID_OPTION');
  });

  it('clears everything, or a selection, only when the store is named', async () => {
    const { retention, store } = await openLog([...tasks(3), { type: 'note.written' }]);
    for (const given of [undefined, {}, { confirm: true }, { confirm: 'other' }]) {
      const error = await rejectionOf(retention.clear(given as never));
      expect(error.code).to.equal('INVALID_OPTION');
      expect(error.message).to.include('memory');
    }
    const unknown = await rejectionOf(retention.clear({ confirm: 'memory', patern: 'task.*' } as never));
    expect(unknown.code).to.equal('INVALID_QUERY');
    expect(await positionsOf(store)).to.have.length(4);
    expect(await retention.clear({ confirm: 'memory', pattern: 'task.*' })).to.deep.equal({
      removed: { events: 3 },
      complete: true,
    });
    expect(await positionsOf(store)).to.deep.equal([4]);
    expect((await retention.clear({ confirm: 'memory' })).removed).to.deep.equal({ events: 1 });
    expect((await store.head()).position).to.equal(4);
  });

  it('needs a store', async () => {
    const bus = await createBus({});
    const { retention } = bus;
    for (const call of [() => retention.preview(), () => retention.enforce(), () => retention.clear({ confirm: 'x' })])
      expect((await rejectionOf(call())).code).to.equal('STORE_REQUIRED');
    expect(bus.retention.stats().sweeps).to.equal(0);
    await bus.close();
    expect((await rejectionOf(createBus({ retention: { rules: [] } }))).code).to.equal('INVALID_OPTION');
  });

  it('previews a log that is open for reading, and removes nothing of it', async () => {
    const folder = mkdtempSync(join(quickFolder(), 'telltale-retention-'));
    try {
      const writer = await createBus({ store: jsonFile(folder) });
      await writer.publish('task.done', 1);
      await writer.close();
      const bus = await createBus({ store: jsonFile(folder, { readOnly: true }), retention: { rules: ALL } });
      const plan = await bus.retention.preview();
      expect(plan.removes.events).to.equal(1);
      expect((await rejectionOf(bus.retention.enforce(plan))).code).to.equal('STORE_READ_ONLY');
      expect((await rejectionOf(bus.retention.clear({ confirm: 'x' }))).code).to.equal('STORE_READ_ONLY');
      await bus.close();
      const sweeping = createBus({ store: jsonFile(folder, { readOnly: true }), retention: { every: '1m' } });
      expect((await rejectionOf(sweeping)).message).to.match(/may be written/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('ends with its slice when the bus closes', async () => {
    const archive = new Archive();
    const store = memory({ capacity: 100_000 });
    const bus = await createBus({ store, retention: { rules: [{ match: 'task.done', keepCount: 0 }], archive } });
    for (let n = 0; n < 14; n++) await fill(store, { at: 0 }, tasks(5_000));
    const remove = store.remove.bind(store);
    const closed = new Promise((resolve) => {
      store.remove = (...given) => {
        resolve(bus.close());
        return remove(...given);
      };
    });
    let report: EnforceReport | undefined;
    const enforced = bus.retention.enforce().then((given) => (report = given));
    await closed;
    expect(report, 'before the bus is closed').to.include({ complete: false, slices: 1 });
    expect(report!.removed.events).to.equal(35_000);
    expect(archive.closed).to.equal(1);
    await enforced;
  });

  it('ends a call of clear with its slice when the bus closes, and says that it is not complete', async () => {
    const { retention, store } = await openLog(tasks(2_000));
    const page = store.page.bind(store);
    let pages = 0;
    let closed: Promise<void> | undefined;
    store.page = (query) => {
      if (++pages === 2) closed = retention.close();
      return page(query);
    };
    expect(await retention.clear({ confirm: 'memory' })).to.deep.equal({ removed: { events: 500 }, complete: false });
    await closed;
    expect((await positionsOf(store))[0]).to.equal(501);
  });

  it('sees what was emitted just before', async () => {
    const bus = await createBus({ store: memory(), retention: { rules: ALL } });
    bus.emit('task.done', 1);
    expect((await bus.retention.enforce()).removed.events).to.equal(1);
    expect(await bus.count()).to.equal(0);
    expect(bus.retention.stats().removed).to.deep.include({ events: 1, byRule: { '**': 1 } });
    await bus.close();
  });
});
