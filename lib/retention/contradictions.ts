import { TelltaleError } from '../errors.ts';
import { toMs } from '../duration.ts';
import { canonicalJson } from '../event/content-hash.ts';
import { limitsOf, type RetentionRule } from './rule.ts';

/** Refuses rules that cannot mean what they say. Throws `INVALID_OPTION`, which names them. */
export function checkContradictions(rules: readonly RetentionRule[]): void {
  rules.forEach((rule, index) => {
    const reason = contradiction(rule);
    if (reason !== undefined) throw refused([index], `${label(rule, index)} ${reason}`);
  });
  checkTwins(rules);
}

function contradiction(rule: RetentionRule): string | undefined {
  const limits = limitsOf(rule);
  const others = (name: string): string =>
    limits
      .filter((limit) => limit !== name)
      .map((limit) => `\`${limit}\``)
      .join(', ');
  const nothing = nothingKept(rule);
  if (nothing !== undefined && limits.length > 1)
    return `says \`${nothing}: 0\`, which keeps nothing, and ${others(nothing)} as well; leave one of them out`;
  if (rule.keepPriority === 'low')
    return "says `keepPriority: 'low'`, which keeps every event whatever else it says; name a higher priority, or leave all limits out to keep everything";
  if (rule.by !== undefined && rule.keepFor === undefined)
    return 'says `by`, which tells what `keepFor` counts from, and has no `keepFor`';
  if (rule.wholeCorrelations !== undefined && rule.wholeCorrelations !== false && limits.length === 0)
    return 'says `wholeCorrelations` and has no limit that would ever let an event go';
  return undefined;
}

function nothingKept(rule: RetentionRule): string | undefined {
  if (rule.keepFor !== undefined && toMs(rule.keepFor) === 0) return 'keepFor';
  if (rule.keepCount === 0) return 'keepCount';
  return rule.keepBytes === 0 ? 'keepBytes' : undefined;
}

/** Of two rules with one pattern the second decides only where the first has a filter the second does not share. */
function checkTwins(rules: readonly RetentionRule[]): void {
  const seen = new Map<string, number[]>();
  rules.forEach((rule, index) => {
    const earlier = seen.get(rule.match) ?? [];
    seen.set(rule.match, [...earlier, index]);
    const where = textOf(rule);
    const first = earlier.find((at) => rules[at]!.where === undefined || textOf(rules[at]!) === where);
    if (first === undefined) return;
    const text = `${label(rule, index)} can never decide: ${label(rules[first]!, first)} matches the same events and comes first`;
    throw refused([first, index], text);
  });
}

/** Its filter, whatever order the keys come in. */
function textOf({ where }: RetentionRule): string | undefined {
  return where && canonicalJson(where);
}

function label({ match, name = match }: RetentionRule, index: number): string {
  return `rules[${index}] (${name})`;
}

function refused(rules: readonly number[], text: string): TelltaleError {
  return new TelltaleError('INVALID_OPTION', `the rules of retention contradict themselves: ${text}`, {
    details: { rules },
  });
}
