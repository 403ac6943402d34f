import { expect } from 'chai';
import fc from 'fast-check';
import { TelltaleError } from '../../lib/errors.ts';
import { count } from '../../lib/history/lookup.ts';
import { summarize, type SummarizeOptions } from '../../lib/history/summarize.ts';
import type { Store } from '../../lib/store/port.ts';
import { buildEvent } from '../support/event-builder.ts';

export const START = Date.UTC(2026, 0, 1);
const EVENTS = 120;
const TYPES = ['task.created', 'task.created.again', 'task', 'task_created', 'a.b.c', 'tool.failed'];
const ENTITIES = ['agent/1', 'agent/2', 'agent0/1', 'tool/ä', undefined];
const TIMES = [START, START + 0.25, START + 1_000, START + 3_600_000, -1, -0.5, 0, 1e15];

/** A log of some values each of which occurs often, with removed events in it. */
export async function fillForCounting(store: Store): Promise<void> {
  const events = Array.from({ length: EVENTS }, (_, i) => {
    const entity = ENTITIES[i % ENTITIES.length];
    return buildEvent({
      id: `e${i}`,
      type: TYPES[(i * 7) % TYPES.length]!,
      source: i % 3 === 0 ? 'planner' : 'Planner',
      time: TIMES[(i * 5) % TIMES.length]!,
      correlationId: `run-${i % 4}`,
      ...(i % 2 === 0 && { causationId: `e${i >> 1}` }),
      ...(entity !== undefined && { entity }),
      schemaVersion: 1 + (i % 3),
      payload: { n: i % 5, text: `text ${i}` },
    });
  });
  for (let at = 0; at < EVENTS; at += 40) await store.append(events.slice(at, at + 40));
  await store.remove([{ from: 10, to: 15 }], 'test');
}

/** The same log without a store that counts. */
export function readOnly(store: Store): Store {
  return new Proxy(store, {
    get(target, key) {
      if (key === 'summarize') return () => Promise.resolve(undefined);
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

export interface Telling {
  readonly store: Store;
  /** How many questions the store has answered, and how many it has not. */
  readonly figures: { answered: number; refused: number };
}

/** Notes whether the store counted. */
export function telling(store: Store): Telling {
  const figures = { answered: 0, refused: 0 };
  const summarizing: Store['summarize'] = async (query) => {
    const part = await store.summarize(query);
    if (part === undefined) figures.refused++;
    else figures.answered++;
    return part;
  };
  const told = new Proxy(store, {
    get(target, key) {
      if (key === 'summarize') return summarizing;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { store: told, figures };
}

/** Whatever is asked, a store that counts and one that is read give the same answer. */
export async function checkCounting(store: Store, runs: number): Promise<Telling['figures']> {
  const told = telling(store);
  const read = readOnly(store);
  await fc.assert(
    fc.asyncProperty(questions, async (options) => {
      const [counted, wanted] = [
        await outcome(summarize(told.store, options)),
        await outcome(summarize(read, options)),
      ];
      expect(counted).to.deep.equal(wanted);
      const { by: _, bucket: __, top: ___, count: ____, min: _____, max: ______, sum: _______, ...selection } = options;
      expect(await outcome(count(told.store, selection))).to.equal(await outcome(count(read, selection)));
    }),
    { numRuns: runs },
  );
  return told.figures;
}

async function outcome<T>(answer: Promise<T>): Promise<T | string> {
  try {
    return await answer;
  } catch (error) {
    // What a database refuses would be the same for both.
    if (error instanceof TelltaleError && error.code === 'INVALID_QUERY') return `${error.code}: ${error.message}`;
    throw error;
  }
}

const texts = (values: readonly (string | undefined)[]): fc.Arbitrary<string> =>
  fc.constantFrom(...values.filter((value) => value !== undefined), 'nothing', 'Z');
const numbers = fc.constantFrom(-1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 60, START, START + 0.25, START + 1_000, 1e15);
const fields: fc.Arbitrary<readonly [string, fc.Arbitrary<unknown>]> = fc.constantFrom(
  ['type', texts(TYPES)] as const,
  ['source', texts(['planner', 'Planner'])] as const,
  ['entity', texts(ENTITIES)] as const,
  ['correlationId', texts(['run-1', 'run-3'])] as const,
  ['causationId', texts(['e1', 'e2'])] as const,
  ['id', texts(['e1', 'e2', 'e50'])] as const,
  ['time', numbers] as const,
  ['position', numbers] as const,
  ['revision', numbers] as const,
  ['schemaVersion', numbers] as const,
  ['payload.n', numbers] as const,
);
const conditions = fields.chain(([path, values]) =>
  fc.oneof(
    values.map((value) => ({ [path]: value })),
    fc
      .tuple(fc.constantFrom('$eq', '$ne', '$gt', '$gte', '$lt', '$lte'), values)
      .map(([operator, value]) => ({ [path]: { [operator]: value } })),
    fc
      .tuple(fc.constantFrom('$in', '$nin'), fc.array(values, { maxLength: 3 }))
      .map(([operator, list]) => ({ [path]: { [operator]: list } })),
    fc.boolean().map((is) => ({ [path]: { $exists: is } })),
  ),
);
const patterns = fc.constantFrom(
  'task.*',
  'task.**',
  'task',
  '**',
  '*',
  'a.*',
  'a.**',
  'a.*.c',
  '*.created',
  '$bus.**',
);
const wild = fc.oneof(
  patterns.map((type) => ({ type })),
  fc.constantFrom('agent/*', 'tool/*').map((entity) => ({ entity })),
);
const filters = fc.letrec<{ filter: Record<string, unknown> }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 2 },
    conditions,
    wild,
    tie('filter').map((inner) => ({ $not: inner })),
    fc
      .tuple(fc.constantFrom('$and', '$or'), fc.array(tie('filter'), { maxLength: 3 }))
      .map(([operator, list]) => ({ [operator]: list })),
  ),
})).filter;
const places = fc.oneof(
  fc.constantFrom(0, 1, 12, 60, 1_000),
  fc.constantFrom(new Date(0), new Date(START), new Date(START + 1_000)),
);
const optional = <T>(values: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(values, { nil: undefined, freq: 3 });
const selections = fc.record({
  where: optional(filters),
  pattern: optional(patterns),
  type: optional(fc.array(fc.constantFrom(...TYPES), { minLength: 1, maxLength: 2 })),
  from: optional(places),
  to: optional(places),
});
const FIELDS = ['type', 'source', 'entity', 'correlationId', 'causationId', 'schemaVersion', 'time', 'revision'];
const questions: fc.Arbitrary<SummarizeOptions> = fc
  .tuple(
    selections,
    fc.record({
      by: optional(fc.array(fc.constantFrom(...FIELDS), { minLength: 1, maxLength: 3 })),
      bucket: optional(fc.constantFrom(1, 1.5, 1_000, '1h', '1d')),
      top: optional(fc.constantFrom(1, 2, 5)),
      count: optional(fc.constant(true)),
      min: optional(fc.constantFrom('time', 'position', 'revision')),
      max: optional(fc.constantFrom('time', 'storedAt', 'payload.n')),
      sum: fc.option(fc.constantFrom('payload.n', 'position'), { nil: undefined, freq: 12 }),
    }),
  )
  .map(([selection, measures]) => {
    const given = Object.entries({ ...selection, ...measures }).filter(([, value]) => value !== undefined);
    return Object.fromEntries(given);
  });
