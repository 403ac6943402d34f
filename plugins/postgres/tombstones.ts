import type { Range, Tombstone } from '../../lib/plugin.ts';
import type { Session } from './connections.ts';
import type { Names } from './names.ts';
import { readRemoved } from './removals.ts';

type Query = Pick<Session, 'query'>;

/** Positions that are looked at in one go. */
const LOOK_POSITIONS = 10_000;

/** The first of the removed events within a range that are still known. */
export async function readTombstones(
  session: Query,
  names: Names,
  { from, to }: Range,
  limit: number,
): Promise<Tombstone[]> {
  const found: Tombstone[] = [];
  for (let next = from; next <= to && found.length < limit;) {
    const [removed] = await readRemoved(session, names, { from: next, to }, 1);
    if (removed === undefined) break;
    const first = Math.max(removed.from, next);
    const last = Math.min(to, first + LOOK_POSITIONS - 1);
    found.push(...(await known(session, names, { from: first, to: last }, limit - found.length)));
    next = last + 1;
  }
  return found;
}

async function known(session: Query, names: Names, { from, to }: Range, limit: number): Promise<Tombstone[]> {
  const { rows } = await session.query(
    `SELECT id, position, revision, stored_at, hash, entity FROM ${names.of('event_ids')} i
     WHERE position BETWEEN $1 AND $2 AND position <= (SELECT r.to_position FROM ${names.of('removed')} r
       WHERE r.from_position <= i.position ORDER BY r.from_position DESC LIMIT 1)
     ORDER BY position LIMIT $3`,
    [from, to, limit],
  );
  return rows.map(([id, position, revision, storedAt, hash, entity]) => ({
    id: id!,
    position: Number(position),
    revision: Number(revision),
    storedAt: Number(storedAt),
    hash: hash!,
    ...(entity === null ? undefined : { entity: entity! }),
  }));
}
