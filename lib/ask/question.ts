import { runWithCause, type Asking } from '../context.ts';
import { isTelltaleError, type TelltaleError } from '../errors.ts';
import type { Answerer, LateOutcome, QuestionTerms, Replies } from '../event/asking.ts';
import { Envelope } from '../event/envelope.ts';
import { onAbort } from '../on-abort.ts';

/** One question to one answerer: whoever put it may give up, whoever has it may answer, and the first of the two counts. */
export class Question implements Asking {
  readonly #terms: QuestionTerms;
  readonly #replies: Replies;
  #status: Asking['status'] = 'open';
  #reason: TelltaleError | undefined;
  #listeners: Set<(reason: TelltaleError) => void> | undefined;
  #controller: AbortController | undefined;
  #release: (() => void) | undefined;

  constructor(terms: QuestionTerms, replies: Replies) {
    this.#terms = terms;
    this.#replies = replies;
  }

  get path(): readonly string[] {
    return this.#terms.path;
  }

  get streams(): boolean {
    return this.#terms.streams;
  }

  get everybody(): boolean {
    return this.#terms.everybody;
  }

  get status(): Asking['status'] {
    return this.#status;
  }

  get remainingMs(): number {
    return this.#status === 'given-up' ? 0 : Math.max(0, this.#terms.remainingMs);
  }

  signalWith(site: { readonly signal: AbortSignal }): AbortSignal {
    if (this.#controller) return this.#controller.signal;
    const controller = (this.#controller = new AbortController());
    const { signal } = site;
    const abort = (): void => controller.abort(signal.reason);
    if (this.#status === 'given-up') controller.abort(this.#reason);
    else if (signal.aborted) abort();
    else this.#release = onAbort(signal, abort);
    return controller.signal;
  }

  whenGivenUp(listener: (reason: TelltaleError) => void): () => void {
    if (this.#status === 'given-up') listener(this.#reason!);
    if (this.#status !== 'open') return () => undefined;
    const listeners = (this.#listeners ??= new Set());
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }

  answered(value: unknown): void {
    if (this.#close('answered', { value })) this.#replies.answered(value);
  }

  part(value: unknown): void | Promise<void> {
    if (this.#status === 'open') return this.#replies.part(value);
  }

  ended(): void {
    if (this.#close('answered')) this.#replies.ended();
  }

  failed(error: unknown): void {
    if (this.#close('answered', { error })) this.#replies.failed(error);
  }

  refused(error: TelltaleError): void {
    if (this.#close('answered')) this.#replies.refused(error);
  }

  dropped(): void {
    if (this.#close('answered')) this.#replies.dropped();
  }

  shared(more: number): readonly Asking[] {
    return this.#status === 'open' ? this.#replies.shared(more) : [];
  }

  /** For the asker: it no longer waits for this answer. */
  giveUp(reason: TelltaleError): void {
    if (!this.#close('given-up')) return;
    this.#reason = reason;
    this.#controller?.abort(reason);
    for (const listener of this.#listeners ?? []) listener(reason);
    this.#listeners = undefined;
  }

  #close(as: 'answered' | 'given-up', outcome?: LateOutcome): boolean {
    if (this.#status !== 'open') {
      if (this.#status === 'given-up' && outcome && !this.#isConsequence(outcome)) this.#replies.late(outcome);
      return false;
    }
    this.#status = as;
    this.#release?.();
    return true;
  }

  // An answerer that was told to stop and says that it did has not answered late.
  #isConsequence(outcome: LateOutcome): boolean {
    if (!('error' in outcome)) return false;
    const { error } = outcome;
    if (error === this.#reason || isTelltaleError(error, 'TIMEOUT') || isTelltaleError(error, 'ABORTED')) return true;
    return this.#controller !== undefined && error instanceof Error && error.name === 'AbortError';
  }
}

/** Hands an answerer the question that a request puts to it. It may answer before this returns. */
export function hand(request: Envelope, question: Question, answerer: Answerer): void {
  const { event, bytes, transient, admitted, chain, owner, position } = request;
  const own = new Envelope(event, bytes, transient, admitted, chain, owner);
  own.position = position;
  runWithCause(Object.assign(own, { asking: question }), (taken) => answerer.take(taken), own);
}
