import { expect } from 'chai';
import fc from 'fast-check';
import { createBus, jsonFile, memory, type ReplayComparison } from '../../lib/index.ts';
import { matchEffects } from '../../lib/replay/match-effects.ts';
import { buildStored } from '../support/event-builder.ts';
import { createLived, takeSteps } from './lived.ts';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { rejectionOf } from '../support/rejection-of.ts';
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

  it('does not compare how long what was recorded took, nor the stack it failed with', async () => {
    const { bus, clock } = await createLived();
    let ms = 5;
    const handler = async ({ payload }: { payload: unknown }): Promise<void> => {
      const work = bus.record('tool', payload, async () => {
        await clock.advance((ms += 7));
        bus.emit('ball.thrown', payload);
        if ((payload as { n: number }).n === 2) throw new Error('two', { cause: new Error('deeper') });
        return { random: ms };
      });
      await Promise.allSettled([work]);
    };
    bus.on('step.taken', handler);
    await takeSteps(bus, [1, 2]);
    await bus.settled();
    const elsewhere = (event: { payload: unknown }): unknown => handler(event);
    const { compare } = await bus.replay({ pattern: 'step.*', into: elsewhere }).finished;
    const found = { causes: 2, notCompared: 0, missing: 0, new: 0 };
    const changed = await compare();
    expect(counts(changed)).to.deep.equal({ ...found, same: 5, changed: 1 });
    expect(changed.changed[0]!.original.type).to.equal('tool.finished');
    expect(
      counts(await compare({ ignore: ['payload.result.random', 'payload.no.such', 'metadata.tags'] })),
    ).to.deep.equal({ ...found, same: 6, changed: 0 });
    // The inside of what was recorded is found whatever the pattern leaves out.
    expect(counts(await compare({ pattern: 'ball.*' }))).to.deep.equal({ ...found, same: 2, changed: 0 });
    expect((await compare({ pattern: 'ball.*' })).unattributed).to.deep.equal([]);
  });

  it('counts what was recorded once, also where its own events were told', async () => {
    const { bus } = await createLived();
    const handler = ({ payload, type }: { payload: unknown; type: string }): unknown =>
      type === 'tool.started' ? bus.emit('tool.seen', {}) : bus.record('tool', payload, () => void bus.emit('a.b', {}));
    bus.on('step.taken', handler);
    bus.on('tool.started', handler);
    await takeSteps(bus, [1]);
    await bus.settled();
    await bus.flush();
    const { compare } = await bus.replay({ into: { 'step.taken': handler, 'tool.started': handler } }).finished;
    expect(counts(await compare())).to.include({ same: 4, missing: 0, new: 0, changed: 0 });
  });

  it('compares an event that was told again once, with what came of it the last time', async () => {
    const { bus } = await createLived();
    bus.on('step.taken', throwTwice);
    await takeSteps(bus, [1, 2, 3]);
    await bus.settled();
    let told = 0;
    const into: typeof throwTwice = (event, context) => {
      // The first time, something else comes of it.
      if (++told > 2) return throwTwice(event, context);
      bus.record('tool', {}, () => context.emit('ball.thrown', 'first'));
    };
    const replay = bus.replay({ pattern: 'step.*', into });
    await replay.step(2);
    await replay.seek(1);
    replay.resume();
    const result = await replay.finished;
    expect(result.emittedCount).to.equal(2 * 3 + 6);
    const comparison = await result.compare();
    expect(counts(comparison)).to.deep.equal({ causes: 3, notCompared: 0, same: 6, missing: 0, new: 0, changed: 0 });
    expect(comparison.unattributed).to.deep.equal([]);
  });

  it('tells apart what it cannot compare: without a told cause, or on another bus', async () => {
    const { bus } = await createLived();
    const other = await createBus({ source: 'other', store: memory() });
    await takeSteps(bus, [1]);
    const into = (): void => {
      bus.withContext({ correlationId: 'else' }, () => bus.emit('lone.barked', {}));
      other.emit('other.barked', {});
      bus.emit('dog.barked', {});
    };
    const { compare } = await bus.replay({ into }).finished;
    const comparison = await compare();
    expect(comparison.new.map(({ type }) => type)).to.deep.equal(['dog.barked']);
    const unattributed = comparison.unattributed.map(({ type, source }) => [type, source]);
    expect(unattributed).to.deep.equal([
      ['lone.barked', bus.source],
      ['other.barked', 'other'],
    ]);
    expect((await compare({ pattern: 'dog.*' })).unattributed).to.deep.equal([]);
    expect(await other.count()).to.equal(0);
    await other.close();
  });

  it('refuses options it does not know', async () => {
    const { bus } = await createLived();
    await takeSteps(bus, [1]);
    const { compare } = await bus.replay({ into: () => undefined }).finished;
    for (const options of [
      null,
      5,
      [],
      { ptrn: 'x' },
      { ignore: 'payload.x' },
      { ignore: ['time'] },
      { ignore: ['payload'] },
    ])
      expect((await rejectionOf(compare(options as never))).code, JSON.stringify(options)).to.equal('INVALID_OPTION');
    expect((await rejectionOf(compare({ ignore: ['payload.__proto__.x'] }))).code).to.equal('INVALID_PATH');
    expect((await rejectionOf(compare({ pattern: 'a..b' }))).code).to.equal('INVALID_PATTERN');
  });

  it('accounts for every effect exactly once', () => {
    const effect = fc.record({ type: fc.constantFrom('a.a', 'b.b'), n: fc.integer({ min: 0, max: 2 }) });
    fc.assert(
      fc.property(fc.array(effect), fc.array(effect), (before, after) => {
        const stored = before.map(({ type, n }, i) => buildStored(i + 1, { id: `o${i}`, type, payload: n }));
        const again = after.map(({ type, n }, i) => buildStored(i + 1, { id: `r${i}`, type, payload: n }));
        const { same, changed, missing, new: added } = matchEffects(stored, again, { ignored: [], cause: undefined });
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
