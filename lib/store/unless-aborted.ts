import { TelltaleError } from '../errors.ts';
import { onAbort } from '../on-abort.ts';

/** Whoever waits stops waiting when the signal fires; the append goes its way. */
export function unlessAborted<T>(appended: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const forget = onAbort(signal, () => reject(aborted(signal)));
    void appended.then(resolve, reject).finally(forget);
  });
}

export function aborted(signal: AbortSignal): TelltaleError {
  return new TelltaleError('ABORTED', 'the append was aborted; it may or may not have happened', {
    cause: signal.reason,
  });
}
