import type { Envelope } from '../event/envelope.ts';

/** An event whose handler has not ended. */
export class Run {
  readonly envelope: Envelope;
  readonly key: string | undefined;
  readonly startedMs: number;
  /** @internal */
  before: Run | undefined = undefined;
  /** @internal */
  after: Run | undefined = undefined;

  constructor(envelope: Envelope, key: string | undefined, startedMs: number) {
    this.envelope = envelope;
    this.key = key;
    this.startedMs = startedMs;
  }
}

/**
 * The runs of one subscription, in the order they began. A list that forgets at once what is taken out of it: the
 * tables that a Map leaves behind would keep each other, and every event, alive until the next full garbage collection.
 */
export class Runs {
  #first: Run | undefined;
  #last: Run | undefined;

  add(run: Run): void {
    run.before = this.#last;
    if (this.#last) this.#last.after = run;
    else this.#first = run;
    this.#last = run;
  }

  /** Takes out a run that is in it. */
  remove(run: Run): void {
    const { before, after } = run;
    if (before) before.after = after;
    else this.#first = after;
    if (after) after.before = before;
    else this.#last = before;
    run.before = undefined;
    run.after = undefined;
  }

  *[Symbol.iterator](): IterableIterator<Run> {
    for (let run = this.#first; run; run = run.after) yield run;
  }
}
