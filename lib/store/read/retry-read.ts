import type { Clock } from '../../clock.ts';
import { isTelltaleError, type TelltaleError } from '../../errors.ts';
import { onAbort } from '../../on-abort.ts';
import { retryDelayMs, type RetryPolicy } from '../../retry.ts';

export interface RetryReadOptions {
  readonly clock: Clock;
  /** Ends the trying: `retryRead` rejects with the signal's reason. A read under way is not left alone. */
  readonly signal: AbortSignal;
  /** Told of every failure that is tried again. */
  readonly unavailable?: ((error: TelltaleError, attempt: number, retryMs: number) => void) | undefined;
}

const BACKOFF: RetryPolicy = { attempts: Infinity, delayMs: 10, factor: 2, maxDelayMs: 30_000, jitter: 0.2 };

/** Reads until the store answers: `STORE_UNAVAILABLE` is tried again with backoff, everything else is passed on. */
export async function retryRead<T>(read: () => Promise<T>, options: RetryReadOptions): Promise<T> {
  const { clock, signal, unavailable } = options;
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      return await read();
    } catch (error) {
      if (signal.aborted || !isTelltaleError(error, 'STORE_UNAVAILABLE')) throw error;
      const retryMs = retryDelayMs(BACKOFF, attempt);
      unavailable?.(error, attempt, retryMs);
      await pause(clock, retryMs, signal);
    }
  }
}

function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      cancel();
      forget();
      resolve();
    };
    const cancel = clock.wait(ms, end);
    const forget = onAbort(signal, end);
  });
}
