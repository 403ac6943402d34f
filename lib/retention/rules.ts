import { expected } from '../errors.ts';
import { toMs } from '../duration.ts';
import type { Priority, TelltaleEvent } from '../event/event.ts';
import { parsePattern, type Pattern } from '../event/pattern.ts';
import { compileFilter } from '../filter/compile.ts';
import { mustKnow } from '../parse-options.ts';
import { checkContradictions } from './contradictions.ts';
import { LIMITS, limitsOf, type RetentionRule } from './rule.ts';

/** A rule that has been checked. */
export interface ParsedRule {
  /** Among the rules, from 0; −1 for the built-in rule for reserved events. */
  readonly index: number;
  readonly name: string;
  readonly pattern: Pattern;
  readonly accepts: ((event: TelltaleEvent) => boolean) | undefined;
  readonly keepForMs: number | undefined;
  readonly by: 'storedAt' | 'time';
  readonly keepCount: number | undefined;
  readonly keepBytes: number | undefined;
  /** Rank of the lowest priority that stays. */
  readonly keepPriority: number | undefined;
  readonly keepLatestByEntity: number | undefined;
  readonly consumers: readonly string[];
  /** How many events of a correlation wait for the rest; 0: none, the rule looks at events one by one. */
  readonly chainAtMost: number;
  /** A rule without limits keeps everything. */
  readonly keepsAll: boolean;
  /** `keepLatestByEntity` is the only limit by which its events could go. */
  readonly onlyLatest: boolean;
}

const PRIORITIES: readonly Priority[] = ['low', 'normal', 'high', 'critical'];
const KEYS = ['match', 'name', 'where', ...LIMITS, 'by', 'wholeCorrelations'];
const MAX_RULES = 1_000;

/** 0 for `low` to 3 for `critical`; whatever else an event carries is `normal`. */
export function priorityRank(priority: unknown): number {
  const rank = PRIORITIES.indexOf(priority as Priority);
  return rank === -1 ? 1 : rank;
}

/** Throws `INVALID_OPTION` (contradictions included), `INVALID_PATTERN`, `INVALID_FILTER`, `INVALID_PATH`, `INVALID_DURATION`. */
export function parseRules(rules: unknown): readonly ParsedRule[] {
  if (!Array.isArray(rules) || rules.length > MAX_RULES)
    throw expected('INVALID_OPTION', '`rules` of retention', `an array of at most ${MAX_RULES} rules`, rules);
  const parsed = rules.map((rule, index) => parseRule(rule, index));
  checkContradictions(rules as readonly RetentionRule[]);
  return Object.freeze(parsed);
}

function parseRule(given: unknown, index: number): ParsedRule {
  const at = `rules[${index}]`;
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw expected(
      'INVALID_OPTION',
      `\`${at}\` of retention`,
      "a rule such as { match: 'task.**', keepFor: '30d' }",
      given,
    );
  mustKnow(given, KEYS, at);
  const rule = given as RetentionRule;
  const { keepFor, where, by = 'storedAt' } = rule;
  if (by !== 'storedAt' && by !== 'time') throw expected('INVALID_OPTION', `\`${at}.by\``, "'storedAt' or 'time'", by);
  return Object.freeze({
    index,
    pattern: patternOf(rule, at),
    name: nameOf(rule, at),
    accepts: where === undefined ? undefined : compileFilter(where),
    keepForMs: keepFor === undefined ? undefined : toMs(keepFor, `${at}.keepFor`),
    by,
    keepCount: countOf(rule.keepCount, `${at}.keepCount`),
    keepBytes: countOf(rule.keepBytes, `${at}.keepBytes`),
    keepPriority: rankOf(rule.keepPriority, `${at}.keepPriority`),
    keepLatestByEntity: countOf(rule.keepLatestByEntity, `${at}.keepLatestByEntity`, 1),
    consumers: consumersOf(rule.keepUntilProcessedBy, `${at}.keepUntilProcessedBy`),
    chainAtMost: chainOf(rule.wholeCorrelations, `${at}.wholeCorrelations`),
    keepsAll: limitsOf(rule).length === 0,
    onlyLatest:
      rule.keepLatestByEntity !== undefined &&
      limitsOf(rule).every((limit) => limit === 'keepLatestByEntity' || limit === 'keepPriority'),
  });
}

function patternOf(rule: RetentionRule, at: string): Pattern {
  if (typeof rule.match === 'string') return parsePattern(rule.match);
  throw expected('INVALID_OPTION', `\`${at}.match\``, "a pattern such as 'task.**'", rule.match);
}

function nameOf({ name, match }: RetentionRule, at: string): string {
  if (name === undefined) return match;
  if (typeof name === 'string' && name !== '' && name.length <= 256) return name;
  throw expected('INVALID_OPTION', `\`${at}.name\``, 'a text of 1 to 256 characters', name);
}

function countOf(value: unknown, name: string, least = 0): number | undefined {
  if (value === undefined || (Number.isSafeInteger(value) && (value as number) >= least)) return value as undefined;
  throw expected('INVALID_OPTION', `\`${name}\``, `an integer from ${least}`, value);
}

function rankOf(value: unknown, name: string): number | undefined {
  if (value === undefined) return undefined;
  const rank = PRIORITIES.indexOf(value as Priority);
  if (rank >= 0) return rank;
  throw expected('INVALID_OPTION', `\`${name}\``, `one of ${PRIORITIES.map((word) => `'${word}'`).join(', ')}`, value);
}

function consumersOf(value: unknown, name: string): readonly string[] {
  if (value === undefined) return [];
  const names: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (names.length > 0 && names.every((each) => typeof each === 'string' && each !== '')) return names as string[];
  throw expected('INVALID_OPTION', `\`${name}\``, 'the name of a consumer, or several', value);
}

function chainOf(value: unknown, name: string): number {
  if (value === undefined || value === false) return 0;
  if (value === true) return Infinity;
  const isObject = typeof value === 'object' && value !== null;
  if (!isObject) throw expected('INVALID_OPTION', `\`${name}\``, 'true or { atMost }', value);
  mustKnow(value, ['atMost'], name);
  const { atMost } = value as { readonly atMost?: unknown };
  if (Number.isSafeInteger(atMost) && (atMost as number) >= 1) return atMost as number;
  throw expected('INVALID_OPTION', `\`${name}.atMost\``, 'an integer from 1', atMost);
}

/** Dead letters, the access audit and results of effects and schedules, where no rule of the user's decides about them. */
export const RESERVED_RULE: ParsedRule = Object.freeze({
  ...parseRule({ match: '**', name: 'reserved', keepFor: '30d' }, -1),
});

const OF_THE_BUS = /^\$(?:dead-letters|audit|schedules)\//;

/** Events `RESERVED_RULE` decides about. */
export function isOfTheBus({ type, entity }: Pick<TelltaleEvent, 'type' | 'entity'>): boolean {
  if (entity === undefined) return type === '$effect.done';
  return OF_THE_BUS.test(entity);
}
