import type { Core } from './core.ts';
import { onAbort } from './on-abort.ts';

/** Calls `ended` once, when the bus closes or the signal is aborted, at once where it is already. Returns the undo. */
export function onEnd(core: Core, signal: AbortSignal | undefined, ended: () => void): () => void {
  const steps: (() => void)[] = [];
  const stop = (): void => {
    for (const step of steps.splice(0)) step();
  };
  // Whichever comes first leaves nothing behind on the other.
  const end = (): void => {
    stop();
    ended();
  };
  steps.push(core.life.onClose(end));
  if (!signal) return stop;
  steps.push(onAbort(signal, end));
  if (signal.aborted) end();
  return stop;
}
