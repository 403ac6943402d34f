import { readFileSync } from 'node:fs';
import { slownessOfMachine } from './machine-speed.ts';

/** What of a hold is waited out before measuring: timers are only exact when the loop has turned for a while. */
const SETTLE_MS = 50;

/**
 * Runs `work` and answers for how long it held the event loop at most, ms. Where the system tells (Linux), only the
 * time that this thread really ran counts, as on the machine whose limits these are: neither other processes nor a slow
 * machine hold anything up.
 */
export async function longestHoldMs(work: () => Promise<unknown>, clock = busyMs): Promise<number> {
  let longest = 0;
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  let last = clock();
  const timer = setInterval(() => {
    const now = clock();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1);
  try {
    await work();
  } finally {
    await new Promise((resolve) => setTimeout(resolve, 2));
    clearInterval(timer);
  }
  return longest;
}

/**
 * The same of the best of up to five attempts, the first that is below `enoughMs` will do: a collection of the garbage
 * of other specs, and what is compiled while it runs, are not the work's.
 */
export async function leastHoldMs(work: () => Promise<unknown>, enoughMs: number): Promise<number> {
  let least = Infinity;
  for (let attempt = 0; attempt < 5 && least >= enoughMs; attempt++) least = Math.min(least, await longestHoldMs(work));
  return least;
}

/**
 * Time for which this thread has run, ms of a machine like the one on which the limits were set; that of the wall where
 * the system does not tell. For differences.
 */
export function busyMs(): number {
  // First, as finding it out takes time too.
  const slowness = slownessOfMachine();
  return ranMs() / slowness;
}

/** The same in ms of this machine. */
export function ranMs(): number {
  try {
    return Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
  } catch {
    return performance.now();
  }
}
