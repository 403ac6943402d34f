import { systemClock, type Clock } from '../../lib/clock.ts';

/** What a pool on a hurried clock is given: by itself that is never up. */
export const UNRESPONSIVE = '1h';
/** A pool looks at its workers four times in that. */
const BEAT_MS = 3_600_000 / 4;

export interface HurriedClock extends Clock {
  /** Lets so much time be up for whoever looks whether workers respond, and for nobody else. */
  hurry(): void;
}

/** The system's clock, on which a worker that stands still is seen to when told, not when so much time is up. */
export function createHurriedClock(): HurriedClock {
  let hurriedMs = 0;
  const beats = new Set<() => void>();
  return {
    ...systemClock,
    monotonic: () => systemClock.monotonic() + hurriedMs,
    after(ms, fn) {
      if (ms !== BEAT_MS) return systemClock.after(ms, fn);
      beats.add(fn);
      return () => void beats.delete(fn);
    },
    hurry() {
      for (let beat = 0; beat < 5; beat++) {
        hurriedMs += BEAT_MS;
        const due = [...beats];
        beats.clear();
        for (const fn of due) fn();
      }
    },
  };
}
