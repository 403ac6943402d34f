import type { Observable } from 'rxjs';
import type { Clock } from '../clock.ts';
import { runWithoutCause } from '../context.ts';
import { expected } from '../errors.ts';
import type { StoredEvent, TelltaleEvent } from '../event/event.ts';
import type { Place } from '../event/place.ts';
import { onAbort } from '../on-abort.ts';
import type { RemovedRange, Store } from '../store/port.ts';
import { checkPlace } from '../store/read/resolve-place.ts';
import type { Captures } from './captures.ts';
import { Controls } from './controls.ts';
import { compareEffects, type CompareOptions, type ReplayComparison } from './effects.ts';
import type { ParsedReplay } from './options.ts';
import { Pace } from './pace.ts';
import { ProgressFeed, type ReplayProgress } from './progress.ts';
import type { Recipient } from './recipient.ts';
import { Run } from './run.ts';
import { openScope, type Scope } from './scope.ts';
import type { ReplayFailure, Tally } from './tally.ts';

/** What became of a replay. */
export interface ReplayResult {
  readonly id: string;
  /** Handled without a failure; with several handlers an event counts once for each. */
  readonly delivered: number;
  readonly failed: number;
  /** Heard by nobody, known to the other bus already, or dropped because the replay was cancelled. */
  readonly skipped: number;
  /** The first 1,000 failures. */
  readonly failures: readonly ReplayFailure[];
  /** What was emitted and went nowhere else: the first 10,000 events, at most 64 MiB of them. */
  readonly emitted: readonly TelltaleEvent[];
  /** How many they were. */
  readonly emittedCount: number;
  readonly tookMs: number;
  readonly cancelled: boolean;
  /** Handlers that had not ended when a bus that closes waited no longer; what becomes of them is not counted. */
  readonly stillRunning: number;
  /** Positions of the window that had been removed before it began. */
  readonly removed: readonly RemovedRange[];
  /** What was emitted beside what the original run emitted from the same events. Needs the store open. */
  readonly compare: (options?: CompareOptions) => Promise<ReplayComparison>;
}

export interface ReplayParts<Result> {
  readonly id: string;
  readonly parsed: ParsedReplay;
  readonly clock: Clock;
  /** Answers the store when everything emitted before the call is in it, and where it ended then. */
  ready(): Promise<{ readonly store: Store; readonly head: number }>;
  /** A subscriber to the progress threw. */
  readonly streamFailed: (error: unknown) => void;
  /** Does the work. */
  run(scope: Scope, started: Started): Promise<Result>;
}

/** What the work is given to steer by. */
export interface Started {
  readonly controls: Controls;
  readonly signal: AbortSignal;
  readonly takesMs: () => number;
  /** How far it is. */
  readonly report: (where: { readonly position: number; readonly done: number }) => void;
  readonly moved: () => void;
}

/**
 * One replay under way. Ordering: that of its selection. Capacity: reads at most a page ahead, and waits for whom it
 * tells. Failure: a handler that fails is counted; `finished` rejects only where the replay could not begin or go on.
 * Closing: `cancel` tells nothing more and ends when what runs has ended; the bus cancels it when it closes.
 */
export class Replay<Result = ReplayResult> {
  readonly id: string;
  /**
   * What became of it. Rejects with what is wrong with the places asked for (`EVENTS_REMOVED`, `INVALID_PLACE`,
   * `INVALID_QUERY`), and where the store or the other bus takes part no more.
   */
  readonly finished: Promise<Result>;
  readonly #parts: ReplayParts<Result>;
  readonly #controls: Controls;
  readonly #feed: ProgressFeed;
  readonly #abort = new AbortController();
  readonly #opened: Promise<Scope>;
  #scope: Scope | undefined;
  #where = { position: 0, done: 0 };
  #startedMs: number;
  #endedMs: number | undefined;
  #seeks = 0;
  #movedBy = 0;

