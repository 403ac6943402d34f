import type { Receipt } from './handler-api.ts';
import type { Carrier, Settle } from './carrier.ts';
import { captured, jointOf, mustNotBeHeld, runWithoutCause, type Cause } from './context.ts';
import type { TelltaleError } from './errors.ts';
import { describeError } from './event/describe-error.ts';
import type { Envelope } from './event/envelope.ts';
import type { EmitOptions } from './intake/emit-options.ts';
import type { Dropped } from './intake/intake.ts';
import type { Counters } from './observe/metrics.ts';
import type { Reports } from './observe/reports.ts';
import { onAbort } from './on-abort.ts';
import { NOT_STORED, PENDING, abortedError, receiptOf } from './receipts.ts';
import type { Dispatcher } from './router/dispatcher.ts';
import type { Expectation } from './store/port.ts';

export type PublishTerms = EmitOptions & { readonly expect?: Expectation; readonly signal?: AbortSignal };

export interface PublishingParts {
  readonly counters: Counters;
  readonly reports: Reports;
  readonly dispatcher: Dispatcher;
  readonly carrier: Carrier;
  /** Through the door. Throws the typed refusals. */
  admit(
    cause: Cause | undefined,
    type: string,
    payload: unknown,
    options: PublishTerms | undefined,
  ): Envelope | Dropped;
  /** Is this the context of a handler of the bus that has not ended? */
  isInside(cause: Cause | undefined): boolean;
  /** Why nothing at all is taken any more; undefined while something is. */
  closed(): TelltaleError | undefined;
  /** Counts a refusal for want of room and answers its error. */
  ingressFull(): TelltaleError;
}

/**
 * What becomes of a publish: it waits for room in the ingress, then for the store. Ordering: waiting publishes go
 * first, in their order. Capacity: whoever publishes holds the event; only its number is counted here. Failure: every
 * rejection is counted and reported, so that one that nobody awaits is never unhandled.
 */
export class Publishing {
  readonly #parts: PublishingParts;
  #waiting = 0;

  constructor(parts: PublishingParts) {
    this.#parts = parts;
  }

  /** Publishes that wait for room in the ingress: accepted, and in no queue yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Stores one event; resolves when it is in the log. */
  publish(cause: Cause | undefined, type: string, payload: unknown, options?: PublishTerms): Promise<Receipt> {
    const joint = jointOf(cause);
    const receipt = this.#publish(cause, type, payload, options);
    joint?.attend(receipt);
    return this.watch(receipt, type);
  }

  /** Counts and reports the rejection of what was to be stored. */
  watch<Result>(promise: Promise<Result>, type: string): Promise<Result> {
    promise.catch((error: unknown) => {
      const { name, message, code = name } = describeError(error);
      this.#parts.counters.rejectedPublishes++;
      runWithoutCause(() => this.#parts.reports.say('$bus.publish.failed', code, { type, code, message }));
    });
    return promise;
  }

  async #publish(
    cause: Cause | undefined,
    type: string,
    payload: unknown,
    options: PublishTerms | undefined,
  ): Promise<Receipt> {
    const { dispatcher } = this.#parts;
    const signal = options?.signal;
    if (signal instanceof AbortSignal && signal.aborted) throw abortedError(signal, 'before it was accepted');
    mustNotBeHeld(`publish of \`${type}\``, cause);
    const accepted = this.#parts.admit(cause, type, payload, options);
    if ('dropped' in accepted) return { ...NOT_STORED, event: accepted.event, dropped: accepted.dropped };
    if (captured(cause, accepted)) return { ...NOT_STORED, event: accepted.event };
    const joint = jointOf(cause);
    if (joint && !accepted.transient) {
      await joint.publish([accepted], options?.expect);
      return { ...PENDING, event: accepted.event };
    }
    const fresh = options?.id === undefined;
    const inside = this.#parts.isInside(cause);
    if (dispatcher.room(accepted.bytes, inside)) return this.#awaitWrite(accepted, fresh, options?.expect, signal);
    // A handler that waited for room would wait for itself.
    if (inside) throw this.#parts.ingressFull();
    return this.#whenRoom(accepted, fresh, options ?? {});
  }

  // Counted as waiting, so that the books balance meanwhile; carried the moment it is let in, so that nothing emitted
  // since comes before it.
  #whenRoom(envelope: Envelope, fresh: boolean, { expect, signal }: PublishTerms): Promise<Receipt> {
    const { counters, dispatcher } = this.#parts;
    this.#countWaiting(1);
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#countWaiting(-1);
        forget?.();
      };
      const refuse = (error: TelltaleError): void => {
        leave();
        counters.refuse(1);
        reject(error);
      };
      const enter = (): void => {
        const closed = this.#parts.closed();
        if (closed) return refuse(closed);
        leave();
        resolve(this.#awaitWrite(envelope, fresh, expect, signal));
      };
      const withdraw = dispatcher.whenRoom(envelope.bytes, enter);
      const abort = (): void => {
        withdraw();
        refuse(abortedError(signal!, 'before it was accepted'));
      };
      const forget = signal && onAbort(signal, abort);
    });
  }

  #countWaiting(by: 1 | -1): void {
    this.#waiting += by;
    this.#parts.counters.offered += by;
    this.#parts.counters.waiting += by;
  }

  #awaitWrite(
    envelope: Envelope,
    fresh: boolean,
    expect: Expectation | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      const abort = (): void => reject(abortedError(signal!, 'while it was being stored; it may be in the log'));
      let forget: (() => void) | undefined;
      const settle: Settle = (outcome) => {
        forget?.();
        if (outcome.status === 'stored') resolve(receiptOf(envelope, outcome.receipt));
        else if ('error' in outcome) reject(outcome.error);
        else resolve({ ...NOT_STORED, event: envelope.event });
      };
      // First, because `carry` may throw; it settles before it returns only where nothing is to be stored.
      this.#parts.carrier.carry(envelope, fresh, expect, settle);
      if (signal && envelope.writing) forget = onAbort(signal, abort);
    });
  }
}
