import type { ErrorDescription } from '../event/describe-error.ts';
import type { StoredEvent } from '../event/event.ts';

/** Why an event lies here. */
export type LetterReason = 'handler-failed' | 'mailbox-full' | 'dropped' | 'refused' | 'not-stored' | 'cut';

/** An event that could not be delivered, stored or admitted, with all that is needed to try again. */
export interface DeadLetter {
  readonly id: string;
  readonly reason: LetterReason;
  /** When it happened, epoch ms; the letter is stored some time later. */
  readonly time: number;
  readonly eventId: string;
  readonly eventType: string;
  readonly correlationId: string;
  /** Where the event is in the log; absent where it is not, then `escaped` holds it. */
  readonly position?: number;
  /** Pattern or name of the one it was meant for. */
  readonly recipient?: string;
  /** The group the recipient is a member of. */
  readonly group?: string;
  /** How often its handler had been called when the letter was opened. */
  readonly attempts: number;
  readonly error: ErrorDescription;
  /** For a summary letter: how many events it stands for, this one included. */
  readonly count: number;
  /** The event as JSON text of at most 64 KiB, made plain first. */
  readonly escaped?: string;
  /** SHA-256 of the whole JSON text, base64url. */
  readonly hash?: string;
}

/** What has been done about a letter. `open`: it waits for somebody. */
export type LetterState = 'open' | 'closed' | 'abandoned' | 'discarded';

/** What was done about a letter, once: the payload of the event that says so. */
export interface LetterStep {
  readonly letterId: string;
  /** Where the letter was opened; 0 for one that is kept in memory. */
  readonly opened: number;
  /** Which retry it was, from 1; 0 where none was made. */
  readonly attempt: number;
  readonly error?: ErrorDescription;
  /** Why it was discarded or abandoned. */
  readonly reason?: string;
}

export const LETTER_OPENED = '$dead-letter.opened';
/** A retry that failed; the letter stays open. */
export const LETTER_RETRIED = '$dead-letter.retried';
/** A retry that succeeded. */
export const LETTER_CLOSED = '$dead-letter.closed';
/** Nobody tries it again by himself. */
export const LETTER_ABANDONED = '$dead-letter.abandoned';
export const LETTER_DISCARDED = '$dead-letter.discarded';

/** The types that end the open state, and what follows it. */
export const SETTLED: ReadonlyMap<string, LetterState> = new Map([
  [LETTER_CLOSED, 'closed'],
  [LETTER_ABANDONED, 'abandoned'],
  [LETTER_DISCARDED, 'discarded'],
]);

/** Failures around these are not dead letters themselves: there would be no end of them. */
export const isOfLetters = (type: string): boolean => type.startsWith('$dead-letter.');

export const letterEntity = (id: string): string => `$dead-letters/${id}`;

/** A stored `$dead-letter.opened` as the letter it holds. */
export const readLetter = (event: StoredEvent): DeadLetter => event.payload as DeadLetter;

/** The payload of every other event about a letter. */
export const readStep = (event: StoredEvent): LetterStep => event.payload as LetterStep;
