import type { StoredEvent } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import { findRevisions } from './lookup.ts';

const CAPACITY = 10_000;

/**
 * Revisions of the entities that were written last. They hold as long as nobody else has written, and every commit
 * finds the log where the one before has left it: behind one that was rolled back it is not.
 */
export class RecentRevisions {
  readonly #known = new Map<string, number>();
  #connection: Connection | undefined;
  #version: unknown;
  #position = -1;

  /** To be called for every commit, within the transaction that writes, with the head as it is there. */
  begin(connection: Connection, head: number): void {
    const version = connection.pragma('data_version');
    // One connection knows nothing of the versions of another, as that of a target is.
    const isSame = connection === this.#connection && version === this.#version && head === this.#position;
    if (!isSame || this.#known.size > CAPACITY) this.#known.clear();
    [this.#connection, this.#version, this.#position] = [connection, version, head];
  }

  find(connection: Connection, entities: readonly string[]): ReadonlyMap<string, number> {
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
