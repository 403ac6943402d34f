/** The injected source of time. Everything that waits or stamps takes one, so that tests need no real time. */
export interface Clock {
  /** Wall clock, epoch ms with fractions. May step. */
  now(): number;
  /** Monotonic ms since an arbitrary start. Never steps. */
  monotonic(): number;
  /** Calls `fn` once after `ms`, however long; returns the undo. Housekeeping: the timer does not keep the process alive. */
  after(ms: number, fn: () => void): () => void;
  /** As `after`, for what somebody awaits and what would be lost otherwise: the process stays alive until then. */
  wait(ms: number, fn: () => void): () => void;
}

/** What `setTimeout` takes; anything longer would fire at once. */
const LONGEST_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (ms, fn) => startTimer(ms, fn, (timer) => timer.unref()),
  wait: (ms, fn) => startTimer(ms, fn, (timer) => timer),
};

function startTimer(ms: number, fn: () => void, prepare: (timer: NodeJS.Timeout) => NodeJS.Timeout): () => void {
  let timer: NodeJS.Timeout;
  const start = (left: number): void => {
    const next = (): void => (left > LONGEST_MS ? start(left - LONGEST_MS) : fn());
    timer = prepare(setTimeout(next, Math.min(left, LONGEST_MS)));
  };
  start(ms);
  return () => clearTimeout(timer);
}

/** A clock that moves only when told. Timers fire in due order, those due at one time in the order they were set. */
export interface VirtualClock extends Clock {
  /** Moves the clock by `ms` and fires what falls due; awaits the microtasks between timers. */
  advance(ms: number): Promise<void>;
}

export function createVirtualClock(start = Date.UTC(2026, 0, 1)): VirtualClock {
  let elapsed = 0;
  let serial = 0;
  const timers = new Map<number, { due: number; fn: () => void }>();
  const nextDue = (limit: number): number | undefined => {
    let found: number | undefined;
    for (const [id, timer] of timers) {
      if (timer.due <= limit && (found === undefined || timer.due < timers.get(found)!.due)) found = id;
    }
    return found;
  };
  const after = (ms: number, fn: () => void): (() => void) => {
    const id = serial++;
    timers.set(id, { due: elapsed + Math.max(0, ms), fn });
    return () => void timers.delete(id);
  };
  return {
    now: () => start + elapsed,
    monotonic: () => elapsed,
    after,
    wait: after,
    async advance(ms) {
      const end = elapsed + ms;
      await settleMicrotasks();
      for (let id = nextDue(end); id !== undefined; id = nextDue(end)) {
        const timer = timers.get(id)!;
        timers.delete(id);
        elapsed = Math.max(elapsed, timer.due);
        timer.fn();
        await settleMicrotasks();
      }
      elapsed = end;
    },
  };
}

// One turn of the event loop lets every promise chain that is ready run to its next real wait.
function settleMicrotasks(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
