import { expect } from 'chai';
import fc from 'fast-check';
import { isTelltaleError, type Store } from '../../lib/plugin.ts';
import { parseRules } from '../../lib/retention/rules.ts';
import type { RetentionRule } from '../../lib/retention/rule.ts';
import { LETTER_OPENED, letterEntity } from '../../lib/store/letter.ts';
import { CHECKPOINTS } from '../../lib/store/read/resolve-place.ts';
import { createSetClock, eventsOf, fill, openLog, positionsOf, START, HOUR, type Entry } from './log.ts';
import { naiveGoing, PATTERNS, type Shields } from './naive-model.ts';

/** More than one, so that positions do not always begin at 1. */
const LOGS_OF_A_STORE = 2;

const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
const often = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.oneof(fc.constant(undefined), arbitrary);
const ENTITIES = ['agent/1', 'agent/2', 'user/1'];

const entries: fc.Arbitrary<Entry[]> = fc
  .array(
    fc.record({
      type: fc.constantFrom('task.created', 'task.done', 'task.item.done', 'error.db.timeout', 'token'),
      correlationId: fc.constantFrom('c1', 'c2', 'c3', 'c4', 'c5', 'c6'),
      entity: maybe(fc.constantFrom(...ENTITIES)),
      hours: fc.oneof(
        { weight: 2, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.integer({ min: 1, max: 40 }) },
      ),
      age: fc.integer({ min: -30, max: 30 }),
      payload: fc.record({ n: fc.integer({ min: 0, max: 2 }), text: fc.string({ maxLength: 60 }) }),
      priority: maybe(fc.constantFrom('low', 'normal', 'high', 'critical')),
    }),
    { minLength: 1, maxLength: 25, size: 'max' },
  )
  .map((list) =>
    list.map(({ age, entity, priority, ...entry }) => ({
      ...entry,
      ...(entity !== undefined && { entity }),
      ...(priority !== undefined && { metadata: { priority } }),
      time: START + age * HOUR,
    })),
  );

const rule: fc.Arbitrary<RetentionRule> = fc.record({
  match: fc.constantFrom('**', '**', '**', ...Object.keys(PATTERNS)),
  where: maybe(fc.record({ 'payload.n': fc.integer({ min: 0, max: 2 }) })),
  keepFor: often(fc.integer({ min: 1, max: 200 }).map((hours) => `${hours}h` as const)),
  keepCount: maybe(fc.integer({ min: 0, max: 8 })),
  keepBytes: maybe(fc.integer({ min: 0, max: 4_000 })),
  by: fc.constantFrom(undefined, undefined, 'time' as const),
  wholeCorrelations: fc.constantFrom(undefined, undefined, undefined, true, { atMost: 1 }, { atMost: 3 }),
  keepPriority: fc.constantFrom(
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    'normal' as const,
    'high' as const,
  ),
  keepLatestByEntity: maybe(fc.integer({ min: 1, max: 3 })),
  keepUntilProcessedBy: fc.constantFrom(undefined, undefined, undefined, undefined, undefined, 'mailer', [
    'mailer',
    'indexer',
  ]),
}) as fc.Arbitrary<RetentionRule>;

/** Shares of the log, so that they fit whatever its length. */
const shields = fc.record({
  mailer: maybe(fc.record({ share: fc.double({ min: 0.6, max: 1, noNaN: true }), live: fc.boolean() })),
  indexer: maybe(fc.record({ share: fc.double({ min: 0.6, max: 1, noNaN: true }), live: fc.boolean() })),
  letters: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 2 }),
  snapshots: fc.array(
    fc.record({ entity: fc.constantFrom(...ENTITIES), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
    { maxLength: 1 },
  ),
});
const modes = fc.record({ given: fc.boolean(), parts: fc.boolean(), later: fc.nat(300) });
type DrawnShields = typeof shields extends fc.Arbitrary<infer Drawn> ? Drawn : never;

/** Rules that contradict themselves have a spec of their own. */
const ruleSets = fc.array(rule, { minLength: 1, maxLength: 4, size: 'max' }).filter((rules) => {
  try {
    return parseRules(rules).length >= 0;
  } catch (error) {
    return !isTelltaleError(error);
  }
});

