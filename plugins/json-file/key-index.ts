import { indexKeyReader } from '../../lib/plugin.ts';
import type { StoredEvent } from '../../lib/plugin.ts';
import type { Tombstone } from './record.ts';

/** Fields by which records are found: these, and the paths of the `index` option. */
export const ENVELOPE_KEYS = ['id', 'entity', 'correlationId', 'causationId'] as const;

/** Index of what comes before the slash of entities: few distinct keys, so it has no filter. */
export const KIND = 'entity/*';

/** Stands for a removed record among type numbers. */
export const NO_TYPE = 0xffff;

/** What a segment holds in a few words; kept in memory for every segment. */
export interface Summary {
  readonly count: number;
  /** Distinct types, absent when there are too many to list. */
  readonly types?: readonly string[];
  /** Bounds of event times; absent when no event is left. */
  readonly time?: readonly [number, number];
  readonly ids?: readonly [string, string];
  readonly storedAt: number;
  /** Records of removed events, and their bytes; absent when there is none. */
  readonly gone?: readonly [records: number, bytes: number];
}

/** Answers which records of a segment have a key. Record 0 is the first of the segment. */
export interface KeyIndex {
  /** Where each record starts and, one more, where the last ends. */
  offsets(): Promise<ArrayLike<number>>;
  /** Record numbers in rising order, a superset; `undefined` when the field is not indexed. */
  lookUp(field: string, value: string): Promise<readonly number[] | undefined>;
  /** Whether no record can have a key of this hash; `undefined` when that has to be read first, by `prepare`. */
  excludes(field: string, hash: number): boolean | undefined;
  prepare(field: string): Promise<void>;
  /** Records of these types in rising order; `undefined` when types are not indexed. */
  ofTypes(types: readonly string[]): Promise<readonly number[] | undefined>;
  /** Records of events whose time lies within the bounds, rising; `undefined` when times are not indexed. */
  ofTime(from: number, to: number): Promise<readonly number[] | undefined>;
  /** Records that were not removed, in rising order; `undefined` means all. */
  live(): Promise<readonly number[] | undefined>;
  /** `undefined` while it is still changing. */
  readonly summary: Summary | undefined;
}

/** FNV-1a over UTF-16 units: cheap, and collisions only cost a read that is checked. */
export function hashKey(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** Reads a record's key under a field; `undefined` when it has none. */
export type KeyReader = (record: StoredEvent | Tombstone) => string | undefined;

/** Made once for each field: splitting paths for each event would cost more than reading them. */
export function keyReader(field: string): KeyReader {
  if (field === 'id') return (record) => record.id;
  if (field === 'entity') return (record) => record.entity;
  // A removed event is found by its id and counted for its entity, nothing else.
  if (field === 'correlationId') return (record) => ('type' in record ? record.correlationId : undefined);
  if (field === 'causationId') return (record) => ('type' in record ? record.causationId : undefined);
  if (field === KIND) return kindOf;
  const read = indexKeyReader(field);
  return (record) => ('type' in record ? read(record) : undefined);
}

function kindOf(record: StoredEvent | Tombstone): string | undefined {
  const { entity } = record;
  return entity === undefined || !('type' in record) ? undefined : entity.slice(0, entity.indexOf('/'));
}

/** Numbers of the times within the bounds; those of removed events are NaN and lie within none. */
export function within(times: ArrayLike<number>, from: number, to: number): number[] {
  const found: number[] = [];
  for (let i = 0; i < times.length; i++) if (times[i]! >= from && times[i]! <= to) found.push(i);
  return found;
}
