import { SNAPSHOTS } from '../store/documents.ts';
import { openLetterPositions } from '../store/open-letters.ts';
import { openSchedulePositions } from '../store/open-schedules.ts';
import type { Store, StoredDocument } from '../store/port.ts';
import { CHECKPOINTS } from '../store/read/resolve-place.ts';
import type { ParsedRule } from './rules.ts';

/** A consumer or a sink with a checkpoint. */
export interface Floor {
  readonly name: string;
  readonly position: number;
  /** When it last checkpointed; absent where the document does not say. */
  readonly at?: number;
}

/** What must stay, whatever the rules say. */
export interface Protections {
  /** Those that checkpointed within the ttl, lowest first. Nothing above the first goes. */
  readonly floors: readonly Floor[];
  /** All checkpoints by name, for rules that name them. */
  readonly checkpoints: ReadonlyMap<string, number>;
  /** Positions of events that open letters are about, rising. */
  readonly letters: readonly number[];
  /** Positions of what open schedules are made from, rising. */
  readonly schedules: readonly number[];
  /** Last snapshot of an entity: what comes behind it is needed to rebuild the entity. */
  readonly snapshots: ReadonlyMap<string, number>;
}

export interface ProtectionTerms {
  readonly now: number;
  readonly consumerTtlMs: number;
}

export async function readProtections(store: Store, terms: ProtectionTerms): Promise<Protections> {
  const documents = await store.listDocuments(CHECKPOINTS);
  const all = documents.flatMap(toFloor);
  return {
    floors: all
      .filter(({ at }) => at === undefined || terms.now - at <= terms.consumerTtlMs)
      .toSorted((a, b) => a.position - b.position),
    checkpoints: new Map(all.map(({ name, position }) => [name, position])),
    letters: await openLetterPositions(store),
    schedules: await openSchedulePositions(store),
    snapshots: new Map((await store.listDocuments(SNAPSHOTS)).flatMap(toSnapshot)),
  };
}

/** How far every consumer a rule waits for has come; Infinity where it waits for none. */
export function processedThrough({ consumers }: ParsedRule, { checkpoints }: Protections): number {
  return Math.min(Infinity, ...consumers.map((name) => checkpoints.get(name) ?? 0));
}

/** Is this one of rising numbers? */
export function isAmong(numbers: readonly number[], wanted: number): boolean {
  return numbers[firstFrom(numbers, wanted)] === wanted;
}

/** Index of the first that is not below `least`. */
export function firstFrom(numbers: readonly number[], least: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle]! < least) low = middle + 1;
    else high = middle;
  }
  return low;
}

function toFloor({ key, value }: StoredDocument): Floor[] {
  const { position, at } = (value ?? {}) as { readonly position?: unknown; readonly at?: unknown };
  if (typeof position !== 'number') return [];
  return [{ name: key, position, ...(typeof at === 'number' && { at }) }];
}

function toSnapshot({ key, value }: StoredDocument): [string, number][] {
  const { entity = key, position } = (value ?? {}) as { readonly entity?: unknown; readonly position?: unknown };
  return typeof position === 'number' && typeof entity === 'string' ? [[entity, position]] : [];
}
