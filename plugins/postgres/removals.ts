import type { Range, RemovedRange } from '../../lib/plugin.ts';
import { bigintArray, floatArray, textArray } from './arrays.ts';
import type { Session } from './connections.ts';
import type { Names } from './names.ts';

/** The recorded removals that touch a range, in order; no more than the first `limit`. */
export async function readRemoved(
  session: Pick<Session, 'query'>,
  names: Names,
  { from, to }: Range,
  limit: number | null = null,
): Promise<RemovedRange[]> {
  // The range before the first may reach into it; ranges never overlap.
  const table = names.of('removed');
  const { rows } = await session.query(
    `SELECT from_position, to_position, reason, at FROM ${table}
     WHERE to_position >= $1 AND from_position <= $2
       AND from_position >= coalesce((SELECT max(from_position) FROM ${table} WHERE from_position <= $1), 0)
     ORDER BY from_position LIMIT $3`,
    [from, Math.min(to, Number.MAX_SAFE_INTEGER), limit],
  );
  return rows.map(([first, last, reason, at]) => ({
    from: Number(first),
    to: Number(last),
    reason: reason!,
    at: Number(at),
  }));
}

/** Sorted ranges; joined to the left neighbour where reason and time are the same, as `recordRemoval` does. */
export async function insertRemoved(session: Session, names: Names, ranges: readonly RemovedRange[]): Promise<void> {
  const table = names.of('removed');
  const [first, ...others] = ranges;
  if (first === undefined) return;
  const { rowCount } = await session.query(
    `UPDATE ${table} SET to_position = $1 WHERE to_position = $2 AND reason = $3 AND at = $4`,
    [first.to, first.from - 1, first.reason, first.at],
  );
  const added = rowCount === 0 ? ranges : others;
  if (added.length === 0) return;
  await session.query(
    `INSERT INTO ${table} SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::float8[])`,
    [
      bigintArray(added.map(({ from }) => from)),
      bigintArray(added.map(({ to }) => to)),
      textArray(added.map(({ reason }) => reason)),
      floatArray(added.map(({ at }) => at)),
    ],
  );
}
