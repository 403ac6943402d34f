import { TelltaleError } from '../errors.ts';

/** Whoever waits stops waiting when the signal fires; the append goes its way. */
export function unlessAborted<T>(appended: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(aborted(signal));
    signal.addEventListener('abort', abort);
    void appended.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

export function aborted(signal: AbortSignal): TelltaleError {
  return new TelltaleError('ABORTED', 'the append was aborted; it may or may not have happened', {
    cause: signal.reason,
  });
}