  constructor(parts: ReplayParts<Result>) {
    const { id, parsed, clock } = parts;
    this.id = id;
    this.#parts = parts;
    this.#startedMs = clock.monotonic();
    this.#feed = new ProgressFeed(clock, () => this.#look(), parts.streamFailed);
    const pace = parsed.factor === Infinity ? undefined : new Pace(parsed, clock);
    this.#controls = new Controls(clock, pace, () => this.#feed.changed());
    this.#opened = runWithoutCause(() => this.#open());
    this.finished = runWithoutCause(() => this.#run());
    // Whoever awaits it sees the rejection too.
    this.finished.catch(() => undefined);
  }

  /** How far it is: begins with the newest, ends with the replay, at most ten a second. */
  get progress(): Observable<ReplayProgress> {
    return this.#feed.observable;
  }

  /** Tells nothing more until `resume`; handlers that run go on. */
  pause(): void {
    this.#controls.pause();
  }

  resume(): void {
    this.#controls.resume();
  }

  /**
   * Goes on at another place of the window, forward or back: what lies between is not told, what was told may be told
   * again. Handlers that run end first; what waits for its key's turn is skipped. A time means the first event, in the
   * order they are told, that lies there or beyond. Of several seeks the latest call counts. Rejects with
   * `EVENTS_REMOVED`, `INVALID_PLACE`; the replay goes on where it was then.
   */
  async seek(place: Place): Promise<void> {
    checkPlace(place, 'place');
    const seek = ++this.#seeks;
    const scope = await this.#opened;
    const stretch = await scope.from(place);
    if (seek < this.#movedBy) return;
    this.#movedBy = seek;
    this.#controls.moveTo(stretch);
  }

  /**
   * Pauses, then tells the next `count` events; answers how many there were, when their handlers have ended. Throws
   * `INVALID_OPTION`.
   */
  step(count = 1): Promise<number> {
    if (Number.isSafeInteger(count) && count >= 1) return this.#controls.step(count);
    throw expected('INVALID_OPTION', 'the argument of `step`', 'an integer from 1', count);
  }

  /** Tells nothing more; `finished` resolves when what runs has ended. */
  cancel(): void {
    this.#controls.stop();
    this.#abort.abort();
  }

  /** @internal Cancels, and ends without waiting for what runs. */
  giveUp(): void {
    this.#controls.giveUp();
    this.#abort.abort();
  }

  // On the next tick: the caller has the rest of this one to listen, to pause or to seek.
  async #open(): Promise<Scope> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    const { clock, parsed } = this.#parts;
    this.#startedMs = clock.monotonic();
    const { store, head } = await this.#parts.ready();
    // Not aborted by `cancel`: a replay that is cancelled before it begins tells nothing, and says so.
    const { signal } = this.#abort;
    return (this.#scope = await openScope({ store, parsed, clock, signal, head }));
  }

  async #run(): Promise<Result> {
    const { signal } = this.#parts.parsed.selection;
    if (signal?.aborted === true) this.cancel();
    const forget = signal && onAbort(signal, () => this.cancel());
    try {
      return await this.#parts.run(await this.#opened, {
        controls: this.#controls,
        signal: this.#abort.signal,
        takesMs: () => this.#parts.clock.monotonic() - this.#startedMs,
        report: (where) => (this.#where = where),
        moved: () => this.#feed.moved(),
      });
    } finally {
      forget?.();
      this.#endedMs = this.#parts.clock.monotonic();
      this.#controls.end();
    }
  }

  #look(): ReplayProgress {
    const { state, pausedMs } = this.#controls;
    const { position, done } = this.#where;
    const total = this.#scope?.total ?? 0;
    const activeMs = (this.#endedMs ?? this.#parts.clock.monotonic()) - this.#startedMs - pausedMs;
    const rate = activeMs > 0 ? (done * 1_000) / activeMs : 0;
    const left = state === 'ended' ? 0 : total - done;
    const remainingMs = left === 0 ? 0 : rate > 0 ? (left * 1_000) / rate : undefined;
    return { state, done, total, position, rate, remainingMs };
  }
}

/** What telling needs beside the parts of every replay. */
export interface TellingParts {
  readonly parsed: ParsedReplay;
  readonly store: Store;
  readonly recipient: Recipient;
  readonly captures: Captures;
  readonly tally: Tally;
  readonly id: string;
  readonly present: (event: StoredEvent) => StoredEvent;
}

/** Tells the events of a scope and sums up what became of them. */
export async function tell(scope: Scope, started: Started, parts: TellingParts): Promise<ReplayResult> {
  const { parsed, recipient, captures, tally, present, store, id } = parts;
  const { controls } = started;
  const telling = parsed.accept ? () => undefined : (event: StoredEvent) => captures.told(event.id);
  const run: Run = new Run(
    { scope, controls, recipient, present, telling, turned: () => captures.moved(), moved: started.moved },
    parsed.byTime,
  );
  started.report(run);
  try {
    await run.tellAll();
    if (tally.stopped !== undefined) throw tally.stopped.error;
    recipient.finish?.();
  } catch (error) {
    await untilStopped(recipient, controls);
    recipient.finish?.(error);
    throw error;
  } finally {
    captures.close();
  }
  return {
    id,
    ...tally.figures(),
    emitted: captures.events,
    emittedCount: captures.count,
    tookMs: started.takesMs(),
    cancelled: controls.stopped,
    stillRunning: recipient.running(),
    removed: scope.removed,
    compare: (options) => compareEffects(store, captures.compared, options),
  };
}

async function untilStopped(recipient: Recipient, controls: Controls): Promise<void> {
  const stopped = recipient.stop();
  if (stopped !== undefined) await controls.untilEnded(stopped);
}
