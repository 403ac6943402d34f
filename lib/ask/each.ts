import type { TelltaleError } from '../errors.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { Fifo } from '../mailbox/fifo.ts';
import { onAbort } from '../on-abort.ts';
import type { Answer } from './call.ts';
import { aborted } from './refusals.ts';

/** One answer of `askEach`. */
export type EachAnswer<Value = unknown> = Answer<Value> & {
  /** The request; undefined where it was refused before it was one. */
  readonly event: TelltaleEvent | undefined;
  /** Which of the payloads it answers, from 0. */
  readonly index: number;
};

/** One question of many. */
export interface OneOfMany {
  readonly event: TelltaleEvent | undefined;
  readonly outcome: Promise<Answer>;
  cancel(reason: TelltaleError): void;
}

export interface EachTerms {
  readonly address: string;
  readonly concurrency: number;
  readonly signal: AbortSignal | undefined;
  ask(payload: unknown): OneOfMany;
}

interface Reader {
  resolve(result: IteratorResult<EachAnswer, undefined>): void;
  reject(error: unknown): void;
}

const DONE: IteratorReturnResult<undefined> = { value: undefined, done: true };

/**
 * Asks a question for each payload and gives out the answers in the order they come. Begins with the first `next`. At
 * most `concurrency` payloads are asked or answered and not read, so the source is read no faster than the answers are.
 * Closing: `return` gives up what is open; a source that throws is told after the answers; the signal, and a bus that
 * closes, end it at once.
 */
export class Each implements AsyncIterableIterator<EachAnswer, undefined> {
  readonly #terms: EachTerms;
  readonly #payloads: Iterable<unknown> | AsyncIterable<unknown>;
  readonly #open = new Set<OneOfMany>();
  readonly #answers = new Fifo<EachAnswer>();
  readonly #readers = new Fifo<Reader>();
  #status: 'new' | 'asking' | 'asked' | 'ended' = 'new';
  #error: { readonly error: unknown } | undefined;
  #hasRoom: (() => void) | undefined;
  #count = 0;
  #forgetSignal: (() => void) | undefined;

  constructor(payloads: Iterable<unknown> | AsyncIterable<unknown>, terms: EachTerms) {
    this.#payloads = payloads;
    this.#terms = terms;
  }

  next(): Promise<IteratorResult<EachAnswer, undefined>> {
    if (this.#status === 'new') this.#begin();
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      this.#serve();
    });
  }

  return(): Promise<IteratorResult<EachAnswer, undefined>> {
    this.#end();
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #begin(): void {
    const { signal, address } = this.#terms;
    this.#status = 'asking';
    if (signal) {
      const abort = (): void => this.#end({ error: aborted(address, signal.reason) });
      if (signal.aborted) return abort();
      this.#forgetSignal = onAbort(signal, abort);
    }
    void this.#askAll();
  }

  async #askAll(): Promise<void> {
    try {
      for await (const payload of this.#payloads) {
        if (this.#status === 'ended') break;
        this.#ask(payload);
        if (this.#taken >= this.#terms.concurrency) await new Promise<void>((resolve) => (this.#hasRoom = resolve));
        if (this.#isEnded) break;
      }
    } catch (error) {
      this.#error ??= { error };
    }
    if (!this.#isEnded) this.#status = 'asked';
    this.#serve();
  }

  #ask(payload: unknown): void {
    const index = this.#count++;
    const question = this.#terms.ask(payload);
    this.#open.add(question);
    void question.outcome.then((answer) => {
      this.#open.delete(question);
      if (this.#isEnded) return;
      if (!answer.ok && answer.error.code === 'BUS_CLOSED') return this.#end(answer);
      this.#answers.push({ ...answer, event: question.event, index });
      this.#serve();
      return undefined;
    });
  }

  get #isEnded(): boolean {
    return this.#status === 'ended';
  }

  /** Asked or answered, and not read. */
  get #taken(): number {
    return this.#open.size + this.#answers.length;
  }

  #serve(): void {
    while (this.#readers.length > 0 && this.#answers.length > 0)
      this.#readers.shift()!.resolve({ value: this.#answers.shift()!, done: false });
    if (this.#taken < this.#terms.concurrency) this.#letOn();
    if (this.#status === 'asked' && this.#taken === 0) this.#end(this.#error);
    if (!this.#isEnded) return;
    for (let reader = this.#readers.shift(); reader; reader = this.#readers.shift()) {
      const told = this.#error;
      this.#error = undefined;
      if (told) reader.reject(told.error);
      else reader.resolve(DONE);
    }
  }

  #end(error?: { readonly error: unknown }): void {
    if (this.#isEnded) return;
    this.#status = 'ended';
    this.#error = error;
    this.#forgetSignal?.();
    while (this.#answers.length > 0) this.#answers.shift();
    const reason = aborted(this.#terms.address, 'its reader stopped');
    for (const question of this.#open) question.cancel(reason);
    this.#letOn();
    this.#serve();
  }

  #letOn(): void {
    this.#hasRoom?.();
    this.#hasRoom = undefined;
  }
}
