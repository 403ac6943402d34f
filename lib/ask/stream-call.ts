import type { TelltaleError } from '../errors.ts';
import type { Answerer, Replies } from '../event/asking.ts';
import type { Envelope } from '../event/envelope.ts';
import { Fifo } from '../mailbox/fifo.ts';
import { Call, type Answer } from './call.ts';
import { Question } from './question.ts';
import { aborted, askFailed, noAnswerer } from './refusals.ts';

/** Parts that may wait for their reader; then the answerer waits. */
const CREDITS = 16;
const DONE: IteratorReturnResult<undefined> = { value: undefined, done: true };

interface Reader {
  resolve(result: IteratorResult<unknown, undefined>): void;
  reject(error: TelltaleError): void;
}

/**
 * An ask that is answered in parts, read as they come. The timeout holds for the first part, until the reader comes, so
 * that one that nobody reads ends, and then for the time between two parts, while the reader waits; a slow reader holds
 * the answerer back. Closing: what came before an
 * error is read first; `return` gives up and ends the answerer's stream.
 */
export class StreamCall extends Call implements Replies, AsyncIterableIterator<unknown, undefined> {
  readonly streams = true;
  readonly everybody = false;
  readonly #parts = new Fifo<unknown>();
  readonly #readers = new Fifo<Reader>();
  #answerer: Answerer | undefined;
  #question: Question | undefined;
  #hasRoom: (() => void) | undefined;
  #room: Promise<void> | undefined;
  #reading = false;
  #count = 0;
  #end: 'done' | TelltaleError | undefined;

  override get endless(): boolean {
    return true;
  }

  next(): Promise<IteratorResult<unknown, undefined>> {
    // From here on only the time counts in which the reader waits.
    if (!this.#reading && this.isOpen && this.#count > 0) this.wait(Infinity);
    this.#reading = true;
    if (this.#parts.length > 0) return Promise.resolve({ value: this.#take(), done: false });
    const end = this.#end;
    if (end !== undefined) {
      this.#end = 'done';
      return end === 'done' ? Promise.resolve(DONE) : Promise.reject(end);
    }
    if (this.#count > 0 && this.#readers.length === 0) this.wait(this.terms.timeoutMs);
    return new Promise((resolve, reject) => this.#readers.push({ resolve, reject }));
  }

  return(): Promise<IteratorResult<unknown, undefined>> {
    this.cancel(aborted(this.terms.address, 'its reader stopped'));
    this.#end = 'done';
    while (this.#parts.length > 0) this.#parts.shift();
    return Promise.resolve(DONE);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  protected hand(request: Envelope): void {
    const { address, candidates } = this.terms;
    const answerer = (this.#answerer = candidates.pick(request.event, this.passed));
    if (!answerer) return this.cancel(noAnswerer(address, 'nobody there takes this request'));
    this.#question = new Question(this, this);
    this.give(answerer, this.#question);
  }

  /** A whole answer is a stream of one part. */
  answered(value: unknown): void {
    void this.part(value);
    this.ended();
  }

  part(value: unknown): void | Promise<void> {
    if (!this.isOpen) return;
    this.#count++;
    const reader = this.#readers.shift();
    if (!reader) this.#parts.push(value);
    else reader.resolve({ value, done: false });
    if (this.#readers.length > 0) this.wait(this.terms.timeoutMs);
    else if (this.#reading && this.dueMs < this.terms.limitMs) this.wait(Infinity);
    if (this.#parts.length >= CREDITS) return this.#waitForRoom();
  }

  ended(): void {
    if (this.terms.store) this.#record({ parts: this.#count });
    else this.#finish('done');
  }

  failed(error: unknown): void {
    this.refused(askFailed(this.terms.address, error));
  }

  refused(error: TelltaleError): void {
    if (this.terms.store) this.#record({ ok: false, error });
    else this.#finish(error);
  }

  dropped(): void {
    this.pass(this.#answerer!);
  }

  // Only what everybody is asked is shared.
  shared(): readonly Question[] {
    return [];
  }

  cancel(reason: TelltaleError): void {
    if (!this.isOpen) return;
    this.#finish(reason);
    this.#question?.giveUp(reason);
    if (this.terms.store && this.request) this.port.record(this.request, { ok: false, error: reason }, () => undefined);
  }

  #record(outcome: Answer | { readonly parts: number }): void {
    this.port.record(this.request!, outcome, (error) =>
      this.#finish('ok' in outcome && !outcome.ok ? outcome.error : (error ?? 'done')),
    );
  }

  #finish(end: 'done' | TelltaleError): void {
    if (!this.end(end === 'done')) return;
    this.#end = end;
    this.#letOn();
    for (let reader = this.#readers.shift(); reader; reader = this.#readers.shift()) {
      if (this.#end === 'done') reader.resolve(DONE);
      else {
        this.#end = 'done';
        reader.reject(end as TelltaleError);
      }
    }
  }

  #take(): unknown {
    const part = this.#parts.shift();
    if (this.#parts.length < CREDITS) this.#letOn();
    return part;
  }

  #waitForRoom(): Promise<void> {
    this.#room ??= new Promise((resolve) => (this.#hasRoom = resolve));
    return this.#room;
  }

  #letOn(): void {
    this.#hasRoom?.();
    this.#hasRoom = undefined;
    this.#room = undefined;
  }
}
