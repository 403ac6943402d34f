import { matchesPattern, parsePattern, type Pattern } from '../event/pattern.ts';
import { covers } from './covers.ts';
import type { Planner } from './plan.ts';
import type { Protections } from './protections.ts';
import type { ParsedRule } from './rules.ts';

export interface WarningFacts {
  /** The user's rules. */
  readonly rules: readonly ParsedRule[];
  readonly planner: Planner;
  readonly protections: Protections;
}

/** What somebody who wrote these rules would want to know, one sentence each. */
export function warningsOf({ rules, planner, protections }: WarningFacts): readonly string[] {
  const types = planner.tally.types();
  const decided = planner.tally.byRule().map(({ keeps, removes }) => keeps.events + removes.events);
  const warnings = rules.flatMap((rule) => [
    ...(decided[rule.index]! > 0 || planner.partial ? [] : [unused(rule, rules, types)]),
    ...unknownConsumers(rule, protections),
  ]);
  const cut = planner.chains?.cut;
  if (cut && cut.events > 0)
    warnings.push(
      `${cut.chains} correlations have more events than \`atMost\` and are cut: ${cut.events} of their events go although the rest stays`,
    );
  if (planner.partial)
    warnings.push(
      `the log has more events than one plan holds; for those behind position ${planner.through} call preview({ after: ${planner.through} })`,
    );
  return warnings;
}

function unused(rule: ParsedRule, rules: readonly ParsedRule[], types: ReadonlyMap<string, number>): string {
  const name = `rule ${rule.index} (${rule.name})`;
  const wider = rules.find(
    (other) => other.index < rule.index && other.accepts === undefined && covers(other.pattern, rule.pattern),
  );
  if (wider)
    return `${name} can never decide: rule ${wider.index} (${wider.pattern.text}) comes first and matches all of it`;
  const matching = [...types].filter(([type]) => matchesPattern(rule.pattern, type));
  const events = matching.reduce((sum, [, count]) => sum + count, 0);
  if (events === 0) return `${name} matched nothing${suggestion(rule.pattern, [...types.keys()])}`;
  const why = rule.accepts ? 'its `where` accepts none of them, or earlier rules decide' : 'earlier rules decide';
  return `${name} decides about nothing: of ${events} events that match ${rule.pattern.text}, ${why}`;
}

function unknownConsumers({ index, name, consumers }: ParsedRule, { checkpoints }: Protections): string[] {
  return consumers
    .filter((consumer) => !checkpoints.has(consumer))
    .map(
      (consumer) => `rule ${index} (${name}) waits for ${consumer}, which has no checkpoint: all of its events stay`,
    );
}

/** `: error.db.timeout is not matched by error.*: error.**?` */
function suggestion(pattern: Pattern, types: readonly string[]): string {
  for (const text of widened(pattern)) {
    const type = types.find((candidate) => matchesPattern(parsePattern(text), candidate));
    if (type !== undefined) return `: ${type} is not matched by ${pattern.text}: ${text}?`;
  }
  const near = nearest(pattern.text, types);
  return near === undefined ? '' : `: ${near} is not matched by ${pattern.text}: ${near}?`;
}

/** The same pattern somewhat wider, nearest first; each a pattern. */
function widened({ text, segments }: Pattern): readonly string[] {
  const last = segments.length - 1;
  const deeper = segments[last] === '*' ? [...segments.slice(0, last), '**'] : [...segments, '**'];
  const everywhere = segments.map((segment) => (segment === '*' ? '**' : segment));
  const anyStart = segments[0]!.startsWith('$') || segments[0] === '**' ? [] : ['**', ...segments];
  const wider = [deeper, everywhere, anyStart].map((each) => each.join('.'));
  return wider.filter((each) => each !== '' && each !== text && each.split('.').length <= 16);
}

const MOST_EDITS = 2;
const MAX_COMPARED = 1_000;

function nearest(text: string, types: readonly string[]): string | undefined {
  let best: { readonly type: string; readonly edits: number } | undefined;
  for (const type of types.slice(0, MAX_COMPARED)) {
    const edits = distance(text, type);
    if (edits <= MOST_EDITS && edits < (best?.edits ?? Infinity)) best = { type, edits };
  }
  return best?.type;
}

/** Levenshtein's, given up where the lengths alone differ too much. */
function distance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > MOST_EDITS) return Infinity;
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
