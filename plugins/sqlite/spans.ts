import { Slice } from '../../lib/plugin.ts';
import type { PageQuery } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';

/** Entries of the index that are looked at in one go. */
const ENTRIES = 20_000;

const NEXT = 'SELECT time, position FROM telltale_events INDEXED BY telltale_events_time WHERE time >= ? AND time <= ?';
/** The entry with which a stretch of the index ends, and what lies up to it. */
const CURSOR = `${NEXT} AND (time > ? OR position > ?) ORDER BY time, position LIMIT 1 OFFSET ${ENTRIES - 1}`;
const WITHIN = `SELECT min(position) AS first, max(position) AS last
  FROM (${NEXT} AND (time > ? OR position > ?) ORDER BY time, position LIMIT ${ENTRIES})
  WHERE position > ? AND position <= ?`;

/**
 * The first and the last position within a page's range whose event lies in a span of time; `undefined` for none. A
 * span with many events has no index in the order of positions, and they may all lie at the end of the log.
 */
export async function boundsOf(
  connection: Connection,
  time: NonNullable<PageQuery['time']>,
  { after, through }: Pick<PageQuery, 'after' | 'through'>,
): Promise<{ readonly first: number; readonly last: number } | undefined> {
  const slice = new Slice();
  const end = time.to ?? Number.MAX_VALUE;
  let [from, position] = [time.from ?? -Number.MAX_VALUE, 0];
  let [first, last] = [Infinity, 0];
  for (;;) {
    const stretch = [from, end, from, position];
    const found = connection.get(WITHIN, [...stretch, after, through])!;
    first = Math.min(first, (found['first'] as number | null) ?? Infinity);
    last = Math.max(last, (found['last'] as number | null) ?? 0);
    const cursor = connection.get(CURSOR, stretch);
    if (cursor === undefined) return last === 0 ? undefined : { first, last };
    [from, position] = [cursor['time'] as number, cursor['position'] as number];
    if (slice.isOver) await slice.rest();
  }
}
