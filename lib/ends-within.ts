import type { Clock } from './clock.ts';

/** Waits for a promise, but no longer than this; answers whether it ended. Rejects with what it rejects with by then. */
export async function endsWithin(clock: Clock, ms: number, promise: Promise<unknown> | undefined): Promise<boolean> {
  let cancel: (() => void) | undefined;
  const timeout = new Promise<'late'>((resolve) => (cancel = clock.wait(ms, () => resolve('late'))));
  try {
    return (await Promise.race([promise, timeout])) !== 'late';
  } finally {
    cancel?.();
  }
}
