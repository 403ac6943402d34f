import type { Connection } from './connection.ts';
import type { SqlRow } from './driver.ts';
import { rowsOf } from './findings.ts';
import type { Findings } from './findings.ts';
import type { LogRow } from './log.ts';
import { asBytes, textIn } from './texts.ts';
import { TOMBSTONE, toTombstone } from './tombstones.ts';

const EVENTS = 'SELECT position, stored_at, bytes FROM telltale_events WHERE position > ? ORDER BY position LIMIT ?';
const REMOVALS = `SELECT from_position, to_position, tombstones, ${asBytes('reason')} FROM telltale_removals
  WHERE from_position > ? ORDER BY from_position LIMIT ?`;
const TOMBSTONES = `SELECT ${TOMBSTONE} FROM telltale_tombstones WHERE position > ? ORDER BY position LIMIT ?`;

/**
 * Every position up to the head has an event or a recorded removal, and not both; a removal has the tombstones that were
 * counted with it; and the counters of the log are right. Walks events, removals and tombstones side by side.
 */
export async function checkPositions(reader: Connection, log: LogRow, findings: Findings): Promise<void> {
  const events = await Walk.begin(reader, EVENTS, 'position');
  const removals = await Walk.begin(reader, REMOVALS, 'from_position');
  const tombstones = await Walk.begin(reader, TOMBSTONES, 'position');
  const check = new PositionCheck(log, findings);
  while (events.row !== undefined || removals.row !== undefined) {
    if (events.at < removals.at) {
      check.event(events.row!);
      await events.next();
      continue;
    }
    const { from_position: from, to_position: to, tombstones: counted } = removals.row as unknown as Removal;
    check.cover(from, to);
    if (textIn(removals.row!['reason']) === undefined)
      findings.add('the reason of a removal (telltale_removals) is damaged', from);
    let [known, missing, next] = [0, 0, from];
    for (; tombstones.at <= to; await tombstones.next()) {
      check.tombstone(tombstones.row!);
      if (tombstones.at < from) findings.add('a tombstone is where no removal is recorded', tombstones.at);
      else known++;
      if (tombstones.at > next) missing ||= next;
      next = tombstones.at + 1;
    }
    if (known !== counted)
      findings.add(
        `${counted} tombstones are counted up to ${to}, and ${known} are there`,
        counted === to - from + 1 ? missing || next : from,
      );
    await removals.next();
  }
  for (; tombstones.row !== undefined; await tombstones.next())
    findings.add('a tombstone is where no removal is recorded', tombstones.at);
  check.end();
}

interface Removal {
  readonly from_position: number;
  readonly to_position: number;
  readonly tombstones: number;
}

/** The rows of a table, by position. */
class Walk {
  readonly #rows: AsyncGenerator<SqlRow, undefined>;
  readonly #key: string;
  row: SqlRow | undefined;
  /** The position of the row; infinite behind the last. */
  at = Infinity;

  constructor(rows: AsyncGenerator<SqlRow, undefined>, key: string) {
    this.#rows = rows;
    this.#key = key;
  }

  static async begin(reader: Connection, sql: string, key: string): Promise<Walk> {
    const walk = new Walk(rowsOf(reader, sql, { keys: [key], first: [0], limit: 1_024 }), key);
    await walk.next();
    return walk;
  }

  async next(): Promise<void> {
    this.row = (await this.#rows.next()).value;
    this.at = (this.row?.[this.#key] as number | undefined) ?? Infinity;
  }
}

class PositionCheck {
  readonly #log: LogRow;
  readonly #findings: Findings;
  #next = 1;
  #events = 0;
  #bytes = 0;
  #newest = { position: 0, storedAt: 0 };

  constructor(log: LogRow, findings: Findings) {
    this.#log = log;
    this.#findings = findings;
  }

  event(row: SqlRow): void {
    const position = row['position'] as number;
    this.#events++;
    this.#bytes += row['bytes'] as number;
    this.cover(position, position);
    this.#time(row);
  }

  tombstone(row: SqlRow): void {
    this.#time(row);
    try {
      toTombstone(row);
    } catch {
      this.#findings.add('the tombstone (telltale_tombstones) is damaged', row['position'] as number);
    }
  }

  /** The next positions that have an event or a removal. */
  cover(from: number, to: number): void {
    if (from > this.#next) this.#findings.add(`no event and no removal is recorded up to ${from - 1}`, this.#next);
    if (from < this.#next) this.#findings.add('both an event and a removal are recorded, or two removals', from);
    this.#next = Math.max(this.#next, to + 1);
  }

  end(): void {
    const { position: head, events, bytes } = this.#log;
    if (this.#next <= head) this.#findings.add(`no event and no removal is recorded up to ${head}`, this.#next);
    if (this.#next > head + 1)
      this.#findings.add(`the log's head (telltale_log) is ${head}, and there is something behind it`, head + 1);
    const { position, storedAt } = this.#newest;
    if (storedAt > this.#log.storedAt)
      this.#findings.add(`stored at ${storedAt}, and the head (telltale_log) at ${this.#log.storedAt}`, position);
    if (this.#events === events && this.#bytes === bytes) return;
    this.#findings.add(
      `${events} events of ${bytes} bytes are counted (telltale_log), and there are ${this.#events} of ${this.#bytes}`,
    );
  }

  #time({ position, stored_at: storedAt }: SqlRow): void {
    if ((storedAt as number) >= this.#newest.storedAt)
      this.#newest = { position: position as number, storedAt: storedAt as number };
  }
}
