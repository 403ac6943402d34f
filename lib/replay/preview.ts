import type { RemovedRange } from '../store/port.ts';
import type { ParsedReplay } from './options.ts';
import { gapMs } from './pace.ts';
import type { Started } from './replay.ts';
import type { Scope } from './scope.ts';

/** What a replay would tell. */
export interface ReplayPreview {
  readonly events: number;
  /** Most first. Types beyond 10,000 are counted as `…`. */
  readonly byType: readonly { readonly type: string; readonly count: number }[];
  /** The first and the last event in the order they would be told; undefined where there is none. */
  readonly first: { readonly position: number; readonly time: number } | undefined;
  readonly last: { readonly position: number; readonly time: number } | undefined;
  /** The waits at this speed, handlers not included. 0 at `max`. */
  readonly durationMs: number;
  /** Positions of the window that were removed before. */
  readonly removed: readonly RemovedRange[];
  /** It was stopped: the figures are about what it had come to. */
  readonly cancelled: boolean;
  /** What reading them took: at `max`, a replay cannot be faster. */
  readonly tookMs: number;
}

const TYPES = 10_000;
const REST = '…';

/** Counts what a replay would tell, in the order it would. */
export async function preview(
  scope: Scope,
  parsed: ParsedReplay,
  { takesMs, controls }: Pick<Started, 'takesMs' | 'controls'>,
): Promise<ReplayPreview> {
  const counts = new Map<string, number>();
  let first: ReplayPreview['first'];
  let last: ReplayPreview['last'];
  let events = 0;
  let durationMs = 0;
  for await (const batch of unlessStopped(scope.read(scope.window), controls)) {
    for (const { type, position, time } of batch.events) {
      const name = counts.has(type) || counts.size < TYPES ? type : REST;
      counts.set(name, (counts.get(name) ?? 0) + 1);
      events++;
      if (last !== undefined) durationMs += gapMs(last.time, time, parsed);
      last = { position, time };
      first ??= last;
    }
  }
  const byType = [...counts].map(([type, count]) => ({ type, count })).toSorted((a, b) => b.count - a.count);
  return {
    events,
    byType,
    first,
    last,
    durationMs,
    removed: scope.removed,
    cancelled: controls.stopped,
    tookMs: takesMs(),
  };
}

async function* unlessStopped<T>(source: AsyncIterable<T>, controls: Started['controls']): AsyncGenerator<T> {
  try {
    yield* source;
  } catch (error) {
    // Reading is given up when the replay is.
    if (!controls.stopped) throw error;
  }
}
