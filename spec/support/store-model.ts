import assert from 'node:assert/strict';
import fc from 'fast-check';
import { isTelltaleError } from '../../lib/plugin.ts';
import type { Expectation, Store, StoredEvent, TelltaleEvent } from '../../lib/plugin.ts';
import { buildEvent } from './event-builder.ts';

/** What the model checks; any store can be plugged in. */
export interface ModelledStore {
  readonly create: () => Store | Promise<Store>;
  /** A store over what `store`, now closed, has left. By default the same is opened again. */
  readonly reopen?: (store: Store) => Store | Promise<Store>;
  readonly cleanUp?: (store: Store) => void | Promise<void>;
}

interface Payload {
  readonly n: number;
  readonly lane: string;
}

interface Model {
  readonly events: Map<number, StoredEvent>;
  readonly ids: Map<string, { readonly event: TelltaleEvent; readonly position: number; readonly revision: number }>;
  readonly revisions: Map<string, number>;
  readonly removed: Set<number>;
  head: number;
}

interface Real {
  store: Store;
  readonly subject: ModelledStore;
  readonly fed: number[];
}

type Command = fc.AsyncCommand<Model, Real>;

// Few ids, entities and contents, so that duplicates and conflicts are common.
const event = fc
  .record({
    id: fc.integer({ min: 1, max: 12 }),
    entity: fc.integer({ min: 0, max: 2 }),
    n: fc.constantFrom(1, 1, 1, 2),
  })
  .map(({ id, entity, n }) =>
    buildEvent({
      id: `id-${id}`,
      type: `task.t${id % 3}`,
      correlationId: `c-${id % 4}`,
      entity: entity === 0 ? undefined : `task/${(id % 2) + 1}`,
      payload: { n, lane: `l-${id % 4}` },
    }),
  );

const expectation: fc.Arbitrary<Expectation> = fc.oneof(
  { weight: 4, arbitrary: fc.constant('any' as const) },
  { weight: 1, arbitrary: fc.constant('none' as const) },
  { weight: 2, arbitrary: fc.integer({ min: 0, max: 4 }) },
  {
    weight: 2,
    arbitrary: fc.record({
      query: fc.constant({ type: 'task.t1', 'payload.n': 1 }),
      after: fc.integer({ min: 0, max: 12 }),
    }),
  },
);

const commands: fc.Arbitrary<Command>[] = [
  fc
    .tuple(fc.array(event, { minLength: 1, maxLength: 4 }), expectation)
    .map(([events, expect]) => append(events, expect)),
  fc.tuple(event, expectation).map(([one, expect]) => append([one], expect)),
  fc.array(event, { minLength: 2, maxLength: 6 }).map(appendTogether),
  fc
    .tuple(fc.integer({ min: 1, max: 15 }), fc.integer({ min: 0, max: 4 }))
    .map(([from, more]) => remove(from, from + more)),
  fc
    .record({ limit: fc.integer({ min: 1, max: 5 }), descending: fc.boolean(), after: fc.integer({ min: 0, max: 9 }) })
    .map(read),
  fc.constantFrom('task.t0', 'task.t1').map(query),
  fc.integer({ min: 0, max: 3 }).map(indexed),
  fc.constant(size()),
  fc.integer({ min: 0, max: 4 }).map(removedWithin),
  fc.constant(reopen()),
];

/** Runs random commands against a store and a simple model of it; fast-check prints the shrunk seed. */
export function checkAgainstModel(subject: ModelledStore, numRuns: number): Promise<void> {
  const property = fc.asyncProperty(fc.commands(commands, { maxCommands: 30 }), async (run) => {
    const real: Real = { store: await subject.create(), subject, fed: [] };
    await open(real);
    try {
      await fc.asyncModelRun(() => ({ model: emptyModel(), real }), run);
    } finally {
      await real.store.close();
      await subject.cleanUp?.(real.store);
    }
  });
  return fc.assert(property, { numRuns });
}

