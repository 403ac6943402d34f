import fc from 'fast-check';
import type { StoredEvent } from '../../lib/event/event.ts';

/** The language by the letter of its definition: slow, and shares no code with what it checks. */
export function oracle(where: Readonly<Record<string, unknown>>, event: StoredEvent): boolean {
  return Object.entries(where).every(([key, value]) => {
    if (key === '$and') return (value as Record<string, unknown>[]).every((member) => oracle(member, event));
    if (key === '$or') return (value as Record<string, unknown>[]).some((member) => oracle(member, event));
    if (key === '$not') return !oracle(value as Record<string, unknown>, event);
    return holds(key, value, lookUp(key, event));
  });
}

function lookUp(path: string, event: StoredEvent): unknown {
  let value: unknown = JSON.parse(JSON.stringify(event));
  for (const key of path.split('.')) {
    if (value === null || typeof value !== 'object' || !Object.keys(value).includes(key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

function holds(path: string, condition: unknown, actual: unknown): boolean {
  const operators = isOperators(condition) ? condition : { $eq: condition };
  return Object.entries(operators).every(([name, operand]) => operate(path, name, operand, actual));
}

function isOperators(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.keys(value).some((key) => key.startsWith('$'));
}

function operate(path: string, name: string, operand: unknown, actual: unknown): boolean {
  if (name === '$ne') return !operate(path, '$eq', operand, actual);
  if (name === '$nin') return !operate(path, '$in', operand, actual);
  if (name === '$not') return !holds(path, operand, actual);
  if (name === '$exists') return (actual !== undefined) === operand;
  if (actual === undefined) return false;
  if (name === '$eq') return equal(path, operand, actual);
  if (name === '$in') return (operand as unknown[]).some((member) => equal(path, member, actual));
  if (name === '$like') return typeof actual === 'string' && glob(operand as string).test(actual);
  if (name === '$contains') {
    if (typeof actual === 'string') return typeof operand === 'string' && actual.indexOf(operand) >= 0;
    return Array.isArray(actual) && actual.some((member) => member === operand);
  }
  const order = orderOf(actual, operand);
  if (order === undefined) return false;
  return { $gt: order > 0, $gte: order >= 0, $lt: order < 0, $lte: order <= 0 }[name]!;
}

function equal(path: string, operand: unknown, actual: unknown): boolean {
  if (path === 'type' && typeof operand === 'string' && operand.includes('*'))
    return new RegExp(`^${operand.replaceAll('.', '\\.').replaceAll('*', '[^.]+')}$`).test(actual as string);
  if (path === 'entity' && operand === 'agent/*') return (actual as string).split('/')[0] === 'agent';
  return canonical(operand) === canonical(actual);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

// Safe here: the patterns of these tests are short.
function glob(pattern: string): RegExp {
  return new RegExp(`^${pattern.replaceAll('*', '[^]*').replaceAll('?', '[^]')}$`, 'u');
}

function orderOf(a: unknown, b: unknown): number | undefined {
  if (typeof a !== typeof b || typeof a === 'object') return a === null && b === null ? 0 : undefined;
  if (typeof a === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b as string));
  return Number(a) - Number(b);
}

// Small domains, so that equality is common and every operator is often right.
const scalar = fc.constantFrom('', 'a', 'ab', 'a1', '\uffff', '😀', '1', 0, 1, 1.5, true, false, null);
const data = fc.oneof(
  scalar,
  fc.constantFrom<unknown>([], ['a'], ['a', 1], [1], {}, { x: 1 }, { x: 1, y: 2 }, { y: 1 }, { 0: 'a' }),
);
const types = fc.constantFrom('a.b', 'a.c', 'b.b', 'a');
const entities = fc.constantFrom('agent/1', 'agent/2', 'agents/1', 'task/1');
const ids = fc.constantFrom('e1', 'e2', 'e3');

export const arbitraryEvent: fc.Arbitrary<StoredEvent> = fc.record(
  {
    id: ids,
    type: types,
    source: fc.constantFrom('planner', 'reader'),
    time: fc.integer({ min: 0, max: 5 }),
    entity: entities,
    correlationId: ids,
    causationId: ids,
    schemaVersion: fc.constantFrom(1, 2),
    payload: fc.oneof(fc.constant({}), fc.record({ x: data })),
    metadata: fc.oneof(fc.constant({}), fc.record({ userId: fc.constantFrom('', 'a', 'ab') })),
    position: fc.integer({ min: 1, max: 5 }),
    revision: fc.constantFrom(0, 1),
    storedAt: fc.integer({ min: 0, max: 5 }),
  },
  {
    requiredKeys: [
      ...(['id', 'type', 'source', 'time', 'correlationId', 'schemaVersion'] as const),
      ...(['payload', 'metadata', 'position', 'revision', 'storedAt'] as const),
    ],
  },
);

const valueOf: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  id: ids,
  type: fc.oneof(types, fc.constantFrom('a.*', '*.b', '*')),
  entity: fc.oneof(entities, fc.constant('agent/*')),
  correlationId: ids,
  causationId: ids,
  time: fc.integer({ min: 0, max: 5 }),
  position: fc.integer({ min: 0, max: 5 }),
  'payload.x': data,
  'payload.x.y': data,
  'payload.x.0': scalar,
  'metadata.userId': scalar,
};

function conditionOn(path: string): fc.Arbitrary<unknown> {
  const value = valueOf[path]!;
  const comparable = path === 'time' || path === 'position' ? value : scalar;
  const operands: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
    $eq: value,
    $ne: value,
    $in: fc.array(value, { maxLength: 3 }),
    $nin: fc.array(value, { maxLength: 3 }),
    $gt: comparable,
    $gte: comparable,
    $lt: comparable,
    $lte: comparable,
    $exists: fc.boolean(),
    $like: fc.constantFrom('*', '?', 'a*', '*b', '?b', ''),
    $contains: scalar,
    $not: fc.oneof(value, fc.record({ $eq: value })),
  };
  // Few operators at a time: many at once are nearly always false.
  const few = fc
    .uniqueArray(fc.constantFrom(...Object.keys(operands)), { minLength: 1, maxLength: 2 })
    .chain((names) => fc.record(Object.fromEntries(names.map((name) => [name, operands[name]!]))));
  return fc.oneof(value, few);
}

const fields = fc
  .uniqueArray(fc.constantFrom(...Object.keys(valueOf)), { minLength: 1, maxLength: 2 })
  .chain((paths) => fc.record(Object.fromEntries(paths.map((path) => [path, conditionOn(path)]))));

export const arbitraryFilter: fc.Arbitrary<Record<string, unknown>> = fc.letrec<{ filter: Record<string, unknown> }>(
  (tie) => ({
    filter: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fields,
      fc.record({ $and: fc.array(tie('filter'), { maxLength: 3 }) }),
      fc.record({ $or: fc.array(tie('filter'), { maxLength: 3 }) }),
      fc.record({ $not: tie('filter') }),
      fc.tuple(fields, tie('filter')).map(([own, other]) => ({ ...own, $and: [other] })),
    ),
  }),
).filter;
