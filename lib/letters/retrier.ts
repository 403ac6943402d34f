import { isTelltaleError, toError } from '../errors.ts';
import { describeError, type ErrorDescription } from '../event/describe-error.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { retryDelayMs, type RetryPolicy } from '../retry.ts';
import type { DeadLetters } from '../store/dead-letters.ts';
import { LETTER_ABANDONED, LETTER_CLOSED, LETTER_DISCARDED, LETTER_RETRIED } from '../store/letter.ts';
import type { Store } from '../store/port.ts';
import { eventOf, type LetterEvent } from './event-of.ts';
import type { Found, Letter } from './letter.ts';

/** How one delivery ended. `cancelled`: nobody can say, the subscription or the bus ended first, or it is not its turn. */
export type Delivered = 'handled' | 'cancelled' | { readonly error: unknown };

export interface RetryPort {
  readonly store: Store | undefined;
  readonly letters: DeadLetters;
  /** Throws what stands against any retry now: the bus closes, the store takes nothing. */
  mustBeAble(): void;
  /** Ends early when the bus closes. */
  pause(ms: number): Promise<void>;
  /** Calls back later, and keeps no process alive for it; answers the undo. */
  after(ms: number, fn: () => void): () => void;
  /**
   * Gives the event to those it was meant for, and to nobody else; calls `ended` once. Throws `RETRY_IMPOSSIBLE` where
   * none of them listens.
   */
  deliver(letter: Letter, told: LetterEvent, ended: (outcome: Delivered) => void): void;
  /** Takes the event in again, as it was given. */
  publish(letter: Letter, event: TelltaleEvent): Promise<unknown>;
}

export interface RunTerms {
  readonly limit: number;
  readonly concurrency: number;
  /** Attempts of this run for each letter, with pauses between them. */
  readonly policy: RetryPolicy | undefined;
  /** After this many retries a letter is given up. */
  readonly giveUpAfter?: number;
  /**
   * After this time the run goes on without an attempt that does not end. The letter stays being tried, and is noted
   * whenever that ends; until then its recipient is given no other in such a run.
   */
  readonly patienceMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** What became of the letters of one run. */
export interface RetryReport {
  /** The event was handled, or stored, this time. */
  readonly closed: number;
  /** Failed again; they stay open. */
  readonly failed: number;
  /** Nobody listens for them, or their event is gone: no attempt was made. */
  readonly impossible: number;
  /** Tried by somebody else just now, settled, not known, its consumer has not come to it, or the bus ended first. */
  readonly skipped: number;
  /** The limit was reached, and there are more. */
  readonly more: boolean;
  /** Why, for the first 100. */
  readonly failures: readonly { readonly id: string; readonly error: ErrorDescription }[];
}

interface Outcome {
  readonly as: 'closed' | 'failed' | 'impossible' | 'skipped';
  readonly error?: unknown;
}

/** A run under way. */
interface Run {
  readonly terms: RunTerms;
  readonly outcomes: Record<Outcome['as'], number>;
  readonly failures: { readonly id: string; readonly error: ErrorDescription }[];
  readonly running: Set<Promise<void>>;
  /** What ends the run as a whole. */
  problem: { readonly error: unknown } | undefined;
}

const MAX_FAILURES = 100;

/**
 * Tries letters again. Ordering: events are handed over in the order of the letters; with a concurrency above 1 several
 * are under way. Failure: a failed attempt is noted and the letter stays open. A crash between a success and its note
 * leaves the letter open: at least once, and once where a target has the checkpoint. Closing: nothing new is begun; attempts that do not end are not noted.
 */
export class Retrier {
  readonly #port: RetryPort;
  /** Letters being tried, in whatever run. */
  readonly #busy = new Set<string>();
  /** Recipients of those among them that a run went on without, by letter. */
  readonly #held = new Map<string, string>();

  constructor(port: RetryPort) {
    this.#port = port;
  }

  /** Throws what stands against it, midway too: what was done until then is noted. */
  async run(letters: AsyncIterable<Found>, terms: RunTerms): Promise<RetryReport> {
    const outcomes = { closed: 0, failed: 0, impossible: 0, skipped: 0 };
    const run: Run = { terms, outcomes, failures: [], running: new Set(), problem: undefined };
    let more: boolean;
    try {
      more = await this.#each(letters, run);
    } finally {
      await Promise.all(run.running);
    }
    if (run.problem) throw run.problem.error;
    return { ...outcomes, more, failures: run.failures };
  }

  /** Notes that nobody wants the letter delivered any more; false where it is settled or being tried. */
  async discard({ letter, opened }: Found, reason: string | undefined): Promise<boolean> {
    if (!this.#isFree(letter)) return false;
    this.#port.mustBeAble();
    const step = { attempt: 0, ...(reason !== undefined && { reason }) };
    await this.#port.letters.note(letter, opened, LETTER_DISCARDED, step);
    return true;
  }

  // Answers whether letters are left over.
  async #each(letters: AsyncIterable<Found>, run: Run): Promise<boolean> {
    const { limit, signal } = run.terms;
    let begun = 0;
    for await (const found of letters) {
      if (run.problem || signal?.aborted) return true;
      this.#port.mustBeAble();
      if (!this.#isFree(found.letter) || this.#mustWait(found.letter, run.terms)) run.outcomes.skipped++;
      else if (begun++ === limit) return true;
      else await this.#begin(found, run);
    }
    return false;
  }

  #isFree({ id, state }: Letter): boolean {
    return (state === 'open' || state === 'abandoned') && !this.#busy.has(id);
  }

