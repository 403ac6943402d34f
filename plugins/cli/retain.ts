import { readFile } from 'node:fs/promises';
import type { Bus, RetentionPlan, RetentionRule } from '../../lib/index.ts';
import { commandLine } from './invocation.ts';
import { readLog, withLog } from './open-log.ts';
import { Problem } from './problem.ts';
import { bytes, counted } from './render/figures.ts';
import { planLines } from './render/retention.ts';
import { lookOf } from './render/text.ts';
import { say } from './say.ts';

export interface RetainOptions {
  readonly preview?: boolean;
  readonly rules?: string;
  readonly match?: string;
  readonly keepFor?: string;
  readonly keepCount?: string;
  readonly keepBytes?: string;
  readonly yes?: boolean;
  readonly json?: boolean;
}

const RULES = `{ "rules": [{ "match": "token.**", "keepFor": "30d" }] }`;

/** Shows what rules would remove from a log, and removes it where it is told to. Answers the exit code. */
export async function retain(place: string, options: RetainOptions): Promise<number> {
  if (options.preview === true && options.yes === true)
    throw new Problem('--yes removes events, --preview removes none');
  const { withoutPassword } = await import('../open.ts');
  const rules = await rulesOf(withoutPassword(place), options);
  if (options.yes !== true)
    return readLog(place, async (bus, { name }) => {
      show(name, await bus.retention.preview({ rules }), options);
      if (options.preview === true) return 0;
      throw new Problem('nothing was removed: --yes removes what is shown here, --preview only shows it');
    });
  return withLog(place, 'writing', (bus, { name }) => remove(bus, name, rules, options));
}

async function remove(
  bus: Bus,
  folder: string,
  rules: readonly RetentionRule[],
  options: RetainOptions,
): Promise<number> {
  const plans: object[] = [];
  const why: Record<string, number> = {};
  for (let after = 0, isDone = false; !isDone;) {
    const plan = await bus.retention.preview({ rules, after });
    if (options.json === true) plans.push(dataOf(plan));
    else show(folder, plan, options);
    const { removed, left } = await bus.retention.enforce(plan);
    for (const [reason, events] of Object.entries(left.why)) why[reason] = (why[reason] ?? 0) + events;
    const stays = left.events > 0 ? `, ${counted(left.events, 'event')} left, protected by now` : '';
    if (options.json !== true) say(`\nremoved ${counted(removed.events, 'event')} (${bytes(removed.bytes)})${stays}`);
    after = plan.through;
    isDone = plan.through >= plan.head;
  }
  if (options.json !== true) return 0;
  const left = { events: Object.values(why).reduce((sum, events) => sum + events, 0), why };
  say(JSON.stringify({ folder, plans, removed: bus.retention.stats().removed, left }, undefined, 2));
  return 0;
}

function show(folder: string, plan: RetentionPlan, { json }: RetainOptions): void {
  if (json === true) return say(JSON.stringify({ folder, ...dataOf(plan) }, undefined, 2));
  planLines(lookOf(process.stdout), folder, plan).forEach(say);
}

/** Of the fates only how many there are. */
function dataOf(plan: RetentionPlan): object {
  return { ...plan, fates: plan.fates.length };
}

async function rulesOf(folder: string, options: RetainOptions): Promise<readonly RetentionRule[]> {
  const { rules: file, match, keepFor, keepCount, keepBytes } = options;
  const single = { match, keepFor, keepCount, keepBytes };
  const given = Object.values(single).some((value) => value !== undefined);
  if (file !== undefined && given)
    throw new Problem('--rules names a file of rules; --match and --keep-… are a rule of their own');
  if (file !== undefined) return readRules(file);
  if (keepFor === undefined && keepCount === undefined && keepBytes === undefined) {
    const example = commandLine('retain', folder, '--preview', '--match', 'token.**', '--keep-for', '30d');
    throw new Problem(`say what is kept: --keep-for, --keep-count or --keep-bytes, or --rules; such as ${example}`);
  }
  return [
    {
      match: match ?? '**',
      ...(keepFor !== undefined && { keepFor: keepFor as '30d' }),
      ...(keepCount !== undefined && { keepCount: numberOf(keepCount, '--keep-count') }),
      ...(keepBytes !== undefined && { keepBytes: numberOf(keepBytes, '--keep-bytes') }),
    },
  ];
}

async function readRules(file: string): Promise<readonly RetentionRule[]> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new Problem(`the rules cannot be read: ${error.message}`);
  });
  const given = parse(file, text);
  const isObject = typeof given === 'object' && given !== null;
  const rules = isObject && 'rules' in given ? given.rules : given;
  if (Array.isArray(rules)) return rules as readonly RetentionRule[];
  const what = JSON.stringify(given).slice(0, 80);
  throw new Problem(`${file} holds ${what}; expected a JSON array of rules, or an object such as ${RULES}`);
}

function parse(file: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new Problem(`${file} holds no JSON array of rules: ${(error as Error).message}`);
  }
}

function numberOf(text: string, option: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new Problem(`${option} is a number from 0, not ${text}`);
}
