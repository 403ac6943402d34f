import type { Clock } from '../clock.ts';
import type { TelltaleError } from '../errors.ts';
import type { Answerer, LateOutcome, QuestionTerms } from '../event/asking.ts';
import type { Envelope, Recipient } from '../event/envelope.ts';
import { onAbort } from '../on-abort.ts';
import type { Candidates } from './answerers.ts';
import type { Deadlines, Due } from './deadlines.ts';
import { hand, type Question } from './question.ts';
import { aborted, timedOut } from './refusals.ts';

/** How one answerer's answer ended. */
export type Answer<Value = unknown> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly error: TelltaleError };

/** What is listed until it has ended. */
export interface Pending extends Due {
  /** Asked from a handler: it may still be answered as long as the bus closes. */
  readonly inside: boolean;
  /** Its answerer may go on for as long as somebody reads: it ends when the bus begins to close. */
  readonly endless: boolean;
  readonly address: string;
  /** Nobody waits any more. */
  cancel(reason: TelltaleError): void;
}

export interface CallTerms {
  /** The type, or whom it goes to alone. */
  readonly address: string;
  /** The addresses above and this one. */
  readonly path: readonly string[];
  readonly candidates: Candidates;
  readonly timeoutMs: number;
  /** Monotonic time at which the question above is given up, which this one must not outlive. */
  readonly limitMs: number;
  readonly store: boolean;
  readonly signal: AbortSignal | undefined;
  readonly inside: boolean;
}

/** What asks reach of the bus. None of it throws. */
export interface CallPort {
  readonly clock: Clock;
  readonly pending: Deadlines<Pending>;
  ended(ok: boolean): void;
  late(address: string, request: Envelope, outcome: LateOutcome): void;
  /** Stores an outcome with the request as its cause; `done` is told when it is stored, or why it is not. */
  record(request: Envelope, outcome: Answer | { readonly parts: number }, done: (error?: TelltaleError) => void): void;
}

/**
 * One ask, from the request to its end: answered, failed, timed out, aborted or given up because the bus closes. The
 * request goes through the ordinary dispatch and comes back here as its recipient, so that it is answered in its turn.
 */
export abstract class Call implements Pending, Recipient, QuestionTerms {
  abstract readonly streams: boolean;
  abstract readonly everybody: boolean;
  readonly terms: CallTerms;
  request: Envelope | undefined;
  protected readonly port: CallPort;
  /** Those that did not take it. */
  protected passed: Set<Answerer> | undefined;
  #dueMs: number;
  #status: 'new' | 'open' | 'ended' = 'new';
  #forgetSignal: (() => void) | undefined;

  constructor(port: CallPort, terms: CallTerms) {
    this.port = port;
    this.terms = terms;
    this.#dueMs = Math.min(port.clock.monotonic() + terms.timeoutMs, terms.limitMs);
  }

  get dueMs(): number {
    return this.#dueMs;
  }

  get inside(): boolean {
    return this.terms.inside;
  }

  get endless(): boolean {
    return false;
  }

  get address(): string {
    return this.terms.address;
  }

  get path(): readonly string[] {
    return this.terms.path;
  }

  get remainingMs(): number {
    return this.#dueMs - this.port.clock.monotonic();
  }

  get isOpen(): boolean {
    return this.#status === 'open';
  }

  /** To be called before the request is sent. */
  begin(): void {
    this.#status = 'open';
    this.port.pending.add(this);
    const { signal, address } = this.terms;
    if (signal) this.#forgetSignal = onAbort(signal, () => this.cancel(aborted(address, signal.reason)));
  }

  /** The request is being dispatched. */
  offer(request: Envelope): void {
    if (!this.isOpen) return;
    this.request = request;
    this.hand(request);
  }

  // Nobody waits for an answerer's mailbox: the asker is told at once.
  congested(): boolean {
    return false;
  }

  giveUp(): void {}

  expire(): void {
    const { address, timeoutMs, limitMs } = this.terms;
    const within = this.#dueMs < limitMs ? `${timeoutMs} ms` : 'what was left of the deadline of the question above';
    this.cancel(timedOut(address, `no answer within ${within}`, { timeoutMs }));
  }

  abstract cancel(reason: TelltaleError): void;

  /** Chooses who is asked. */
  protected abstract hand(request: Envelope): void;

  /** Hands an answerer the question. It may answer before this returns. */
  protected give(answerer: Answerer, question: Question): void {
    hand(this.request!, question, answerer);
  }

  /** Asks another one, where there is one. */
  protected pass(answerer: Answerer): void {
    if (!this.isOpen) return;
    (this.passed ??= new Set()).add(answerer);
    this.hand(this.request!);
  }

  /** Takes it off the books; false where it had ended before. */
  protected end(ok: boolean): boolean {
    if (!this.isOpen) return false;
    this.#status = 'ended';
    this.port.pending.delete(this);
    this.#forgetSignal?.();
    this.port.ended(ok);
    return true;
  }

  /** Waits anew, for as long as the question above is waited for; `Infinity` waits for that alone. */
  protected wait(ms: number): void {
    this.port.pending.delete(this);
    this.#dueMs = Math.min(this.port.clock.monotonic() + ms, this.terms.limitMs);
    this.port.pending.add(this);
  }

  late(outcome: LateOutcome): void {
    this.port.late(this.terms.address, this.request!, outcome);
  }
}
