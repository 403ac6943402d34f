import type { HandlerSite } from '../invoke/handler-context.ts';
import { Progress } from './progress.ts';

export interface PartitionTerms {
  /** Who the consumer is in effects. */
  readonly recipient: string;
  /** Below 0 for what no checkpoint waits for. */
  readonly index: number;
  readonly epoch: number;
  readonly after: number;
}

/**
 * A part of a consumer's events that one member has, from when it was given until it is released or lost. Closing: when
 * it ends, nothing of it is begun or tried again; `abort` reaches the handlers that still run.
 */
export class Partition implements HandlerSite {
  readonly recipient: string;
  readonly index: number;
  readonly epoch: number;
  readonly progress: Progress;
  /** Handlers that run, or wait for their next attempt. */
  running = 0;
  readonly #ending = new AbortController();
  readonly #abort = new AbortController();
  readonly #rested: Promise<void>;
  #rest!: () => void;

  constructor({ recipient, index, epoch, after }: PartitionTerms) {
    this.recipient = recipient;
    this.index = index;
    this.epoch = epoch;
    this.progress = new Progress(after);
    this.#rested = new Promise((resolve) => (this.#rest = resolve));
  }

  get isHeld(): boolean {
    return !this.#ending.signal.aborted;
  }

  /** What a handler sees. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Cuts waits for the next attempt short. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  /** Nothing is begun any more; resolves for everybody who asks when nothing runs, or nobody waits for what does. */
  end(): Promise<void> {
    this.#ending.abort();
    if (this.running === 0) this.#rest();
    return this.#rested;
  }

  /** Tells the handlers that still run that nobody waits for them. */
  abort(reason?: unknown): void {
    this.#ending.abort();
    this.#abort.abort(reason);
    this.#rest();
  }

  left(): void {
    this.running--;
    if (this.running === 0 && !this.isHeld) this.#rest();
  }
}
