import type { Duration } from '../duration.ts';
import type { Priority } from '../event/event.ts';
import type { Filter } from '../filter/language.ts';

/**
 * What is kept. The first rule that matches an event decides about it; it goes when all limits of that rule let it go.
 * A rule without limits keeps what it matches for ever, and so do events no rule matches stay.
 */
export interface RetentionRule {
  /** Over types. Reserved types need a pattern that names them: `$dead-letter.**`. */
  readonly match: string;
  /** How plans and reports call the rule. @default its `match` */
  readonly name?: string;
  /** Only events this filter accepts; payloads are read for it alone. */
  readonly where?: Filter;
  /** Lets an event go once it is so old. */
  readonly keepFor?: Duration;
  /** What `keepFor` counts from: when it was stored, or the event's own time. @default 'storedAt' */
  readonly by?: 'storedAt' | 'time';
  /** The newest so many events of this rule stay. */
  readonly keepCount?: number;
  /** The newest events of this rule stay, as many as have so many bytes as JSON (estimated). */
  readonly keepBytes?: number;
  /** Events whose `metadata.priority` is at least this stay; without one an event is `normal`. */
  readonly keepPriority?: Priority;
  /** The newest so many events of each entity stay, of those this rule decides about. Events without entity are not held by it, but stay where it is the only limit. */
  readonly keepLatestByEntity?: number;
  /** Stays until these consumers have processed it. Behind a consumer nobody knows everything stays. */
  readonly keepUntilProcessedBy?: string | readonly string[];
  /** A correlation goes as a whole, when all of its events may go; `atMost`: no more than its newest so many wait for that. */
  readonly wholeCorrelations?: boolean | { readonly atMost: number };
}

export const LIMITS = [
  'keepFor',
  'keepCount',
  'keepBytes',
  'keepPriority',
  'keepLatestByEntity',
  'keepUntilProcessedBy',
];

/** The limits a rule names. */
export function limitsOf(rule: RetentionRule): readonly string[] {
  return LIMITS.filter((name) => rule[name as keyof RetentionRule] !== undefined);
}
