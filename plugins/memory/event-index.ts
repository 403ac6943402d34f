import { Slice, indexKey, indexKeyReader } from '../../lib/plugin.ts';
import type { PageQuery, StoredEvent } from '../../lib/plugin.ts';
import { lowerBound, Postings } from './postings.ts';

/** One thing that events are looked up by. */
interface Field {
  readonly name: string;
  readonly key: (event: StoredEvent) => string | undefined;
  readonly postings: Postings;
}

/** What of a query an index can answer. */
interface Wanted {
  readonly name: string;
  readonly keys: readonly string[];
}

/** Lists that together hold the position of every event that can satisfy a query. */
export interface Candidates {
  readonly index: string;
  readonly lists: readonly (readonly number[])[];
  readonly size: number;
}

/** The index of entities' kinds; its name in answers is `entity`. */
export const KIND = 'entity/*';

/**
 * Positions of the events by id, correlation, causation, entity, type and paths. An event that was removed may linger in
 * a long list until `compact`.
 */
export class EventIndex {
  readonly #fields: Field[];
  readonly #byName: Map<string, Field>;
  /** Long lists that hold removed events. */
  readonly #stale = new Map<Postings, Set<string>>();

  constructor(paths: readonly string[]) {
    this.#fields = [
      // `id` comes first: it finds one event.
      field('id', (event) => event.id),
      field('correlationId', (event) => event.correlationId),
      field('causationId', (event) => event.causationId),
      field('entity', (event) => event.entity),
      ...paths.map((path) => field(path, indexKeyReader(path))),
      field('type', (event) => event.type),
    ];
    this.#byName = new Map(this.#fields.map((known) => [known.name, known]));
  }

  add(event: StoredEvent): void {
    for (const { key, postings } of this.#fields) {
      const found = key(event);
      if (found !== undefined) postings.add(found, event.position);
    }
  }

  /** The newest position of a key; 0 for none. It may name an event that is gone. */
  last(name: 'id' | 'entity', key: string): number {
    return this.#byName.get(name)!.postings.last(key);
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** Takes in an index that was made meanwhile and has every event; from now on it is kept like the others. */
  adopt(name: string, key: Field['key'], postings: Postings): void {
    const added = { name, key, postings };
    this.#fields.push(added);
    this.#byName.set(name, added);
  }

  /** Forgets the keys of events that went from the start of the log; `first` is the first position left. */
  trim(events: readonly StoredEvent[], first: number): void {
    for (const { key, postings } of this.#fields) {
      const keys = new Set<string>();
      for (const event of events) {
        const found = key(event);
        if (found !== undefined) keys.add(found);
      }
      for (const found of keys) postings.trim(found, first);
    }
  }

  /** Forgets an event that went from anywhere. */
  remove(event: StoredEvent): void {
    for (const { key, postings } of this.#fields) {
      const found = key(event);
      if (found === undefined || postings.remove(found, event.position)) continue;
      let keys = this.#stale.get(postings);
      if (keys === undefined) this.#stale.set(postings, (keys = new Set()));
      keys.add(found);
    }
  }

  /** Follows what a rewrite did to indexed paths. */
  replace(before: StoredEvent, after: StoredEvent): void {
    for (const { key, postings } of this.#fields) {
      const [old, now] = [key(before), key(after)];
      if (old === now) continue;
      // Where the list is long the position stays: what is found there is filtered again.
      if (old !== undefined) postings.remove(old, before.position);
      if (now !== undefined) postings.insert(now, after.position);
    }
  }

  /** Takes what was removed out of the long lists. */
  async compact(lives: (position: number) => boolean): Promise<void> {
    const slice = new Slice();
    for (const [postings, keys] of this.#stale) {
      this.#stale.delete(postings);
      for (const key of keys) {
        await postings.compact(key, lives, slice);
        if (slice.isOver) await slice.rest();
      }
    }
  }

  /** The shortest lists for a query; `undefined` where no index helps. */
  candidates(query: PageQuery): Candidates | undefined {
    let best: Candidates | undefined;
    for (const { name, keys } of wantedOf(query)) {
      const found = this.#byName.get(name);
      if (found === undefined) continue;
      const lists = [...new Set(keys)].map((key) => found.postings.get(key));
      const size = lists.reduce((sum, list) => sum + list.length, 0);
      if (best === undefined || size < best.size) best = { index: name === KIND ? 'entity' : name, lists, size };
    }
    return best;
  }
}

function field(name: string, key: Field['key']): Field {
  return { name, key, postings: new Postings() };
}

function wantedOf(query: PageQuery): Wanted[] {
  const { ids, correlationId, causationId, entity, entityKind, types, equals } = query;
  const wanted: Wanted[] = [];
  const add = (name: string, keys: readonly string[] | undefined): void => {
    if (keys !== undefined) wanted.push({ name, keys });
  };
  add('id', ids);
  add('correlationId', one(correlationId));
  add('causationId', one(causationId));
  add('entity', one(entity));
  add(KIND, one(entityKind));
  for (const { path, values } of equals ?? [])
    add(
      path,
      values.map(indexKey).filter((key) => key !== undefined),
    );
  add('type', types);
  return wanted;
}

/** The positions of one list within the bounds, at most `limit` that live, in the direction asked for. */
export function within(positions: readonly number[], query: PageQuery, lives: (position: number) => boolean): number[] {
  const found: number[] = [];
  const first = lowerBound(positions, query.after + 1);
  const end = lowerBound(positions, query.through + 1);
  for (let i = 0; i < end - first && found.length < query.limit; i++) {
    const position = positions[query.descending ? end - 1 - i : first + i]!;
    if (lives(position)) found.push(position);
  }
  return found;
}

function one(key: string | undefined): readonly string[] | undefined {
  return key === undefined ? undefined : [key];
}
