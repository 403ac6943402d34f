import type { Filter, PageQuery } from '../../lib/plugin.ts';
import { ENVELOPE_KEYS, hashKey, toKey } from './key-index.ts';
import type { KeyIndex, Summary } from './key-index.ts';

/** What a query lets us look up. Everything it finds is a superset: the abstract store filters again. */
export interface ReadPlan {
  /** Each must hold; a record satisfies one when it has any of its values. */
  readonly keys: readonly { readonly field: string; readonly values: readonly string[] }[];
  readonly types?: readonly string[];
  readonly time?: { readonly from?: number; readonly to?: number };
}

export function planRead(query: PageQuery, paths: readonly string[]): ReadPlan {
  const keys: { field: string; values: readonly string[] }[] = [];
  if (query.ids !== undefined) keys.push({ field: 'id', values: query.ids });
  for (const field of ['entity', 'correlationId', 'causationId'] as const) {
    const value = query[field];
    if (value !== undefined) keys.push({ field, values: [value] });
  }
  if (query.where !== undefined) collectEqualities(query.where, [...ENVELOPE_KEYS, ...paths], keys);
  return {
    keys,
    ...(query.types === undefined ? {} : { types: query.types }),
    ...(query.time === undefined ? {} : { time: query.time }),
  };
}

/** Whether a sealed segment holds nothing of interest. */
export function rulesOut(plan: ReadPlan, summary: Summary | undefined): boolean {
  if (summary === undefined) return false;
  if (summary.time === undefined) return true;
  const [from, to] = summary.time;
  if ((plan.time?.from ?? -Infinity) > to || (plan.time?.to ?? Infinity) < from) return true;
  return (
    plan.types !== undefined && summary.types !== undefined && !plan.types.some((type) => summary.types!.includes(type))
  );
}

/** Whether a segment's filters say that it has nothing of what must be there. */
export async function hasNone({ keys }: ReadPlan, segment: Filtered): Promise<boolean> {
  for (const { field, values } of keys) {
    let some = false;
    for (const hash of values.map(hashKey))
      some ||= !(segment.excludes(field, hash) ?? (await segment.holdsNo(field, hash)));
    if (!some) return true;
  }
  return false;
}

interface Filtered {
  excludes(field: string, hash: number): boolean | undefined;
  holdsNo(field: string, hash: number): Promise<boolean>;
}

/** Numbers of the records to read, rising; `undefined` means all. */
export async function candidates(plan: ReadPlan, index: KeyIndex): Promise<readonly number[] | undefined> {
  let best: readonly number[] | undefined;
  for (const { field, values } of plan.keys) {
    const found = await union(index, field, values);
    if (found !== undefined && (best === undefined || found.length < best.length)) best = found;
    if (best?.length === 0) return best;
  }
  if (best !== undefined || plan.types === undefined) return best;
  return index.ofTypes(plan.types);
}

async function union(
  index: KeyIndex,
  field: string,
  values: readonly string[],
): Promise<readonly number[] | undefined> {
  const found: number[] = [];
  for (const value of values) {
    const records = await index.lookUp(field, value);
    if (records === undefined) return undefined;
    if (values.length === 1) return records;
    for (const record of records) found.push(record);
  }
  return [...new Set(found)].toSorted((a, b) => a - b);
}

function collectEqualities(
  where: Filter,
  fields: readonly string[],
  keys: { field: string; values: readonly string[] }[],
): void {
  for (const [path, condition] of Object.entries(where)) {
    if (path === '$and') for (const part of where.$and!) collectEqualities(part, fields, keys);
    if (!fields.includes(path)) continue;
    const values = equalTo(condition);
    // Patterns such as `agent/*` are no equality.
    if (values !== undefined && !(path === 'entity' && values.some((value) => value.includes('*'))))
      keys.push({ field: path, values });
  }
}

function equalTo(condition: unknown): readonly string[] | undefined {
  const bare = toKey(condition);
  if (bare !== undefined) return condition === null ? undefined : [bare];
  if (typeof condition !== 'object' || condition === null) return undefined;
  const { $eq, $in } = condition as { readonly $eq?: unknown; readonly $in?: unknown };
  const keys = Array.isArray($in) ? $in.map(toKey) : [toKey($eq)];
  return keys.every((key) => key !== undefined) ? keys : undefined;
}
