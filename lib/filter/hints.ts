import type { Filter } from './language.ts';
import { parseFilter, type Condition } from './parse.ts';

/** What a filter says about the fields stores have indexes for. A superset: whatever satisfies the filter satisfies these. */
export interface FilterHints {
  readonly ids?: readonly string[];
  /** Exact types; absent when the query has a wildcard. */
  readonly types?: readonly string[];
  readonly entity?: string;
  /** What comes before the first `/` of the entity. */
  readonly entityKind?: string;
  readonly correlationId?: string;
  readonly causationId?: string;
  /** Event time, inclusive bounds, epoch ms. */
  readonly time?: { readonly from?: number; readonly to?: number };
  /** `source` and paths into `payload` and `metadata`, and the values of which each must have one. */
  readonly equals?: readonly PathEquality[];
}

/** A path that must have one of these texts, numbers or booleans. */
export interface PathEquality {
  readonly path: string;
  readonly values: readonly unknown[];
}

type FieldCondition = Extract<Condition, { readonly kind: 'field' }>;

/** Reads the conditions that must hold in any case. Throws what `compileFilter` throws. */
export function hintsOf(where: Filter): FilterHints {
  const certain = [...certainOf(parseFilter(where))];
  const ids = among(certain, 'id');
  const types = among(certain, 'type');
  const time = timeOf(certain);
  const entityKind = kindOf(certain);
  const equals = equalsOf(certain);
  return {
    ...(ids !== undefined && { ids }),
    ...(types !== undefined && { types }),
    ...single(certain, 'entity'),
    ...single(certain, 'correlationId'),
    ...single(certain, 'causationId'),
    ...(time !== undefined && { time }),
    ...(entityKind !== undefined && { entityKind }),
    ...(equals.length > 0 && { equals }),
  };
}

function kindOf(certain: readonly FieldCondition[]): string | undefined {
  const kinds = certain.filter(({ field, operator, wild }) => field.path === 'entity' && operator === '$eq' && wild);
  const text = kinds[0]?.operand as string | undefined;
  return text?.slice(0, text.indexOf('/'));
}

function equalsOf(certain: readonly FieldCondition[]): readonly PathEquality[] {
  return certain.flatMap(({ field, operator, operand, wild }) => {
    if (wild || !/^(?:source$|payload\.|metadata\.)/.test(field.path)) return [];
    const values = operator === '$eq' ? [operand] : operator === '$in' ? (operand as readonly unknown[]) : [];
    return values.length > 0 && values.every(isIndexable) ? [{ path: field.path, values }] : [];
  });
}

function isIndexable(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

// Alternatives and negations say nothing certain.
function* certainOf(condition: Condition): Generator<FieldCondition> {
  if (condition.kind === 'field') yield condition;
  if (condition.kind === 'all') for (const member of condition.conditions) yield* certainOf(member);
}

// An empty answer would be true as well; it is left out, because "none of them" is easily read as "no condition".
function among(certain: readonly FieldCondition[], path: string): readonly string[] | undefined {
  const lists = certain.filter((condition) => condition.field.path === path).map(textsOf);
  const shortest = lists.filter((list) => list !== undefined && list.length > 0);
  return shortest.toSorted((a, b) => a!.length - b!.length)[0];
}

function single(certain: readonly FieldCondition[], path: string): Readonly<Record<string, string>> {
  const values = among(certain, path);
  return values?.length === 1 ? { [path]: values[0]! } : {};
}

function textsOf({ operator, operand, wild }: FieldCondition): readonly string[] | undefined {
  if (wild) return undefined;
  const values = operator === '$eq' ? [operand] : operator === '$in' ? (operand as readonly unknown[]) : [];
  const texts = values.filter((value) => typeof value === 'string');
  return texts.length === values.length ? [...new Set(texts)] : undefined;
}

function timeOf(certain: readonly FieldCondition[]): FilterHints['time'] | undefined {
  let from = -Infinity;
  let to = Infinity;
  for (const { field, operator, operand } of certain) {
    if (field.path !== 'time' || typeof operand !== 'number') continue;
    if (operator === '$eq' || operator === '$gt' || operator === '$gte') from = Math.max(from, operand);
    if (operator === '$eq' || operator === '$lt' || operator === '$lte') to = Math.min(to, operand);
  }
  if (from === -Infinity && to === Infinity) return undefined;
  return { ...(from !== -Infinity && { from }), ...(to !== Infinity && { to }) };
}