function emptyModel(): Model {
  return { events: new Map(), ids: new Map(), revisions: new Map(), removed: new Set(), head: 0 };
}

async function open(real: Real): Promise<void> {
  await real.store.open();
  real.store.onCommit((events) => real.fed.push(...events.map(({ position }) => position)));
}

function append(events: readonly TelltaleEvent[], expect: Expectation): Command {
  return command(`append ${events.map(show).join(' ')} expect ${JSON.stringify(expect)}`, async (model, { store }) => {
    const wanted = predict(model, events, expect);
    same(await answerOf(store.append(events, { expect })), wanted);
  });
}

/** Several appends of one turn go into one group commit and must answer as if they had come one by one. */
function appendTogether(events: readonly TelltaleEvent[]): Command {
  return command(`append together ${events.map(show).join(' ')}`, async (model, { store }) => {
    const wanted = events.map((one) => predict(model, [one], 'any'));
    same(await Promise.all(events.map((one) => answerOf(store.append([one])))), wanted);
  });
}

function remove(from: number, to: number): Command {
  return command(`remove ${from}-${to}`, async (model, { store }) => {
    let count = 0;
    for (let position = from; position <= Math.min(to, model.head); position++) {
      if (model.events.delete(position)) count++;
      model.removed.add(position);
    }
    same(await store.remove([{ from, to }], 'model'), count);
    const removed = new Set<number>();
    for (const range of await store.removed()) for (let p = range.from; p <= range.to; p++) removed.add(p);
    same([...removed].toSorted(rising), [...model.removed].toSorted(rising));
  });
}

function read(options: { limit: number; descending: boolean; after: number }): Command {
  return command(`read ${JSON.stringify(options)}`, async (model, { store }) => {
    const wanted = [...model.events.keys()].filter((position) => position > options.after).toSorted(rising);
    if (options.descending) wanted.reverse();
    same(
      (await readAll(store, options)).map(place),
      wanted.map((position) => place(model.events.get(position)!)),
    );
  });
}

function query(type: string): Command {
  return command(`query ${type}`, async (model, { store }) => {
    const wanted = [...model.events.values()].filter((one) => one.type === type).map(place);
    same((await readAll(store, { types: [type], limit: 2 })).map(place), wanted);
    same((await readAll(store, { where: { type }, limit: 2 })).map(place), wanted);
    for (const entity of ['task/1', 'task/2']) same(await store.revision(entity), model.revisions.get(entity) ?? 0);
  });
}

/** By a path that the store may have an index of, alone and with another condition. */
function indexed(lane: number): Command {
  return command(`indexed ${lane}`, async (model, { store }) => {
    const path = 'payload.lane';
    const wanted = [...model.events.values()].filter(({ payload }) => (payload as Payload).lane === `l-${lane}`);
    for (const descending of [false, true]) {
      const found = await readAll(store, { where: { [path]: `l-${lane}` }, limit: 2, descending });
      same(found.map(place), (descending ? wanted.toReversed() : wanted).map(place));
    }
    const ones = wanted.filter(({ payload }) => (payload as Payload).n === 1);
    const both = await readAll(store, { where: { [path]: { $in: [`l-${lane}`, 'none'] }, 'payload.n': 1 }, limit: 2 });
    same(both.map(place), ones.map(place));
  });
}

/** What is stored depends on the store; how many events, and whether there is anything, does not. */
function size(): Command {
  return command('size', async (model, { store }) => {
    const { events, originalBytes, storedBytes } = await store.size();
    same(events, model.events.size);
    same(originalBytes > 0, events > 0, 'bytes of the events');
    same(storedBytes >= 0, true);
  });
}

