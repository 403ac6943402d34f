import type { ErrorDescription } from '../event/describe-error.ts';
import type { StoredEvent } from '../event/event.ts';
import type { LetterNote } from '../store/dead-letters.ts';
import {
  LETTER_RETRIED,
  SETTLED,
  readLetter,
  readStep,
  type DeadLetter,
  type LetterState,
  type LetterStep,
} from '../store/letter.ts';

/** A dead letter and what was done about it. */
export interface Letter extends DeadLetter {
  readonly state: LetterState;
  /** Retries so far: failed ones, and the one that closed it. */
  readonly retries: number;
  /** Oldest first. */
  readonly history: readonly LetterEntry[];
}

/** One thing that was done about a letter. `retried`: in vain. */
export interface LetterEntry {
  readonly what: 'retried' | Exclude<LetterState, 'open'>;
  /** Epoch ms. */
  readonly time: number;
  /** Which retry it was, from 1; absent where there was none. */
  readonly attempt?: number;
  readonly error?: ErrorDescription;
  readonly reason?: string;
}

/** A letter, and where it is in the log; 0 for one in memory. */
export interface Found {
  readonly letter: Letter;
  readonly opened: number;
}

/** A letter as it is after all that was noted about it, oldest first. */
export function foldLetter(letter: DeadLetter, notes: readonly LetterNote[]): Letter {
  const history = notes.map(entryOf);
  const state = history.findLast(({ what }) => what !== 'retried')?.what ?? 'open';
  const retries = history.filter(({ what, attempt }) => what === 'retried' || (what === 'closed' && attempt)).length;
  return { ...letter, state: state as LetterState, retries, history };
}

/** The letter in the events of its entity. */
export function foldEvents(opened: StoredEvent, later: readonly StoredEvent[]): Found {
  const notes = later
    .filter(({ type }) => type === LETTER_RETRIED || SETTLED.has(type))
    .map((event) => ({ type: event.type, time: event.time, step: readStep(event) }));
  return { letter: foldLetter(readLetter(opened), notes), opened: opened.position };
}

function entryOf({ type, time, step }: LetterNote): LetterEntry {
  const { attempt, error, reason } = step as LetterStep;
  return {
    what: (SETTLED.get(type) ?? 'retried') as LetterEntry['what'],
    time,
    ...(attempt > 0 && { attempt }),
    ...(error !== undefined && { error }),
    ...(reason !== undefined && { reason }),
  };
}
