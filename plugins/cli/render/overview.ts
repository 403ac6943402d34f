import type { Overview } from '../overview.ts';
import { counted, integer, milliseconds, moment } from './figures.ts';
import { bars, table } from './table.ts';
import { clean, cut, paint } from './text.ts';
import type { Look } from './text.ts';
import { isDeadLetter } from './tree.ts';

export interface OverviewFacts {
  readonly look: Look;
  readonly overview: Overview;
  readonly folder: string;
  readonly command: (...words: string[]) => string;
}

const TYPES = 14;

/** What `telltale show <folder>` says. */
export function overviewLines({ look, overview, folder, command }: OverviewFacts): string[] {
  const { events, newest } = overview;
  if (events === 0) return [...totals(look, overview, folder), '', 'no events yet'];
  return [
    ...totals(look, overview, folder),
    '',
    ...types(look, overview),
    '',
    ...newestCorrelations(look, overview),
    '',
    ...failures(look, overview),
    `next  ${command('show', folder, newest[0]?.correlationId ?? '')}`,
  ];
}

function totals(look: Look, overview: Overview, folder: string): string[] {
  const { events, correlations, moreCorrelations, position, durability, storedFrom, storedTo, notices } = overview;
  const more = moreCorrelations ? 'more than ' : '';
  const lines = [
    paint(look, 'bold', cut(`log ${clean(folder)}`, look.width)),
    `  ${counted(events, 'event')} in ${more}${counted(correlations, 'correlation')}, up to position ${integer(position)}`,
  ];
  if (storedFrom !== undefined && storedTo !== undefined)
    lines.push(`  stored ${moment(storedFrom)} to ${moment(storedTo)} UTC (durability ${durability})`);
  return [...lines, ...notices.map((notice) => paint(look, 'yellow', `  note: ${clean(notice)}`))];
}

function types(look: Look, { types: all }: Overview): string[] {
  const rows = all.slice(0, TYPES).map(({ type, events }) => [clean(type), events, integer(events)] as const);
  const more = all.length - rows.length;
  return [
    paint(look, 'bold', `by type (${integer(all.length)})`),
    ...bars(look, rows),
    ...(more > 0 ? [`  … and ${counted(more, 'more type', 'more types')}`] : []),
  ];
}

function newestCorrelations(look: Look, { newest }: Overview): string[] {
  const columns = [
    { title: 'correlation', shrink: 'end' },
    { title: 'events', align: 'right' },
    { title: 'took', align: 'right' },
    { title: 'newest type' },
    { title: '' },
  ] as const;
  const rows = newest.map(({ correlationId, events, tookMs, lastType, failed }) => [
    clean(correlationId),
    integer(events),
    tookMs === undefined ? 'no time' : milliseconds(tookMs),
    cut(clean(lastType), 22),
    failed > 0 ? paint(look, 'red', `✗ ${integer(failed)}`) : '',
  ]);
  return [paint(look, 'bold', 'newest correlations'), ...table(look, columns, rows)];
}

function failures(look: Look, { failed, deadLetters, failures: latest }: Overview): string[] {
  if (failed + deadLetters === 0) return ['no failures, no dead letters', ''];
  const lines = latest.flatMap(({ type, correlationId, reason }) => [
    `  ${cut(`✗ ${isDeadLetter({ type }) ? 'dead letter' : clean(type)}  ${clean(correlationId)}`, look.width - 2)}`,
    ...(reason === '' ? [] : [paint(look, 'dim', `    ${cut(clean(reason), look.width - 4)}`)]),
  ]);
  const counts = [
    ...(failed > 0 ? [counted(failed, 'failure')] : []),
    ...(deadLetters > 0 ? [counted(deadLetters, 'dead letter')] : []),
  ];
  return [
    paint(look, 'red', `${counts.join(' and ')}${failed + deadLetters > 1 ? ', the newest:' : ':'}`),
    ...lines,
    '',
  ];
}
