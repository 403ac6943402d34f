/** Whom new events are taken from. */
export type Accepting = 'all' | 'handlers' | 'none';

/** A part with queues and handlers of its own, beside the subscriptions. */
export interface Working {
  /** Running and queued events. */
  readonly load: number;
  /** What it is called where somebody waits for it. */
  readonly name: string;
  /** The time to end by itself is over: ends at once; answers how many queued events it cut and how many still run. */
  cut(): { readonly cut: number; readonly stillRunning: number };
}

/**
 * How far a bus is from its end, and who is told about it.
 *
 * Order of closing: `accepting` becomes `handlers` and the parts in the background stop (`onShutDown`); running
 * handlers end, then what they worked for (`onSettled`); `accepting` becomes `none`; what was accepted is stored; what lives off the log ends (`onStored`);
 * streams end (`onClose`). Every listener of these phases but the last is waited for, all of a phase side by side; who calls
 * a phase says for how long. Failure: what a listener throws or rejects with reaches the caller of its phase.
 */
export class Lifecycle {
  accepting: Accepting = 'all';
  /** What `flush` and `close` wait for beside the store. */
  readonly alongside: (() => Promise<unknown>)[] = [];
  /** How much that is kept in memory alone ends with the bus. */
  forgets: () => number = () => 0;
  /** Handlers that parts in the background began and no longer wait for: how many of them still run. */
  abandoned: () => number = () => 0;
  /** Waited for by `settled` and `close`. */
  readonly working = new Set<Working>();
  readonly #notices = new Set<() => readonly string[]>();
  readonly #faults = new Set<() => boolean>();
  readonly #restListeners = new Set<() => void>();
  readonly #closeListeners = new Set<() => void>();
  readonly #phases = {
    shutDown: new Set<() => unknown>(),
    settled: new Set<() => unknown>(),
    stored: new Set<() => unknown>(),
  };
  #streams: 'live' | 'ended' = 'live';

  /** What features have to say in `health`. */
  get notices(): readonly string[] {
    return [...this.#notices].flatMap((say) => say());
  }

  /** Adds what a feature has to say; returns the undo. */
  notice(say: () => readonly string[]): () => void {
    return listed(this.#notices, say);
  }

  /** A feature says that something of it has failed for good. */
  get isDegraded(): boolean {
    return [...this.#faults].some((fails) => fails());
  }

  /** Adds a feature whose failure is one of the bus; returns the undo. */
  fault(fails: () => boolean): () => void {
    return listed(this.#faults, fails);
  }

  /** Calls `listener` whenever the bus may have come to rest; returns the undo. */
  onRest(listener: () => void): () => void {
    return listed(this.#restListeners, listener);
  }

  wake(): void {
    if (this.#restListeners.size > 0) for (const listener of this.#restListeners) listener();
  }

  /** Calls `stop` when the bus begins to close, and waits for it: for parts that work in the background. */
  onShutDown(stop: () => unknown): () => void {
    return listed(this.#phases.shutDown, stop);
  }

  /** Calls `stop` when all handlers have ended and their last words are still taken, and waits for it. */
  onSettled(stop: () => unknown): () => void {
    return listed(this.#phases.settled, stop);
  }

  /** Calls `end` when everything that was accepted is stored and the store is still open, and waits for it. */
  onStored(end: () => unknown): () => void {
    return listed(this.#phases.stored, end);
  }

  /** Is anybody to be told of this phase? Without anybody, closing takes no turn of the event loop for it. */
  has(phase: 'shutDown' | 'settled' | 'stored'): boolean {
    return this.#phases[phase].size > 0;
  }

  async run(phase: 'shutDown' | 'settled' | 'stored'): Promise<void> {
    const listeners = [...this.#phases[phase]];
    this.#phases[phase].clear();
    await Promise.all(listeners.map((listener) => listener()));
  }

  /** Calls `listener` once when the bus ends its streams, at once where it has; returns the undo. */
  onClose(listener: () => void): () => void {
    if (this.#streams === 'ended') listener();
    return listed(this.#closeListeners, listener);
  }

  endStreams(): void {
    this.#streams = 'ended';
    for (const listener of this.#closeListeners) listener();
    this.#closeListeners.clear();
  }
}

function listed<Listener>(listeners: Set<Listener>, listener: Listener): () => void {
  listeners.add(listener);
  return () => void listeners.delete(listener);
}
