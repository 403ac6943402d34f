// npm forwards the signal its child already had from the terminal: two within this time are one.
const SAME_PRESS_MS = 1_000;

export interface Interrupt {
  readonly signal: AbortSignal;
  dispose(): void;
}

/** The first Ctrl-C (or SIGTERM) aborts the signal and calls `onFirst`; a later one ends the process at once. */
export function listenForInterrupt(onFirst: () => void): Interrupt {
  const controller = new AbortController();
  let first = 0;
  const interrupt = (): void => {
    if (controller.signal.aborted) {
      if (performance.now() - first > SAME_PRESS_MS) process.exit(130);
      return;
    }
    first = performance.now();
    onFirst();
    controller.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  return {
    signal: controller.signal,
    dispose() {
      process.off('SIGINT', interrupt);
      process.off('SIGTERM', interrupt);
    },
  };
}
