import { Slice, contentHash, hashInTurns } from '../../lib/plugin.ts';
import type { Range, RemovedRange } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import type { SqlRow } from './driver.ts';
import { removeKeys } from './keys.ts';
import type { KeyPath } from './keys.ts';
import { count, noteChange } from './log.ts';
import { LISTED, WHOLE, salvage } from './records.ts';
import type { Salvaged } from './records.ts';
import { recordRange, removalFrom } from './removals.ts';
import { bury } from './tombstones.ts';

/** Rows that are read at once; of large events only what is small about them. */
const ROWS = 16;

/** Why events go, and when. */
export type Why = Pick<RemovedRange, 'reason' | 'at'>;

/** Where a step begins: a position of the range of that number. */
export interface Place {
  readonly index: number;
  readonly from: number;
}

/** One step of a removal, within a transaction: some milliseconds of work, however large the events are. */
export class Removal {
  readonly #connection: Connection;
  readonly #paths: readonly KeyPath[];
  readonly #why: Why;
  readonly #slice: Slice;
  #removed = 0;
  #bytes = 0;
  #hasLarge = false;

  constructor(connection: Connection, paths: readonly KeyPath[], why: Why, forMs: number) {
    this.#connection = connection;
    this.#paths = paths;
    this.#why = why;
    this.#slice = new Slice(forMs);
  }

  /** Answers where the next step begins; behind the last range when nothing is left. */
  async take(ranges: readonly Range[], { index, from }: Place): Promise<Place & { readonly removed: number }> {
    let place = { index, from };
    do {
      const { to } = ranges[place.index]!;
      const next = (await this.#takeFrom(place.from, to)) + 1;
      place =
        next <= to ? { ...place, from: next } : { index: place.index + 1, from: ranges[place.index + 1]?.from ?? 0 };
    } while (place.index < ranges.length && !this.#slice.isOver);
    count(this.#connection, -this.#removed, -this.#bytes);
    return { ...place, removed: this.#removed };
  }

  /** What another process has removed since this was asked for is looked up here, where nobody else can. */
  async #takeFrom(from: number, to: number): Promise<number> {
    const gone = removalFrom(this.#connection, from);
    if (gone !== undefined && gone.from <= from) return gone.to;
    const before = this.#removed;
    const end = await this.#delete(from, Math.min(to, (gone?.from ?? Infinity) - 1));
    recordRange(this.#connection, { from, to: end, ...this.#why }, this.#removed - before);
    noteChange(this.#connection, from, end);
    return end;
  }

  /** Deletes events from `from` on, at least one; answers how far it came. */
  async #delete(from: number, to: number): Promise<number> {
    let next = from;
    do {
      const end = await this.#bury(next, to);
      this.#connection.run('DELETE FROM telltale_events WHERE position >= ? AND position <= ?', [next, end]);
      // What is deleted is overwritten, here and again by the commit.
      if (this.#hasLarge) await turn();
      next = end + 1;
    } while (next <= to && !this.#slice.isOver);
    return next - 1;
  }

  /** Leaves of each event its id for ever, and its entity's revision; answers how far it came. */
  async #bury(from: number, to: number): Promise<number> {
    const sql = `SELECT ${LISTED} FROM telltale_events WHERE position >= ? AND position <= ? ORDER BY position LIMIT ?`;
    const rows = this.#connection.all(sql, [from, to, ROWS]);
    for (const row of rows) {
      await this.#buryOne(row);
      if (this.#slice.isOver) return row['position'] as number;
    }
    return rows.length < ROWS ? to : (rows[rows.length - 1]!['position'] as number);
  }

  async #buryOne(row: SqlRow): Promise<void> {
    const isLarge = row['payload'] === null;
    const { event, isWhole } = isLarge ? await this.#large(row['position'] as number) : await salvage(row);
    bury(this.#connection, { ...event, hash: isLarge ? await hashInTurns(event) : contentHash(event) });
    if (isWhole) removeKeys(this.#connection, this.#paths, event);
    // Nobody knows any more which keys a damaged one has.
    else this.#connection.run('DELETE FROM telltale_keys WHERE position = ?', [event.position]);
    this.#removed++;
    this.#bytes += row['bytes'] as number;
    if (!isLarge) return;
    this.#hasLarge = true;
    await turn();
  }

  async #large(position: number): Promise<Salvaged> {
    const row = this.#connection.get(`SELECT ${WHOLE} FROM telltale_events WHERE position = ?`, [position])!;
    const salvaged = await salvage(row);
    // To parse it has taken long enough for one turn.
    await turn();
    return salvaged;
  }
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
