import { toError } from '../errors.ts';
import type { TelltaleError } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import type { AppendReceipt, Head, PendingAppend } from './port.ts';

/** The answer to one append. */
export type Outcome = AppendReceipt | TelltaleError;

/** What one group commit came to. */
export interface Commit {
  /** One for each append, in order. */
  readonly outcomes: readonly Outcome[];
  /** What was written, in position order. */
  readonly records: readonly StoredEvent[];
  /** The head of the log behind it. */
  readonly head: Head;
}

/** Bounds of one group commit. A larger append goes alone. */
const COMMIT_EVENTS = 1_024;
const COMMIT_BYTES = 4 * 1024 * 1024;

export interface AppendQueueOptions {
  /** Carries out one group commit. May reject: then nothing is known about any of its appends. */
  readonly commit: (appends: readonly PendingAppend[]) => Promise<Commit>;
  /** Called when the appends of a commit have their answers. Must not reject. */
  readonly answered: (commit: Commit) => Promise<void>;
  /** Turns whatever `commit` threw into the error each append fails with. */
  readonly toFailure: (thrown: unknown) => TelltaleError;
  /** What the next commit waits for, so that the event loop has its turns. */
  readonly turn: () => Promise<void> | undefined;
}

interface Batch {
  readonly appends: PendingAppend[];
  events: number;
  bytes: number;
}

/**
 * Group commit. While one commit is in flight the next fills; there is no timer: the first commit starts on a
 * microtask, so what one turn of the event loop appends goes together. Where commits never wait for anything, one waits
 * for the event loop every so often.
 *
 * Order: commits are carried out and answered in the order of `push`.
 * Failure: a commit that rejects fails its appends and everything queued behind it, in order, so that the caller can
 * send all of it again in the same order. What is pushed while they are being told is a new beginning.
 * Capacity: unbounded; the caller keeps the backlog.
 */
export class AppendQueue {
  readonly #options: AppendQueueOptions;
  #batches: Batch[] = [];
  #tasks: (() => Promise<void>)[] = [];
  #running: Promise<void> | undefined;
  #events = 0;

  constructor(options: AppendQueueOptions) {
    this.#options = options;
  }

  /** Events that have no answer yet. */
  get events(): number {
    return this.#events;
  }

  push(append: PendingAppend): void {
    const count = append.events.length;
    const last = this.#batches[this.#batches.length - 1];
    if (last !== undefined && last.events + count <= COMMIT_EVENTS && last.bytes + append.bytes <= COMMIT_BYTES) {
      last.appends.push(append);
      last.events += count;
      last.bytes += append.bytes;
    } else {
      this.#batches.push({ appends: [append], events: count, bytes: append.bytes });
    }
    this.#events += count;
    this.#running ??= this.#run();
  }

  /** Runs `task` while no commit is in flight. */
  exclusive<T>(task: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#tasks.push(() => task().then(resolve, reject));
      this.#running ??= this.#run();
    });
  }

  /** Resolves when everything pushed so far, and meanwhile, has its answer. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async #run(): Promise<void> {
    await Promise.resolve();
    for (;;) {
      const task = this.#tasks.shift();
      if (task !== undefined) {
        await task();
        continue;
      }
      const batch = this.#batches.shift();
      if (batch === undefined) break;
      await this.#carryOut(batch);
      const turn = this.#options.turn();
      if (turn !== undefined) await turn;
    }
    this.#running = undefined;
  }

  async #carryOut(batch: Batch): Promise<void> {
    let commit: Commit;
    try {
      commit = await this.#options.commit(batch.appends);
    } catch (thrown) {
      this.#failAll(batch, this.#options.toFailure(thrown));
      return;
    }
    this.#events -= batch.events;
    for (let i = 0; i < batch.appends.length; i++) answer(batch.appends[i]!, commit.outcomes[i]!);
    await this.#options.answered(commit);
  }

  #failAll(first: Batch, error: TelltaleError): void {
    const failed = [first, ...this.#batches];
    this.#batches = [];
    this.#events = 0;
    for (const batch of failed) {
      for (const append of batch.appends) answer(append, error);
    }
  }
}

// The answers are callbacks of the layers above. One that throws must not be taken for a failed commit.
function answer(append: PendingAppend, outcome: Outcome): void {
  try {
    if (outcome instanceof Error) append.failed(outcome);
    else append.acknowledged(outcome);
  } catch (thrown) {
    process.emitWarning(toError(thrown));
  }
}
