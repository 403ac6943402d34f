import type { Store, StoredEvent } from '../../lib/plugin.ts';
import { failureOf, isDeadLetter, isFailure, isWithoutTime } from './render/tree.ts';
import { Tally } from './tally.ts';

/** One correlation in an overview. */
export interface CorrelationLine {
  readonly correlationId: string;
  readonly events: number;
  readonly failed: number;
  /** Event time, epoch ms; absent where none of its events had one. */
  readonly began?: number;
  readonly tookMs?: number;
  readonly firstType: string;
  readonly lastType: string;
}

/** What a log holds. */
export interface Overview {
  readonly events: number;
  /** The highest position ever given. */
  readonly position: number;
  readonly durability: string;
  readonly notices: readonly string[];
  readonly storedFrom?: number;
  readonly storedTo?: number;
  readonly types: readonly { readonly type: string; readonly events: number }[];
  readonly correlations: number;
  /** There are more correlations than were counted one by one. */
  readonly moreCorrelations: boolean;
  /** Events whose type ends in `.failed`. */
  readonly failed: number;
  readonly deadLetters: number;
  /** The latest of both, newest first. */
  readonly failures: readonly { readonly type: string; readonly correlationId: string; readonly reason: string }[];
  readonly newest: readonly CorrelationLine[];
}

const NEWEST = 10;
const FAILURES = 3;
const COUNTED = 1_000;

/** Reads the log once from its beginning to where it was at the call; memory does not grow with it. */
export async function overviewOf(store: Store): Promise<Overview> {
  const { position } = await store.head();
  const types = new Tally();
  const seen = new Tally(500_000);
  // The correlations written to last; a Map keeps the order in which they were put back.
  const recent = new Map<string, string>();
  const failures: Overview['failures'][number][] = [];
  let events = 0;
  let failed = 0;
  let deadLetters = 0;
  let first: StoredEvent | undefined;
  let last: StoredEvent | undefined;
  for await (const event of store.read({ through: position })) {
    events++;
    first ??= event;
    last = event;
    types.add(event.type);
    if (isFailure(event)) {
      if (isDeadLetter(event)) deadLetters++;
      else failed++;
      failures.push({ type: event.type, correlationId: event.correlationId, reason: failureOf(event) });
      if (failures.length > FAILURES) failures.shift();
    }
    seen.add(event.correlationId);
    recent.delete(event.correlationId);
    recent.set(event.correlationId, event.type);
    if (recent.size > COUNTED) recent.delete(recent.keys().next().value!);
  }
  const newest = [...recent.keys()].slice(-NEWEST).toReversed();
  const health = store.health();
  return {
    events,
    position,
    durability: health.durability,
    notices: health.notices,
    ...(first && { storedFrom: first.storedAt }),
    ...(last && { storedTo: last.storedAt }),
    types: types.top().map(([type, count]) => ({ type, events: count })),
    correlations: seen.size,
    moreCorrelations: seen.overflow > 0,
    failed,
    deadLetters,
    failures: failures.toReversed(),
    newest: await Promise.all(newest.map((id) => correlationLine(store, id, position))),
  };
}

async function correlationLine(store: Store, correlationId: string, through: number): Promise<CorrelationLine> {
  let events = 0;
  let failed = 0;
  let from = Infinity;
  let to = -Infinity;
  let firstType = '';
  let lastType = '';
  for await (const event of store.read({ correlationId, through })) {
    if (events++ === 0) firstType = event.type;
    lastType = event.type;
    if (isFailure(event)) failed++;
    if (isWithoutTime(event)) continue;
    from = Math.min(from, event.time);
    to = Math.max(to, event.time);
  }
  const times = from <= to ? { began: from, tookMs: to - from } : {};
  return { correlationId, events, failed, ...times, firstType, lastType };
}
