import type { Clock } from '../clock.ts';
import { TelltaleError } from '../errors.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { onAbort } from '../on-abort.ts';

export interface OncePort {
  readonly clock: Clock;
  /** Calls `listener` for every event of the pattern until undone, or `failed` when there will be none. */
  subscribe(listener: (event: TelltaleEvent) => void, failed: (error: unknown) => void): () => void;
  /** Calls `closed` when the bus closes, at once where it is closed; returns the undo. */
  onClose(closed: () => void): () => void;
}

export interface OnceTerms {
  readonly pattern: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** The next event of a pattern. Rejects with `TIMEOUT`, `ABORTED` or `BUS_CLOSED`; leaves nothing behind. */
export function once(port: OncePort, terms: OnceTerms): Promise<TelltaleEvent> {
  const { pattern, timeoutMs, signal } = terms;
  return new Promise((resolve, reject) => {
    let ended = false;
    const undo: (() => void)[] = [];
    const end = (finish: () => void): void => {
      ended = true;
      for (const step of undo.splice(0)) step();
      finish();
    };
    const abort = (): void => end(() => reject(abortedError(pattern, signal)));
    if (signal?.aborted) return abort();
    undo.push(port.onClose(() => end(() => reject(closedError(pattern)))));
    // A bus that is closed already says so at once.
    if (ended) return;
    undo.push(
      port.subscribe(
        (event) => end(() => resolve(event)),
        (error) => end(() => reject(error)),
      ),
    );
    if (timeoutMs !== undefined)
      undo.push(port.clock.wait(timeoutMs, () => end(() => reject(timeoutError(pattern, timeoutMs)))));
    if (signal) undo.push(onAbort(signal, abort));
  });
}

const timeoutError = (pattern: string, timeoutMs: number): TelltaleError =>
  new TelltaleError('TIMEOUT', `no event of \`${pattern}\` within ${timeoutMs} ms`, {
    details: { pattern, timeoutMs },
  });

const closedError = (pattern: string): TelltaleError =>
  new TelltaleError('BUS_CLOSED', `the bus was closed before an event of \`${pattern}\` came`, {
    details: { pattern },
  });

const abortedError = (pattern: string, signal: AbortSignal | undefined): TelltaleError =>
  new TelltaleError('ABORTED', `waiting for \`${pattern}\` was aborted`, {
    cause: signal?.reason,
    details: { pattern },
  });
