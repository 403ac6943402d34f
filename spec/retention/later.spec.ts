import { expect } from 'chai';
import type { RetentionPlan } from '../../lib/retention/preview.ts';
import type { RetentionRule } from '../../lib/retention/rule.ts';
import { LETTER_OPENED, letterEntity } from '../../lib/store/letter.ts';
import type { Store } from '../../lib/store/port.ts';
import { CHECKPOINTS } from '../../lib/store/read/resolve-place.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { fill, openLog, positionsOf, START, type Entry } from './log.ts';

const ALL: readonly RetentionRule[] = [{ match: '**', name: 'all', keepCount: 0 }];
const WHOLE: readonly RetentionRule[] = [{ match: '**', keepCount: 0, wholeCorrelations: true }];
const tasks = (count: number, more: Partial<Entry> = {}): Entry[] =>
  Array.from({ length: count }, (_, n) => ({ type: 'task.done', payload: 'x'.repeat(n), ...more }));

const openLetter = (store: Store, position: number): Promise<void> =>
  fill(store, { at: START }, [{ type: LETTER_OPENED, entity: letterEntity('l'), payload: { id: 'l', position } }]);

describe('a retention plan that is carried out later', () => {
  it('is taken by nobody but the bus that made it, and only as it was made', async () => {
    const made = await openLog(tasks(3), { rules: ALL });
    const other = await openLog(tasks(3), { rules: [{ match: '**' }] });
    const plan = await made.retention.preview();
    const copies = [{ ...plan }, Object.create(plan) as RetentionPlan, plan];
    const takers = [made, made, other];
    for (const [at, copy] of copies.entries()) {
      const error = await rejectionOf(takers[at]!.retention.enforce(copy));
      expect(error.code).to.equal('INVALID_OPTION');
      expect(error.message).to.match(/a plan of `retention.preview` of this bus, as it came/);
    }
    expect(await positionsOf(other.store)).to.have.length(3);
    expect((await made.retention.enforce(plan)).removed.events).to.equal(3);
  });

  it('reports and sums up what went, not what was planned, when it is carried out again', async () => {
    const { retention } = await openLog(tasks(5), { rules: ALL });
    const plan = await retention.preview();
    const first = await retention.enforce(plan);
    expect(first.removed).to.deep.equal({ events: 5, bytes: plan.removes.bytes, byRule: { all: 5 } });
    expect((await retention.enforce(plan)).removed).to.deep.equal({ events: 0, bytes: 0, byRule: {} });
    expect(retention.stats.figures(undefined).removed).to.deep.equal(first.removed);
  });

  it('reports what went where a part was gone already', async () => {
    const rules = [{ match: 'note.*', name: 'notes', keepCount: 0 }, ...ALL];
    const { retention, store } = await openLog([...tasks(5), { type: 'note.written' }, ...tasks(2)], { rules });
    const plan = await retention.preview();
    await retention.clear({ confirm: store.name, from: { position: 2 }, to: { position: 4 } });
    const rest = (await retention.preview()).removes;
    expect((await retention.enforce(plan)).removed).to.deep.equal({
      events: 5,
      bytes: rest.bytes,
      byRule: { all: 4, notes: 1 },
    });
  });

  it('reports what went where a part was taken out behind its back', async () => {
    const { retention, store } = await openLog(tasks(6), { rules: ALL });
    const plan = await retention.preview();
    await store.remove([{ from: 1, to: 3 }], 'spec');
    const { bytes } = (await retention.preview()).removes;
    expect((await retention.enforce(plan)).removed).to.deep.equal({ events: 3, bytes, byRule: { all: 3 } });
  });

  it('reports each rule its share where a part is taken out at the same time', async () => {
    const rules = [{ match: 'note.*', name: 'notes', keepCount: 0 }, ...ALL];
    const { retention, store } = await openLog([...tasks(4), { type: 'note.written' }, { type: 'note.written' }], {
      rules,
    });
    const plan = await retention.preview();
    const remove = store.remove.bind(store);
    store.remove = async (...given) => {
      await remove([{ from: 2, to: 4 }], 'spec');
      return remove(...given);
    };
    const { removed } = await retention.enforce(plan);
    expect([removed.events, removed.byRule]).to.deep.equal([3, { all: 2, notes: 1 }]);
    expect(removed.bytes).to.equal(Math.round(plan.removes.bytes / 2));
  });

  it('reports what went where a part has come under protection, gaps or none', async () => {
    const { retention, store, clock } = await openLog(tasks(9), { rules: ALL });
    await store.remove([{ from: 2, to: 4 }], 'spec');
    const plan = await retention.preview();
    await store.putDocument(CHECKPOINTS, 'new', { position: 5, at: clock.at });
    const { removes } = await retention.preview();
    const report = await retention.enforce(plan);
    expect(report.removed).to.deep.equal({ events: 2, bytes: removes.bytes, byRule: { all: 2 } });
    expect(report.left).to.deep.equal({ events: 4, why: { consumer: 4 } });
  });

  it('leaves the whole correlation of an event that a letter has been opened about', async () => {
    const { retention, store } = await openLog(
      [...tasks(4, { correlationId: 'a' }), ...tasks(2, { correlationId: 'b' })],
      { rules: WHOLE },
    );
    const plan = await retention.preview();
    await openLetter(store, 3);
    expect((await retention.preview()).removes.events).to.equal(2);
    const report = await retention.enforce(plan);
    expect(await positionsOf(store)).to.deep.equal([1, 2, 3, 4, 7]);
    expect(report.left.why).to.deep.equal({ 'dead letter': 1, wholeCorrelations: 3 });
    expect(report.removed).to.deep.include({ events: 2, byRule: { '**': 2 } });
  });

  it('leaves the whole correlation of what lies behind a new consumer', async () => {
    const chains = ['a', 'b', 'a', 'c', 'b'].map((correlationId) => ({ type: 'task.done', correlationId }));
    const { retention, store, clock } = await openLog(chains, { rules: WHOLE });
    const plan = await retention.preview();
    await store.putDocument(CHECKPOINTS, 'new', { position: 4, at: clock.at });
    await retention.enforce(plan);
    expect(await positionsOf(store)).to.deep.equal([2, 5]);
  });

  it('leaves the whole correlation of what a consumer that went back is to process again', async () => {
    const rules = [
      { match: 'note.*', keepUntilProcessedBy: 'mailer' },
      { match: '**', keepCount: 0, wholeCorrelations: true },
    ];
    const log: Entry[] = [
      { type: 'task.done', correlationId: 'a' },
      { type: 'task.done', correlationId: 'b' },
      { type: 'note.written', correlationId: 'a' },
      { type: 'task.done', correlationId: 'b' },
    ];
    const { retention, store } = await openLog(log, { rules });
    await store.putDocument(CHECKPOINTS, 'mailer', { position: 4, at: 0 });
    const plan = await retention.preview();
    expect(plan.removes.events).to.equal(4);
    await store.putDocument(CHECKPOINTS, 'mailer', { position: 2, at: 0 });
    await retention.enforce(plan);
    expect(await positionsOf(store)).to.deep.equal([1, 3]);
  });

  it('leaves the whole correlation of what lies behind a new snapshot of its entity', async () => {
    const log: Entry[] = [
      { type: 'task.done', correlationId: 'a' },
      { type: 'task.done', correlationId: 'b' },
      { type: 'task.done', correlationId: 'a', entity: 'agent/1' },
    ];
    const { retention, store } = await openLog(log, { rules: WHOLE });
    const plan = await retention.preview();
    await store.putDocument('snapshots', 'agent/1', { position: 2 });
    await retention.enforce(plan);
    expect(await positionsOf(store)).to.deep.equal([1, 3]);
  });
});
