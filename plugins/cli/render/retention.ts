import type { RetentionPlan } from '../../../lib/index.ts';
import { bytes, counted, integer, moment } from './figures.ts';
import { bars, table } from './table.ts';
import { clean, cut, paint } from './text.ts';
import type { Look } from './text.ts';

const TYPES = 12;
const CHAINS = 5;

/** What `telltale retain <folder>` says: what goes by rule and by type, what keeps it back, what is odd about the rules. */
export function planLines(look: Look, folder: string, plan: RetentionPlan): string[] {
  const { keeps, removes, head, through } = plan;
  const part = through < head ? `, up to position ${integer(through)} of ${integer(head)}` : '';
  return [
    paint(look, 'bold', cut(`log ${clean(folder)}, as of ${moment(plan.at)} UTC${part}`, look.width)),
    `  ${counted(removes.events, 'event')} would go (${bytes(removes.bytes)}), ${integer(keeps.events)} stay (${bytes(keeps.bytes)})`,
    '',
    ...ruleTable(look, plan),
    ...typeBars(look, plan),
    ...heldBack(look, plan),
    ...plan.warnings.flatMap((warning) => ['', ...wrapped(look, clean(warning))]),
  ];
}

function ruleTable(look: Look, { keeps, removes }: RetentionPlan): string[] {
  const decided = removes.byRule.filter(
    ({ rule, keeps: stay, removes: go }) => rule !== undefined || stay.events + go.events > 0,
  );
  const rows = decided.map(({ rule, name, keeps: stay, removes: go }) => [
    rule === undefined ? '' : String(rule),
    clean(name),
    integer(go.events),
    bytes(go.bytes),
    integer(stay.events),
    bytes(stay.bytes),
  ]);
  const [events, size] = [sum(decided.map((rule) => rule.keeps.events)), sum(decided.map((rule) => rule.keeps.bytes))];
  const rest = ['', 'no rule', '0', '', integer(keeps.events - events), bytes(keeps.bytes - size)];
  const columns = [
    { title: '#', align: 'right' as const },
    { title: 'rule', shrink: 'end' as const },
    { title: 'goes', align: 'right' as const },
    { title: '', align: 'right' as const },
    { title: 'stays', align: 'right' as const },
    { title: '', align: 'right' as const },
  ];
  return table(look, columns, keeps.events > events ? [...rows, rest] : rows);
}

function typeBars(look: Look, { removes }: RetentionPlan): string[] {
  const types = Object.entries(removes.byType);
  if (types.length === 0) return [];
  const rows = types
    .slice(0, TYPES)
    .map(([type, { events, bytes: size }]) => [clean(type), size, `${integer(events)}  ${bytes(size)}`] as const);
  const more = types.length > TYPES ? [`  … and ${counted(types.length - TYPES, 'other type')}`] : [];
  return ['', paint(look, 'bold', 'goes, by type'), ...bars(look, rows), ...more];
}

function heldBack(
  look: Look,
  { heldBack: { chains, floors, letters, schedules, snapshots } }: RetentionPlan,
): string[] {
  const lines = [
    ...chains.slice(0, CHAINS).map(({ correlationId, events, bytes: size, heldBy }) => {
      const holder = heldBy === undefined ? 'one of its events' : `event ${integer(heldBy)}`;
      return `correlation ${clean(correlationId)}: ${counted(events, 'event')} (${bytes(size)}) until ${holder} may go`;
    }),
    ...floors.map(
      ({ name, position, events, bytes: size }) =>
        `${clean(name)}, come to position ${integer(position)}: ${counted(events, 'event')} (${bytes(size)})`,
    ),
    ...(letters.events > 0 ? [`open dead letters: ${counted(letters.events, 'event')}`] : []),
    ...(schedules.events > 0 ? [`open schedules: ${counted(schedules.events, 'event')}`] : []),
    ...(snapshots.events > 0 ? [`behind the last snapshot: ${counted(snapshots.events, 'event')}`] : []),
  ];
  if (lines.length === 0) return [];
  return ['', paint(look, 'bold', 'held back by'), ...lines.map((line) => cut(`  ${line}`, look.width))];
}

function wrapped(look: Look, text: string): string[] {
  const lines = [''];
  for (const word of `note: ${text}`.split(' ')) {
    const line = lines[lines.length - 1]!;
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length <= look.width || line === '') lines[lines.length - 1] = longer;
    else lines.push(`  ${word}`);
  }
  return lines.map((line) => paint(look, 'yellow', line));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
