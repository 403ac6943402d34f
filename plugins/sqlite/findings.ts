import { Slice, TelltaleError, toError } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import type { SqlRow, SqlValue } from './driver.ts';
import { bytesIn, legible } from './texts.ts';

/** Something that is wrong with a log. */
export interface Finding {
  /** Where, as far as it has a place in the log. */
  readonly position?: number;
  readonly problem: string;
}

const KEPT = 1_000;

export class Findings {
  readonly kept: Finding[] = [];
  count = 0;

  add(problem: string, position?: number): void {
    if (this.count++ < KEPT) this.kept.push(position === undefined ? { problem } : { position, problem });
  }

  /** What a check cannot go on with is a finding too: the next one may find more. */
  async of<T>(what: string, check: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await check();
    } catch (error) {
      const { message, details = {} } = toError(error) as Partial<TelltaleError> & Error;
      this.add(`the check of ${what} could not go on: ${message}`, details['position'] as number | undefined);
      return undefined;
    }
  }
}

/**
 * The rows of a statement, so many at once; the event loop turns in between. Its parameters are the `keys` of the row
 * behind which it begins, and how many rows it answers.
 */
export async function* rowsOf(
  reader: Connection,
  sql: string,
  {
    keys,
    first,
    limit,
  }: { readonly keys: readonly string[]; readonly first: readonly SqlValue[]; readonly limit: number },
): AsyncGenerator<SqlRow, undefined> {
  const slice = new Slice();
  for (let after = first; ;) {
    const { rows, isLast } = rowsBehind(reader, sql, { keys, after, limit });
    for (const row of rows) {
      if (slice.isOver) await slice.rest();
      yield row;
    }
    if (isLast) return undefined;
    const last = rows.at(-1)!;
    const next = keys.map((key) => (last[key] instanceof ArrayBuffer ? bytesIn(last[key]) : last[key]!));
    // Damaged pages may lead back: what is read again would be read for ever.
    if (!isBehind(next, after))
      throw new TelltaleError('STORE_CORRUPT', `rows behind ${next.join(', ')} are out of order`);
    after = next;
  }
}

/** As many as can be read; throws with the place where the very next cannot. */
function rowsBehind(
  reader: Connection,
  sql: string,
  { keys, after, limit }: { readonly keys: readonly string[]; readonly after: readonly SqlValue[]; limit: number },
): { readonly rows: readonly SqlRow[]; readonly isLast: boolean } {
  for (let wanted = limit; ; wanted = Math.ceil(wanted / 2)) {
    try {
      const rows = reader.all(sql, [...after, wanted]);
      return { rows, isLast: rows.length < wanted };
    } catch (cause) {
      if (wanted > 1) continue;
      const place = after.map((value, i) => `${keys[i]} ${value instanceof Uint8Array ? legible(value) : value}`);
      const position = after[keys.findIndex((key) => key.endsWith('position'))] as number | undefined;
      throw new TelltaleError('STORE_CORRUPT', `behind ${place.join(', ')}: ${toError(cause).message}`, {
        cause: toError(cause),
        details: position === undefined ? {} : { position: position + 1 },
      });
    }
  }
}

function isBehind(next: readonly SqlValue[], before: readonly SqlValue[]): boolean {
  for (const [i, value] of next.entries()) {
    const order = compare(value, before[i]!);
    if (order !== 0) return order > 0;
  }
  return false;
}

function compare(value: SqlValue, other: SqlValue): number {
  if (typeof value === 'number' && typeof other === 'number') return value - other;
  return Buffer.compare(Buffer.from(value as string), Buffer.from(other as string));
}
