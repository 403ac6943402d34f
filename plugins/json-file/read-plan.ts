import { indexKey } from '../../lib/plugin.ts';
import type { PageQuery } from '../../lib/plugin.ts';
import { KIND, hashKey } from './key-index.ts';
import type { KeyIndex, Summary } from './key-index.ts';

/** What a query lets us look up. Everything it finds is a superset: the abstract store filters again. */
export interface ReadPlan {
  /** Each must hold; a record satisfies one when it has any of its values. */
  readonly keys: readonly { readonly field: string; readonly values: readonly string[] }[];
  readonly types?: readonly string[];
  readonly time?: { readonly from: number; readonly to: number };
}

/** Numbers of records to read, rising, and the index that named them. */
export interface Candidates {
  readonly index: string;
  readonly numbers: readonly number[];
}

export function planRead(query: PageQuery, paths: readonly string[]): ReadPlan {
  const keys: { field: string; values: readonly string[] }[] = [];
  if (query.ids !== undefined) keys.push({ field: 'id', values: query.ids });
  for (const field of ['correlationId', 'causationId', 'entity'] as const) {
    const value = query[field];
    if (value !== undefined) keys.push({ field, values: [value] });
  }
  for (const { path, values } of query.equals ?? [])
    if (paths.includes(path))
      keys.push({ field: path, values: values.map(indexKey).filter((key) => key !== undefined) });
  if (query.entityKind !== undefined) keys.push({ field: KIND, values: [query.entityKind] });
  const { types, time } = query;
  return {
    keys,
    ...(types !== undefined && { types }),
    ...(time !== undefined && { time: { from: time.from ?? -Infinity, to: time.to ?? Infinity } }),
  };
}

/** Whether a sealed segment holds nothing of interest. */
export function rulesOut(plan: ReadPlan, summary: Summary | undefined): boolean {
  if (summary === undefined) return false;
  if (summary.time === undefined) return true;
  const [from, to] = summary.time;
  if (plan.time !== undefined && (plan.time.from > to || plan.time.to < from)) return true;
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

/** What to read of a segment; `undefined` means all. */
export async function candidates(
  plan: ReadPlan,
  index: KeyIndex,
  summary: Summary | undefined,
): Promise<Candidates | undefined> {
  let best: Candidates | undefined;
  const offer = (name: string, numbers: readonly number[] | undefined): void => {
    if (numbers !== undefined && (best === undefined || numbers.length < best.numbers.length))
      best = { index: name, numbers };
  };
  for (const { field, values } of plan.keys) {
    offer(field === KIND ? 'entity' : field, await union(index, field, values));
    if (best?.numbers.length === 0) return best;
  }
  if (plan.types !== undefined && !isFew(best)) offer('type', await index.ofTypes(plan.types));
  if (plan.time !== undefined && !isFew(best) && !spans(plan.time, summary))
    offer('time', await index.ofTime(plan.time.from, plan.time.to));
  return best;
}

/** Reading so many records costs no more than looking for a shorter list. */
const FEW = 64;

function isFew(best: Candidates | undefined): boolean {
  return best !== undefined && best.numbers.length <= FEW;
}

function spans({ from, to }: NonNullable<ReadPlan['time']>, summary: Summary | undefined): boolean {
  return summary?.time !== undefined && from <= summary.time[0] && to >= summary.time[1];
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
