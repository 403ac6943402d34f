import { Slice, toError } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import type { SqlRow, SqlValue } from './driver.ts';
import { bytesIn } from './texts.ts';

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
  async of<T>(check: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await check();
    } catch (error) {
      this.add(`a check could not go on: ${toError(error).message}`);
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
    const rows = reader.all(sql, [...after, limit]);
    for (const row of rows) {
      if (slice.isOver) await slice.rest();
      yield row;
    }
    if (rows.length < limit) return undefined;
    const last = rows[limit - 1]!;
    after = keys.map((key) => (last[key] instanceof ArrayBuffer ? bytesIn(last[key]) : last[key]!));
  }
}
