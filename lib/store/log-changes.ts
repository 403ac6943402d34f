import { isTelltaleError, toError } from '../errors.ts';
import type { TelltaleError } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import { Serial } from '../serial.ts';
import type { Documents } from './documents.ts';
import type { Fence, Head, RemovalListener, RemovedRange } from './port.ts';
import { mergeRanges, subtractRanges } from './ranges.ts';
import type { Range } from './ranges.ts';
import { Slice } from './slice.ts';

/**
 * Runs a step of a removal or a rewrite between two commits, with its fence still held. What changes the log that
 * readers see goes into steps; what prepares it goes outside, while appends go on. Throws `LEASE_LOST`.
 */
export type Between = <T>(step: () => Promise<T>) => Promise<T>;

/** What changes of the log need of their store. */
export interface LogChangePort {
  readonly documents: Documents;
  head(): Promise<Head>;
  removed(range: Range): Promise<readonly RemovedRange[]>;
  remove(ranges: readonly Range[], reason: string, between: Between, fence: Fence | undefined): Promise<number>;
  rewrite(events: readonly StoredEvent[], between: Between, fence: Fence | undefined): Promise<void>;
  /** The event with its new content, checked against the one that is there. */
  rewritten(event: StoredEvent): Promise<StoredEvent>;
  /** Runs while no commit is in flight. */
  exclusive<T>(step: () => Promise<T>): Promise<T>;
  toFailure(thrown: unknown): TelltaleError;
}

const CHECK = 1_024;

/**
 * Removals and rewrites of stored events, one after another.
 *
 * Order: appends go on while a change is prepared; only its steps hold them up.
 * Failure: a change that fails may have been carried out in part; each step is there whole or not at all. Its listeners
 * are told of all that it was about. What is read before it, damaged or not, refuses the change and nothing else.
 */
export class LogChanges {
  readonly #port: LogChangePort;
  readonly #listeners = new Set<RemovalListener>();
  readonly #turns = new Serial();

  constructor(port: LogChangePort) {
    this.#port = port;
  }

  /** Answers how many events went. `ranges` may overlap and end behind the head. */
  remove(ranges: readonly Range[], reason: string, fence: Fence | undefined): Promise<number> {
    return this.#inTurn(async () => {
      const { position } = await this.#port.head();
      const wanted = await mergedUpTo(position, ranges);
      await this.#port.documents.checkFence(fence);
      if (wanted.length === 0) return 0;
      const span = { from: wanted[0]!.from, to: wanted[wanted.length - 1]!.to };
      const gone = await mergedUpTo(position, await this.#port.removed(span));
      const left = subtractRanges(wanted, gone);
      if (left.length === 0) return 0;
      return this.#telling(left, () => this.#port.remove(left, reason, this.#between(fence), fence));
    });
  }

  rewrite(events: readonly StoredEvent[], fence: Fence | undefined): Promise<void> {
    return this.#inTurn(async () => {
      await this.#port.documents.checkFence(fence);
      const records: StoredEvent[] = [];
      for (const event of events) records.push(await this.#port.rewritten(event));
      if (records.length === 0) return;
      const ranges = mergeRanges(records.map(({ position }) => ({ from: position, to: position })));
      await this.#telling(ranges, () => this.#port.rewrite(records, this.#between(fence), fence));
    });
  }

  /** Calls `listener` after each change; answers the undo. */
  on(listener: RemovalListener): () => void {
    // A wrapper of its own, so that the same function may listen twice.
    const own: RemovalListener = (ranges) => listener(ranges);
    this.#listeners.add(own);
    return () => void this.#listeners.delete(own);
  }

  tell(ranges: readonly Range[]): void {
    for (const listener of this.#listeners) {
      try {
        listener(ranges);
      } catch (thrown) {
        process.emitWarning(toError(thrown));
      }
    }
  }

  /** Resolves when every change called so far has ended. */
  idle(): Promise<void> {
    return this.#turns.idle();
  }

  async #telling<T>(ranges: readonly Range[], change: () => Promise<T>): Promise<T> {
    try {
      return await change();
    } catch (thrown) {
      throw this.#port.toFailure(thrown);
    } finally {
      this.tell(ranges);
    }
  }

  #between(fence: Fence | undefined): Between {
    const port = this.#port;
    if (fence === undefined) return (step) => port.exclusive(step);
    // In turn with document changes as well, so that the fence still holds when the step is carried out.
    return (step) => port.documents.inTurn(() => port.documents.checkFence(fence).then(() => port.exclusive(step)));
  }

  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    return this.#turns.run(async () => {
      try {
        return await change();
      } catch (thrown) {
        throw isTelltaleError(thrown) ? thrown : this.#port.toFailure(thrown);
      }
    });
  }
}

/** `mergeRanges` in slices, as far as `end`: a rule may take every second of a million events. */
async function mergedUpTo(end: number, ranges: readonly Range[]): Promise<Range[]> {
  const slice = new Slice();
  const merged: { from: number; to: number }[] = [];
  for (const range of isSorted(ranges) ? ranges : mergeRanges(ranges)) {
    const last = merged[merged.length - 1];
    const to = Math.min(range.to, end);
    if (range.from > end) break;
    if (last !== undefined && range.from <= last.to + 1) last.to = Math.max(last.to, to);
    else merged.push({ from: range.from, to });
    if (merged.length % CHECK === 0 && slice.isOver) await slice.rest();
  }
  return merged;
}

function isSorted(ranges: readonly Range[]): boolean {
  for (let i = 1; i < ranges.length; i++) if (ranges[i]!.from < ranges[i - 1]!.from) return false;
  return true;
}
