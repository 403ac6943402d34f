type Listener = { readonly aborted: () => void };

const listeners = new WeakMap<AbortSignal, Set<Listener>>();

/**
 * Calls `aborted` when the signal is aborted; returns the undo. However many wait, the signal has one listener: Node warns
 * of a leak from the eleventh on.
 */
export function onAbort(signal: AbortSignal, aborted: () => void): () => void {
  const listener = { aborted };
  const waiting = listeners.get(signal) ?? listen(signal);
  waiting.add(listener);
  return () => {
    if (waiting.delete(listener) && waiting.size === 0) forget(signal);
  };
}

function listen(signal: AbortSignal): Set<Listener> {
  const waiting = new Set<Listener>();
  listeners.set(signal, waiting);
  signal.addEventListener('abort', tell, { once: true });
  return waiting;
}

function forget(signal: AbortSignal): void {
  listeners.delete(signal);
  signal.removeEventListener('abort', tell);
}

function tell(this: AbortSignal): void {
  const waiting = listeners.get(this);
  listeners.delete(this);
  for (const { aborted } of waiting ?? []) aborted();
}
