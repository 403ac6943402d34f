import { expected } from '../../lib/plugin.ts';
import type { Head, TelltaleError } from '../../lib/plugin.ts';
import type { Session } from './connections.ts';
import type { Names } from './names.ts';

type Query = Pick<Session, 'query'>;

/** How far the log goes, as its one row says. Throws `STORE_CORRUPT` without it. */
export function readHead(session: Query, names: Names): Promise<Head> {
  return head(session, names, '');
}

/** The head behind the lock that all writers take. */
export function lockHead(session: Query, names: Names): Promise<Head> {
  return head(session, names, ' FOR UPDATE');
}

export async function positionOf(session: Query, names: Names): Promise<number> {
  return (await readHead(session, names)).position;
}

export function withoutCounter(names: Names): TelltaleError {
  return expected('STORE_CORRUPT', names.of('counter'), 'one row that counts the events', 'none');
}

async function head(session: Query, names: Names, lock: string): Promise<Head> {
  const { rows } = await session.query(`SELECT position, stored_at FROM ${names.of('counter')}${lock}`);
  if (rows[0] === undefined) throw withoutCounter(names);
  return { position: Number(rows[0][0]), storedAt: Number(rows[0][1]) };
}
