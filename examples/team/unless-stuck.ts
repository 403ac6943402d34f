import { TelltaleError } from 'telltale';
import type { TeamBus } from './events.ts';

/** Told to stop while the log takes nothing, the team has so long for what is under way. */
const GRACE_MS = 3_000;

/**
 * Waits for what may never come while the log takes nothing: a full disk may have room again. But told to stop, it
 * rejects with what stands in the way.
 */
export async function unlessStuck<T>(
  bus: TeamBus,
  signal: AbortSignal,
  work: Promise<T>,
  graceMs = GRACE_MS,
): Promise<T> {
  let why: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let look!: () => void;
  const stuck = new Promise<never>((_, reject) => {
    const end = (): void => reject(new TelltaleError('TIMEOUT', `stopped after ${graceMs} ms: ${why}`));
    look = () => {
      if (!signal.aborted) return;
      if (why !== undefined) timer ??= setTimeout(end, graceMs);
      // Whoever has aborted it may be a handler, inside of which nothing is flushed.
      setImmediate(() => void bus.flush().catch(reject));
    };
  });
  const forget = bus.on('$bus.store.failed', ({ payload }) => {
    why = (payload as { readonly message: string }).message;
    look();
  });
  signal.addEventListener('abort', look);
  look();
  try {
    return await Promise.race([work, stuck]);
  } finally {
    signal.removeEventListener('abort', look);
    clearTimeout(timer);
    forget();
  }
}
