import { toMs, type Duration } from '../duration.ts';
import { expected } from '../errors.ts';
import { mustKnow } from '../parse-options.ts';
import type { Sink } from '../store/port.ts';
import type { RetentionRule } from './rule.ts';
import { parseRules, type ParsedRule } from './rules.ts';
import { parseSchedule, type Schedule } from './schedule.ts';

/** What is kept, and how often the rest is cleared away. */
export interface RetentionOptions {
  /** The first rule that matches an event decides; what no rule matches stays. @default [] */
  readonly rules?: readonly RetentionRule[];
  /**
   * How long after the end of a sweep the next one starts, or a cron expression of five or six fields in UTC.
   * @default no sweeps by itself: `preview` and `enforce` only
   */
  readonly every?: number | string;
  /** What consumers and sinks have not got stays, as long as they checkpointed within this time. @default '7d' */
  readonly consumerTtl?: Duration;
  /** Gets events before they are removed; where it fails, or gives no answer for 30 s, they stay. @default none */
  readonly archive?: Sink;
  /**
   * Share of the events that the first sweep after a start, or after a jump of the clock, removes at most, 0 to 1.
   * Rounded down: of nine events a tenth is none, and the second sweep is the first to remove any. @default 0.1
   */
  readonly firstSweepAtMost?: number;
}

export interface ParsedRetention {
  readonly rules: readonly ParsedRule[];
  readonly schedule: Schedule | undefined;
  readonly consumerTtlMs: number;
  readonly archive: Sink | undefined;
  readonly firstSweepAtMost: number;
  /** Tells one set of rules from another, over restarts. */
  readonly key: string;
}

const KEYS = ['rules', 'every', 'consumerTtl', 'archive', 'firstSweepAtMost'];

/** Throws `INVALID_OPTION` and what rules throw. */
export function parseRetention(given: unknown): ParsedRetention {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw expected(
      'INVALID_OPTION',
      '`retention` of createBus',
      "an object such as { every: '1m', rules: [ … ] }",
      given,
    );
  mustKnow(given, KEYS, 'retention');
  const { rules = [], every, consumerTtl = '7d', archive, firstSweepAtMost = 0.1 } = given as RetentionOptions;
  if (!(typeof firstSweepAtMost === 'number' && firstSweepAtMost >= 0 && firstSweepAtMost <= 1))
    throw expected('INVALID_OPTION', '`retention.firstSweepAtMost`', 'a number from 0 to 1', firstSweepAtMost);
  if (archive !== undefined && typeof (archive as Partial<Sink> | null)?.write !== 'function')
    throw expected('INVALID_OPTION', '`retention.archive`', 'a sink', archive);
  return Object.freeze({
    rules: parseRules(rules),
    schedule: every === undefined ? undefined : parseSchedule(every, 'retention.every'),
    consumerTtlMs: toMs(consumerTtl, 'retention.consumerTtl'),
    archive,
    firstSweepAtMost,
    key: JSON.stringify(rules),
  });
}
