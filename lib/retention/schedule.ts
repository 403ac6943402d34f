import { createRequire } from 'node:module';
import type * as Croner from 'croner';
import { toMs, type Duration } from '../duration.ts';
import { expected } from '../errors.ts';

/** When sweeps come: so long after the one before has ended, or at the times of a cron expression. */
export interface Schedule {
  /** Ms from `now` (epoch ms) to the next sweep. `last`: when the one before was due. */
  nextInMs(now: number, last: number | undefined): number;
  readonly text: string;
}

/** Five to seven fields in UTC; croner is loaded when the first expression is parsed. */
const CRON = /^\s*(?:@\w+|\S+(?:\s+\S+){4,6})\s*$/;
const EXPECTATION = "milliseconds from 1, a string such as '1m', or a cron expression such as '0 3 * * *'";
const MOST_EARLY_MS = 60_000;
const require = createRequire(import.meta.url);

/** Throws `INVALID_OPTION`. */
export function parseSchedule(every: unknown, name: string): Schedule {
  if (typeof every === 'string' && CRON.test(every)) return cronSchedule(every.trim(), name);
  const ms = typeof every === 'number' || typeof every === 'string' ? durationOf(every as Duration) : 0;
  if (!(ms >= 1)) throw expected('INVALID_OPTION', `\`${name}\``, EXPECTATION, every);
  return { nextInMs: () => ms, text: String(every) };
}

function durationOf(every: Duration): number {
  try {
    return toMs(every);
  } catch {
    return 0;
  }
}

function cronSchedule(text: string, name: string): Schedule {
  const { Cron } = require('croner') as typeof Croner;
  let cron: Croner.Cron;
  try {
    cron = new Cron(text, { paused: true, timezone: 'UTC' });
  } catch (error) {
    throw expected('INVALID_OPTION', `\`${name}\``, EXPECTATION, text, { cause: error });
  }
  if (cron.nextRun() === null)
    throw expected('INVALID_OPTION', `\`${name}\``, 'a cron expression of a time that comes', text);
  return {
    text,
    nextInMs: (now, last = 0) => {
      // A timer may fire a moment early; its own time must not come again. A clock that was set back is no such timer.
      const isEarly = last > now && last - now <= MOST_EARLY_MS;
      const next = cron.nextRun(new Date(isEarly ? last : now));
      return next === null ? Infinity : next.getTime() - now;
    },
  };
}