  #mustWait(letter: Letter, { patienceMs }: RunTerms): boolean {
    if (patienceMs === undefined || this.#held.size === 0) return false;
    const recipient = recipientOf(letter);
    return [...this.#held.values()].includes(recipient);
  }

  // Ends when the event has been handed over, so that the next one comes behind it, and there is room for that.
  async #begin(found: Found, run: Run): Promise<void> {
    const { id } = found.letter;
    const { running, terms } = run;
    this.#busy.add(id);
    const told = await eventOf(found.letter, this.#port.store).catch((error: unknown) => toError(error));
    const attempt = this.#conclude(found, told, terms)
      .then(
        (outcome) => take(run, id, outcome),
        (error: unknown) => void (run.problem ??= { error }),
      )
      .finally(() => {
        this.#busy.delete(id);
        this.#held.delete(id);
      });
    const over = this.#untilOver(attempt, found.letter, terms).finally(() => void running.delete(over));
    running.add(over);
    if (running.size >= terms.concurrency) await Promise.race(running);
  }

  async #untilOver(attempt: Promise<void>, letter: Letter, { patienceMs }: RunTerms): Promise<void> {
    if (patienceMs === undefined) return attempt;
    let stop: (() => void) | undefined;
    const impatience = new Promise<void>((resolve) => {
      stop = this.#port.after(patienceMs, () => {
        this.#held.set(letter.id, recipientOf(letter));
        resolve();
      });
    });
    await Promise.race([attempt, impatience]);
    stop?.();
  }

  async #conclude(found: Found, told: LetterEvent | Error, terms: RunTerms): Promise<Outcome> {
    try {
      if (told instanceof Error) throw told;
      return await this.#try(found, told, terms);
    } catch (error) {
      if (!isTelltaleError(error, 'RETRY_IMPOSSIBLE')) throw error;
      if (terms.giveUpAfter !== undefined && error.details['forGood'] === true)
        await this.#abandon(found, found.letter.retries, error, error.message);
      return { as: 'impossible', error };
    }
  }

  async #try(found: Found, told: LetterEvent, { policy, signal, giveUpAfter = Infinity }: RunTerms): Promise<Outcome> {
    const before = found.letter.retries;
    for (let tried = 1; ; tried++) {
      const outcome = await this.#attempt(found, told, before + tried);
      if (outcome === 'handled') return { as: 'closed' };
      if (outcome === 'cancelled') return { as: 'skipped' };
      const { error } = outcome;
      if (before + tried >= giveUpAfter)
        await this.#abandon(found, before + tried, error, `failed in ${before + tried} retries`);
      if (!policy || tried >= policy.attempts || signal?.aborted) return { as: 'failed', error };
      await this.#port.pause(retryDelayMs(policy, tried));
      this.#port.mustBeAble();
    }
  }

  // The note is written in the same moment in which the handler ends, so that a bus that closes then still stores it.
  #attempt(found: Found, told: LetterEvent, attempt: number): Promise<Delivered> {
    const { letter } = found;
    const noted = (outcome: Delivered): Promise<Delivered> => this.#noted(found, attempt, outcome);
    if (letter.reason === 'refused' || letter.reason === 'not-stored')
      return this.#port.publish(letter, told.event).then(
        () => noted('handled'),
        (error: unknown) => noted({ error }),
      );
    return new Promise((resolve) => this.#port.deliver(letter, told, (outcome) => resolve(noted(outcome))));
  }

  async #noted({ letter, opened }: Found, attempt: number, outcome: Delivered): Promise<Delivered> {
    const { letters } = this.#port;
    if (outcome === 'handled') await letters.note(letter, opened, LETTER_CLOSED, { attempt });
    else if (outcome !== 'cancelled')
      await letters.note(letter, opened, LETTER_RETRIED, { attempt, error: describeError(outcome.error) });
    return outcome;
  }

  async #abandon({ letter, opened }: Found, attempt: number, error: unknown, reason: string): Promise<void> {
    const step = { attempt, error: describeError(error), reason };
    await this.#port.letters.note(letter, opened, LETTER_ABANDONED, step);
  }
}

// Letters without one are for whoever listens to the type.
const recipientOf = ({ recipient, group, eventType }: Letter): string =>
  recipient === undefined ? eventType : `${recipient}\u0000${group ?? ''}`;

function take({ outcomes, failures }: Run, id: string, { as, error }: Outcome): void {
  outcomes[as]++;
  if (error !== undefined && failures.length < MAX_FAILURES) failures.push({ id, error: describeError(error) });
}