async function place(store: Store, drawn: DrawnShields, base: number, now: number): Promise<Shields> {
  const head = (await store.head()).position;
  const at = (share: number): number => base + Math.round((head - base) * share);
  const checkpoints: Record<string, { position: number; live: boolean }> = {};
  for (const name of ['mailer', 'indexer'] as const) {
    const checkpoint = drawn[name];
    if (!checkpoint) continue;
    checkpoints[name] = { position: at(checkpoint.share), live: checkpoint.live };
    const value = { position: at(checkpoint.share), at: checkpoint.live ? now - HOUR : now - 8 * 24 * HOUR };
    await store.putDocument(CHECKPOINTS, name, value);
  }
  const snapshots = Object.fromEntries(drawn.snapshots.map(({ entity, share }) => [entity, at(share)]));
  for (const [entity, position] of Object.entries(snapshots))
    await store.putDocument('snapshots', entity, { position });
  return { checkpoints, snapshots, letters: drawn.letters.map(at).filter((position) => position > base) };
}

/** Everything as it was before the first event, positions aside. */
async function empty(store: Store): Promise<void> {
  const left = await positionsOf(store);
  if (left.length > 0) await store.remove([{ from: left[0]!, to: left.at(-1)! }], 'spec');
  for (const collection of [CHECKPOINTS, 'snapshots'])
    for (const { key } of await store.listDocuments(collection)) await store.deleteDocument(collection, key);
}

/**
 * Holds a preview, what an enforcement leaves and a plain model of the rules against one another, on random rule sets
 * and logs. Seed by `TELLTALE_SEED`.
 */
export async function expectAgreement(createStore: () => Store, runs: number): Promise<void> {
  const clock = createSetClock();
  let store = createStore();
  await store.open({ clock });
  let logs = 0;
  let removed = 0;
  let kept = 0;
  await fc.assert(
    fc.asyncProperty(entries, ruleSets, shields, modes, async (log, rules, drawn, { given, later, parts }) => {
      if (++logs % LOGS_OF_A_STORE === 0) {
        await store.close();
        store = createStore();
        await store.open({ clock });
      } else await empty(store);
      const base = (await store.head()).position;
      await fill(store, clock, log);
      clock.at += later * HOUR;
      const placed = await place(store, drawn, base, clock.at);
      for (const [n, position] of placed.letters.entries()) await openLetter(store, `l${base}-${n}`, position);
      const { retention } = await openLog([], { rules }, { store, clock });
      const events = await eventsOf(store);
      const going = naiveGoing(events, rules, clock.at, placed);
      const staying = events.map(({ position }) => position).filter((position) => !going.includes(position));

      if (parts) {
        const inParts = await openLog([], { rules }, { store, clock, maxEvents: 5 });
        const report = await inParts.retention.enforce();
        const left = await positionsOf(store);
        expect(report.removed.events).to.equal(events.length - left.length);
        if (mayWait(rules)) expect(left, 'what is left, in parts').to.include.members(staying);
        else expect(left, 'what is left, in parts').to.deep.equal(staying);
        removed += report.removed.events;
        kept += left.length;
        return;
      }
      const plan = await retention.preview();
      const fates = [...plan.fates];
      const planned = events
        .filter(({ position }) => fates.some(({ goes, from, to }) => goes && from <= position && position <= to))
        .map(({ position }) => position);
      expect(planned, 'what the plan lets go').to.deep.equal(going);
      expect(plan.removes.events).to.equal(going.length);
      expect(plan.keeps.events).to.equal(staying.length);
      expect(await positionsOf(store), 'preview changes nothing').to.have.length(events.length);

      const report = await retention.enforce(given ? plan : undefined);
      expect(await positionsOf(store), 'what is left').to.deep.equal(staying);
      expect(report.removed.events).to.equal(going.length);
      expect(report.left.events).to.equal(0);
      expect(report.complete).to.equal(true);
      removed += going.length;
      kept += staying.length;
    }),
    { numRuns: runs, ...(process.env['TELLTALE_SEED'] && { seed: Number(process.env['TELLTALE_SEED']) }) },
  );
  await store.close();
  // Otherwise both sides might agree about nothing.
  if (runs >= 100) expect(Math.min(removed, kept), `${removed} removed, ${kept} kept`).to.be.greaterThan(runs);
}

/** In parts a plan looks no further than its own events for what its rank keeps, and counts the rest as kept. */
function mayWait(rules: readonly RetentionRule[]): boolean {
  const isRanked = rules.some((each) => (each.keepCount ?? each.keepBytes ?? each.keepLatestByEntity) !== undefined);
  return isRanked && rules.some(({ wholeCorrelations }) => Boolean(wholeCorrelations));
}

function openLetter(store: Store, id: string, position: number): Promise<unknown> {
  return fill(store, { at: START }, [
    { type: LETTER_OPENED, entity: letterEntity(id), payload: { id, position }, correlationId: 'c1' },
  ]);
}