function removedWithin(more: number): Command {
  return command(`removed within each ${more + 1}`, async (model, { store }) => {
    for (let from = 1; from <= model.head; from++) {
      const to = from + more;
      const positions = new Set<number>();
      for (const range of await store.removed({ from, to }))
        for (let p = Math.max(from, range.from); p <= Math.min(to, range.to); p++) positions.add(p);
      const wanted = [...model.removed].filter((p) => from <= p && p <= to && p <= model.head);
      same([...positions].toSorted(rising), wanted.toSorted(rising));
    }
  });
}

function reopen(): Command {
  return command('reopen', async (model, real) => {
    await settle();
    await real.store.close();
    real.store = (await real.subject.reopen?.(real.store)) ?? real.store;
    await open(real);
    same((await real.store.head()).position, model.head);
  });
}

function command(name: string, body: (model: Model, real: Real) => Promise<void>): Command {
  return {
    check: () => true,
    toString: () => name,
    async run(model, real) {
      await body(model, real);
      await settle();
      same(new Set(real.fed).size, model.head, 'every position is fed');
    },
  };
}

/** What a store must answer; carries it out in the model. */
function predict(model: Model, events: readonly TelltaleEvent[], expect: Expectation): unknown {
  if (new Set(events.map(({ id }) => id)).size < events.length) return 'EVENT_CONFLICT';
  const known = events.map(({ id }) => model.ids.get(id));
  if (known.some((one) => one !== undefined)) {
    const first = known[0]?.position ?? 0;
    const isSame = known.every((one, i) => one?.position === first + i && content(one.event) === content(events[i]!));
    return isSame
      ? { position: first, revisions: known.map((one) => one!.revision), duplicate: true }
      : 'EVENT_CONFLICT';
  }
  const refusal = refuse(model, events[0]!, expect);
  if (refusal !== undefined) return refusal;
  const position = model.head + 1;
  return { position, revisions: events.map((one) => record(model, one)), duplicate: false };
}

function refuse(model: Model, { entity }: TelltaleEvent, expect: Expectation): string | undefined {
  if (expect === 'any') return undefined;
  if (typeof expect === 'object') {
    const found = [...model.events.values()].some(
      ({ position, type, payload }) =>
        position > expect.after && type === 'task.t1' && (payload as { n: number }).n === 1,
    );
    return found ? 'EXPECTATION_FAILED' : undefined;
  }
  if (entity === undefined) return 'INVALID_OPTION';
  const wanted = expect === 'none' ? 0 : expect;
  return (model.revisions.get(entity) ?? 0) === wanted ? undefined : 'EXPECTATION_FAILED';
}

function record(model: Model, one: TelltaleEvent): number {
  const position = ++model.head;
  const revision = one.entity === undefined ? 0 : (model.revisions.get(one.entity) ?? 0) + 1;
  if (one.entity !== undefined) model.revisions.set(one.entity, revision);
  model.ids.set(one.id, { event: one, position, revision });
  model.events.set(position, { ...one, position, revision, storedAt: 0 });
  return revision;
}

async function answerOf(appended: ReturnType<Store['append']>): Promise<unknown> {
  try {
    const { position, revisions, duplicate } = await appended;
    return { position, revisions, duplicate };
  } catch (error) {
    if (isTelltaleError(error)) return error.code;
    throw error;
  }
}

async function readAll(from: Store, options: Parameters<Store['read']>[0]): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const one of from.read(options)) events.push(one);
  return events;
}

function place({ position, revision, id, payload }: StoredEvent): unknown {
  return { position, revision, id, payload };
}

function content({ type, entity, payload }: TelltaleEvent): string {
  return JSON.stringify([type, entity, payload]);
}

function show({ id, entity, payload }: TelltaleEvent): string {
  return `${id}(${entity ?? '-'} ${JSON.stringify(payload)})`;
}

function same(actual: unknown, wanted: unknown, message?: string): void {
  assert.deepStrictEqual(actual, wanted, message);
}

function rising(a: number, b: number): number {
  return a - b;
}

/** The feed may come a moment after the acknowledgement. */
async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
