import { busyMs } from './loop-hold.ts';

/**
 * How long this thread is busy with `fn`, ms, whatever else the machine does: the best of up to five attempts; the first
 * that is below `enoughMs` will do.
 */
export function leastMs(fn: () => unknown, enoughMs: number): number {
  let least = Infinity;
  for (let attempt = 0; attempt < 5 && least >= enoughMs; attempt++) {
    const started = busyMs();
    fn();
    least = Math.min(least, busyMs() - started);
  }
  return least;
}
