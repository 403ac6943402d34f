import type { StoredEvent } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import { findRevisions } from './lookup.ts';

const CAPACITY = 10_000;

/**
 * Revisions of the entities that were written last. They hold as long as nobody else has written, and the log is where
 * the last commit left it: after a commit that was rolled back it is not.
 */
export class RecentRevisions {
  readonly #known = new Map<string, number>();
  #version: unknown;
  #position = -1;

  /** To be called within the transaction that writes, with the head as it is there. */
  find(connection: Connection, entities: readonly string[], head: number): ReadonlyMap<string, number> {
    const version = connection.pragma('data_version');
    if (version !== this.#version || head !== this.#position || this.#known.size > CAPACITY) this.#known.clear();
    [this.#version, this.#position] = [version, head];
    const missing = entities.filter((entity) => !this.#known.has(entity));
    if (missing.length === 0) return this.#known;
    const found = findRevisions(connection, missing);
    for (const entity of missing) this.#known.set(entity, found.get(entity) ?? 0);
    return this.#known;
  }

  /** What the transaction has written, and where its log ends. */
  note(records: readonly StoredEvent[], head: number): void {
    for (const { entity, revision } of records) if (entity !== undefined) this.#known.set(entity, revision);
    this.#position = head;
  }
}
