import type { Clock } from '../clock.ts';
import { retryDelayMs, type RetryPolicy } from '../retry.ts';
import type { Found, Letter } from './letter.ts';
import type { Retrier } from './retrier.ts';
import { parseLetterSelection, type LetterSelection } from './selection.ts';
import type { Shelf } from './shelf.ts';

/** How letters are tried again in the background. */
export interface RetrySchedule {
  readonly everyMs: number;
  /** `delayMs` is the pause before the first retry, `attempts` how many there are before a letter is abandoned. */
  readonly policy: RetryPolicy;
  readonly selection: Pick<LetterSelection, 'where'>;
  /** Retries of one round. */
  readonly limit: number;
  readonly concurrency: number;
}

export interface SchedulePort {
  readonly clock: Clock;
  readonly shelf: Shelf;
  readonly retrier: Retrier;
  /** Does anybody listen whom the letter was meant for? Those without are left alone until there is. */
  readonly isWanted: (letter: Letter) => boolean;
  readonly failed: (error: unknown) => void;
  /** How long a round waits for one handler. */
  readonly patienceMs: number;
}

/**
 * Tries open letters again, round by round, each when its time has come; the pauses grow with every failed retry, and
 * are counted from what the log says, so that a restart changes nothing. Rounds never overlap: the next one is due
 * `every` after the end of the last, and none waits longer than `patienceMs` for a handler. Answers what stops it; a round under way ends before its next letter.
 */
export function scheduleRetries(schedule: RetrySchedule, port: SchedulePort): () => void {
  const { clock, shelf, retrier, patienceMs } = port;
  const { everyMs, limit, concurrency, policy } = schedule;
  const stop = new AbortController();
  let cancel: () => void;
  const round = async (): Promise<void> => {
    const letters = dueLetters(shelf.select(parseLetterSelection(schedule.selection, 'deadLetters.retry')), isDue);
    const terms = { limit, concurrency, policy: undefined, giveUpAfter: policy.attempts, patienceMs };
    await retrier.run(letters, { ...terms, signal: stop.signal }).catch(port.failed);
    if (!stop.signal.aborted) next();
  };
  const isDue = (letter: Letter): boolean => {
    if (stop.signal.aborted) return true;
    const last = letter.history.at(-1)?.time ?? letter.time;
    return clock.now() >= last + retryDelayMs(policy, letter.retries + 1) && port.isWanted(letter);
  };
  const next = (): void => {
    cancel = clock.after(everyMs, () => void round());
  };
  next();
  return () => {
    stop.abort();
    cancel();
  };
}

// Once it is stopped the next letter is let through, so that the run sees that it is over.
async function* dueLetters(
  letters: AsyncIterable<Found>,
  isDue: (letter: Letter) => boolean,
): AsyncGenerator<Found, void, undefined> {
  for await (const found of letters) if (isDue(found.letter)) yield found;
}
