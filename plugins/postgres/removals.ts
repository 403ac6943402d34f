import type { RemovedRange } from '../../lib/plugin.ts';
import { bigintArray, floatArray, textArray } from './arrays.ts';
import type { Session } from './connections.ts';
import type { Names } from './names.ts';

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
