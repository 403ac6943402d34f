import { tallyStatement } from '../../lib/plugin.ts';
import type { Dialect, TallyGroup, TallyPart, TallyQuery } from '../../lib/plugin.ts';
import type { Session } from './connections.ts';

/** Positions of the first statement; how many come next depends on how long it takes. */
const FIRST_WIDTH = 65_536;
const STATEMENT_MS = 200;
const PART_MS = 500;

/** The log to be counted, up to its head of a moment ago. */
export interface Counted {
  readonly session: Pick<Session, 'query'>;
  readonly dialect: Dialect;
  readonly table: string;
  readonly head: number;
}

/**
 * Counts in windows of positions, so that no statement comes near its timeout. `undefined` where PostgreSQL cannot tell
 * the events exactly.
 */
export async function tallyPart(
  { session, dialect, table, head }: Counted,
  query: TallyQuery,
): Promise<TallyPart | undefined> {
  const through = Math.min(query.through, head);
  const groups: TallyGroup[] = [];
  const end = performance.now() + PART_MS;
  let { after } = query;
  for (let width = FIRST_WIDTH; after < through && performance.now() < end;) {
    const window = { ...query, after, through: Math.min(through, after + width) };
    const statement = tallyStatement(window, dialect, table);
    if (statement === undefined) return undefined;
    const began = performance.now();
    for (const row of (await session.query(statement.sql, statement.parameters)).rows) {
      const group = statement.toGroup(row);
      if (group !== undefined) groups.push(group);
    }
    after = window.through;
    if (performance.now() - began < STATEMENT_MS) width *= 4;
  }
  return { groups, looked: after, done: after >= through };
}
