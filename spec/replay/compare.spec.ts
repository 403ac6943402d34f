import { expect } from 'chai';
import fc from 'fast-check';
import { createBus, jsonFile, type ReplayComparison } from '../../lib/index.ts';
import { matchEffects } from '../../lib/replay/effects.ts';
import { buildStored } from '../support/event-builder.ts';
import { createLived, takeSteps } from './lived.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { quickFolder } from '../support/quick-folder.ts';

const counts = ({ causes, same, missing, new: added, changed, notCompared }: ReplayComparison) => ({
  causes,
  notCompared,
  same,
  missing: missing.length,
  new: added.length,
  changed: changed.length,
});

type Emit = (type: string, payload: unknown, options?: object) => unknown;

const throwTwice = (
  event: { payload: unknown },
  { emit }: { emit: (type: string, payload: unknown, options?: object) => unknown },
) => {
  emit('ball.thrown', event.payload, { entity: 'ball/1', metadata: { tags: ['a'] } });
  emit('ball.thrown', { again: true });
};

const throwOnce = (event: { payload: unknown }, { emit }: { emit: Emit }): unknown =>
  emit('ball.thrown', event.payload);

describe('compare', () => {
  it('finds the same run the same', async () => {
    const { bus } = await createLived();
    bus.on('step.taken', throwTwice);
    await takeSteps(bus, [1, 2, 3], { metadata: { conversationId: 'c' } });
    await bus.settled();
    const result = await bus.replay({ pattern: 'step.*', into: throwTwice }).finished;
    const found = { causes: 3, notCompared: 0, same: 6, missing: 0, new: 0, changed: 0 };
    expect(counts(await result.compare())).to.deep.equal(found);
  });

  it('tells what is missing, new and changed, with the events', async () => {
    const { bus } = await createLived();
    bus.on('step.taken', ({ payload }, { emit }) => {
      const { n } = payload as { n: number };
      emit('ball.thrown', { n });
      if (n === 2) emit('ball.lost', {});
      emit('dog.barked', {});
    });
    await takeSteps(bus, [1, 2]);
    await bus.settled();
    const result = await bus.replay({
      pattern: 'step.*',
      into: ({ payload }, { emit }) => {
        const { n } = payload as { n: number };
        emit('ball.thrown', { n: n === 1 ? 1 : 20 });
        emit('dog.barked', {});
        if (n === 1) emit('dog.barked', { twice: true });
        emit('dog.dreamt', {}, { transient: true });
      },
    }).finished;
    const comparison = await result.compare();
    expect(counts(comparison)).to.deep.equal({ causes: 2, notCompared: 0, same: 3, missing: 1, new: 1, changed: 1 });
    expect(comparison.missing[0]).to.include({ type: 'ball.lost' });
    expect(comparison.new[0]).to.deep.include({ type: 'dog.barked', payload: { twice: true } });
    const [{ original, replayed }] = comparison.changed as [ReplayComparison['changed'][number]];
    expect([original.payload, replayed.payload]).to.deep.equal([{ n: 2 }, { n: 20 }]);
    expect(counts(await result.compare({ pattern: 'ball.*' }))).to.include({ same: 1, missing: 1, new: 0, changed: 1 });
  });

  it('follows what was recorded inside a handler', async () => {
    const { bus } = await createLived();
    const handler = ({ payload }: { payload: unknown }) =>
      bus.record('tool', payload, () => bus.emit('ball.thrown', payload));
    bus.on('step.taken', handler);
    await takeSteps(bus, [1]);
    await bus.settled();
    const result = await bus.replay({ pattern: 'step.*', into: handler }).finished;
    expect(counts(await result.compare({ pattern: 'tool.started' }))).to.include({ same: 1, new: 0 });
    const whole = counts(await result.compare());
    expect(whole.same + whole.changed).to.equal(3);
    expect(whole).to.include({ missing: 0, new: 0 });
  });

  it('does not take what an accepted replay has added for the original', async () => {
    const { bus } = await createLived();
    bus.on('step.taken', throwOnce);
    await takeSteps(bus, [1]);
    await bus.settled();
    await bus.replay({ pattern: 'step.*', into: throwOnce, accept: true }).finished;
    await bus.flush();
    expect(await bus.count({ type: 'ball.thrown' })).to.equal(2);
    const result = await bus.replay({ pattern: 'step.*', into: throwOnce }).finished;
    expect(counts(await result.compare())).to.include({ same: 1, missing: 0, new: 0 });
  });

  it('compares no more causes than it remembers, and says so', async function () {
    this.timeout(20_000);
    const { bus } = await createLived();
    for (let i = 0; i < 11; i++) {
      const batch = bus.batch();
      for (let n = 0; n < 1_000; n++) batch.add('step.taken', { n });
      await batch.commit();
    }
    const result = await bus.replay({ into: () => undefined }).finished;
    expect(counts(await result.compare())).to.include({ causes: 10_000, notCompared: 1_000 });
  });

  it('works on a log in files, from a bus of another name', async () => {
    const folder = mkdtempSync(join(quickFolder(), 'telltale-compare-'));
    const first = await createBus({ source: 'first', store: jsonFile(folder) });
    first.on('step.taken', throwOnce);
    await takeSteps(first, [1, 2, 3]);
    await first.close();
    const second = await createBus({ source: 'second', store: jsonFile(folder) });
    const result = await second.replay({ pattern: 'step.*', into: throwOnce }).finished;
    expect(counts(await result.compare())).to.include({ same: 3, missing: 0, new: 0, changed: 0 });
    await second.close();
    rmSync(folder, { recursive: true });
  });

  it('accounts for every effect exactly once', () => {
    const effect = fc.record({ type: fc.constantFrom('a.a', 'b.b'), n: fc.integer({ min: 0, max: 2 }) });
    fc.assert(
      fc.property(fc.array(effect), fc.array(effect), (before, after) => {
        const stored = before.map(({ type, n }, i) => buildStored(i + 1, { id: `o${i}`, type, payload: n }));
        const again = after.map(({ type, n }, i) => buildStored(i + 1, { id: `r${i}`, type, payload: n }));
        const { same, changed, missing, new: added } = matchEffects(stored, again);
        const pairs = [...same, ...changed];
        expect([...pairs.map(({ original }) => original), ...missing]).to.have.members(stored);
        expect([...pairs.map(({ replayed }) => replayed), ...added]).to.have.members(again);
        for (const { original, replayed } of pairs) expect(original.type).to.equal(replayed.type);
        for (const { original, replayed } of same) expect(original.payload).to.equal(replayed.payload);
        for (const { original, replayed } of changed) expect(original.payload).not.to.equal(replayed.payload);
        // Of each type, something is missing or something is new, never both.
        for (const type of ['a.a', 'b.b'])
          expect(missing.some((event) => event.type === type) && added.some((event) => event.type === type)).to.equal(
            false,
          );
      }),
    );
  });
});
