import type { PageQuery, StoredEvent } from '../../lib/plugin.ts';
import { lowerBound, Postings } from './postings.ts';

/** What the log is looked up by. `id` comes first: it finds one event. */
const FIELDS = ['id', 'correlationId', 'causationId', 'entity', 'type'] as const;
type Field = (typeof FIELDS)[number];

/** Positions of the events by id, correlation, causation, entity and type. */
export class EventIndex {
  readonly #by: Readonly<Record<Field, Postings>> = {
    id: new Postings(),
    correlationId: new Postings(),
    causationId: new Postings(),
    entity: new Postings(),
    type: new Postings(),
  };

  add(event: StoredEvent): void {
    const { position, entity, causationId } = event;
    this.#by.id.add(event.id, position);
    this.#by.type.add(event.type, position);
    this.#by.correlationId.add(event.correlationId, position);
    if (entity !== undefined) this.#by.entity.add(entity, position);
    if (causationId !== undefined) this.#by.causationId.add(causationId, position);
  }

  /** The newest position of a key; 0 for none. It may name an event that is gone. */
  last(field: Field, key: string): number {
    return this.#by[field].last(key);
  }

  /** Forgets the keys of events that went from the start of the log; `first` is the first position left. */
  trim(events: readonly StoredEvent[], first: number): void {
    this.#eachKey(events, (field, key) => this.#by[field].trim(key, first));
  }

  /** Forgets events that went from anywhere. */
  remove(events: readonly StoredEvent[], lives: (position: number) => boolean): void {
    this.#eachKey(events, (field, key) => this.#by[field].filter(key, lives));
  }

  /** The shortest lists that hold every event the query can want; undefined where only a scan finds them. */
  candidates(query: PageQuery): readonly (readonly number[])[] | undefined {
    const { ids, correlationId, causationId, entity, types } = query;
    let best: readonly (readonly number[])[] | undefined;
    let bestSize = Infinity;
    const wanted = [ids, one(correlationId), one(causationId), one(entity), types];
    wanted.forEach((keys, i) => {
      if (keys === undefined) return;
      const lists = [...new Set(keys)].map((key) => this.#by[FIELDS[i]!].get(key));
      const size = lists.reduce((sum, list) => sum + list.length, 0);
      if (size < bestSize) [best, bestSize] = [lists, size];
    });
    return best;
  }

  #eachKey(events: readonly StoredEvent[], visit: (field: Field, key: string) => void): void {
    for (const field of FIELDS) {
      const keys = new Set<string>();
      for (const event of events) {
        const key = event[field];
        if (key !== undefined) keys.add(key);
      }
      for (const key of keys) visit(field, key);
    }
  }
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
