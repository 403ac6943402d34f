import { readFile } from 'node:fs/promises';
import { createBus, type Bus, type RetentionPlan, type RetentionRule } from '../../lib/index.ts';
import { commandLine } from './invocation.ts';
import { mustBeLog, readLog } from './open-log.ts';
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

/** Shows what rules would remove from a log, and removes it where it is told to. Answers the exit code. */
export async function retain(folder: string, options: RetainOptions): Promise<number> {
  if (options.preview === true && options.yes === true)
    throw new Problem('--yes removes events, --preview removes none');
  const rules = await rulesOf(folder, options);
  if (options.yes !== true)
    return readLog(folder, async (bus) => {
      show(folder, await bus.retention.preview({ rules }), options);
      if (options.preview === true) return 0;
      throw new Problem('nothing was removed: --yes removes what is shown here, --preview only shows it');
    });
  await mustBeLog(folder);
  const { jsonFile } = await import('../json-file/index.ts');
  const bus = await createBus({ source: 'telltale', store: jsonFile(folder) });
  try {
    return await remove(bus, folder, rules, options);
  } finally {
    await bus.close();
  }
}

async function remove(
  bus: Bus,
  folder: string,
  rules: readonly RetentionRule[],
  options: RetainOptions,
): Promise<number> {
  let after = 0;
  for (;;) {
    const plan = await bus.retention.preview({ rules, after });
    show(folder, plan, options);
    const { removed, left } = await bus.retention.enforce(plan);
    const stays = left.events > 0 ? `, ${counted(left.events, 'event')} left, protected by now` : '';
    if (options.json === true) say(JSON.stringify({ removed, left }));
    else say(`\nremoved ${counted(removed.events, 'event')} (${bytes(removed.bytes)})${stays}`);
    if (plan.through >= plan.head) return 0;
    after = plan.through;
  }
}

function show(folder: string, plan: RetentionPlan, { json }: RetainOptions): void {
  if (json === true) return say(JSON.stringify({ folder, ...plan, fates: plan.fates.length }, undefined, 2));
  planLines(lookOf(process.stdout), folder, plan).forEach(say);
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
  try {
    const parsed = JSON.parse(text) as readonly RetentionRule[] | { readonly rules: readonly RetentionRule[] };
    return 'rules' in parsed ? parsed.rules : parsed;
  } catch (error) {
    throw new Problem(`${file} holds no JSON array of rules: ${(error as Error).message}`);
  }
}

function numberOf(text: string, option: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new Problem(`${option} is a number from 0, not ${text}`);
}
