import type { ImportSlice } from '../../lib/plugin.ts';
import type { Appender } from './appender.ts';
import type { Connection } from './connection.ts';
import { advance } from './log.ts';
import type { Packed } from './packing.ts';
import { recordRange } from './removals.ts';
import { bury } from './tombstones.ts';

/** Takes over a stretch of another log, within the caller's transaction. */
export function importSlice(connection: Connection, appender: Appender, slice: ImportSlice, packed: Packed): void {
  const bytes = appender.write(connection, slice.events, packed);
  let next = 0;
  for (const range of slice.removed) {
    const first = next;
    for (; (slice.tombstones[next]?.position ?? Infinity) <= range.to; next++)
      bury(connection, slice.tombstones[next]!);
    recordRange(connection, range, next - first);
  }
  advance(connection, { position: slice.to, storedAt: slice.storedAt }, slice.events.length, bytes);
}
