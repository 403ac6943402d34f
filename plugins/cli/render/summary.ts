import type { Recall, TeamResult } from '../../../examples/team/index.ts';
import type { Report } from '../../../examples/team/report.ts';
import { bytes, counted, integer, milliseconds } from './figures.ts';
import { table } from './table.ts';
import { clean, cut, paint } from './text.ts';
import type { Look } from './text.ts';

export interface SummaryFacts {
  readonly look: Look;
  readonly result: TeamResult;
  readonly rebuilt: Recall & { readonly identical: boolean };
  /** One file's tree, drawn. */
  readonly story: readonly string[];
  readonly elapsedMs: number;
  /** Events stored in this run. */
  readonly stored: number;
  readonly folder: string;
  readonly command: (...words: string[]) => string;
}

const LISTED = 5;

/** What the demo says at its end. */
export function summary(facts: SummaryFacts): string[] {
  const { look, result, rebuilt, story, folder, command } = facts;
  const { report } = result;
  return [
    ...speed(facts),
    '',
    ...found(look, report),
    ...flags(look, report),
    ...longest(look, report),
    ...(story.length > 0
      ? [
          heading(look, cut(`one file's story: ${clean(rebuilt.storyPath ?? '')}`, look.width)),
          ...story.map((line) => `  ${line}`),
          '',
        ]
      : []),
    ...failures(facts),
    verdict(look, rebuilt),
    '',
    `log   ${clean(folder)}`,
    `next  ${command('show', folder)}`,
  ];
}

function speed({ result, elapsedMs, stored }: SummaryFacts): string[] {
  const { handled, earlier, deaths } = result;
  if (handled === 0) return [`nothing to do: all ${counted(earlier, 'file')} are in the log already`];
  const rate = integer((stored / elapsedMs) * 1_000);
  const lines = [
    `${counted(handled, 'file')} in ${milliseconds(elapsedMs)}: ${counted(stored, 'event')} stored, ${rate} events per second`,
  ];
  if (earlier > 0) lines.push(`${counted(earlier, 'file')} were in the log already`);
  if (deaths > 0) lines.push(`${counted(deaths, 'reader')} died and was replaced; its files went to another`);
  return lines;
}

function found(look: Look, report: Report): string[] {
  const columns = [
    { title: 'language', shrink: 'end' },
    { title: 'files', align: 'right' },
    { title: 'lines', align: 'right' },
  ] as const;
  const rows = report.languages.map(({ name, files, lines }) => [name, integer(files), integer(lines)]);
  const total = ['together', integer(report.read), integer(report.lines)];
  const details = `${counted(report.imports, 'import')}, ${counted(report.exports, 'export')}, ${counted(report.todos, 'TODO')}, ${bytes(report.bytes)}`;
  return [heading(look, 'what was found'), ...table(look, columns, [...rows, total]), `  ${details}`, ''];
}

function flags(look: Look, { flags: all }: Report): string[] {
  if (all.length === 0) return [heading(look, 'no file is over a limit'), ''];
  const columns = [
    { title: 'file', shrink: 'start' },
    { title: 'rule' },
    { title: 'found', align: 'right' },
    { title: 'limit', align: 'right' },
  ] as const;
  const worst = all.toSorted((a, b) => b.value / b.limit - a.value / a.limit).slice(0, LISTED);
  const rows = worst.map(({ path, rule, value, limit }) => [clean(path), rule, integer(value), integer(limit)]);
  const title = `over a limit: ${counted(all.length, 'flag')}${all.length > LISTED ? ` (the worst ${LISTED})` : ''}`;
  return [heading(look, title), ...table(look, columns, rows), ''];
}

function longest(look: Look, { longestFunctions }: Report): string[] {
  const [first] = longestFunctions;
  if (!first) return [];
  const place = `  ${clean(first.name)}, ${counted(first.lines, 'line')}: ${clean(first.path)}:${first.at}`;
  return [heading(look, 'the longest function'), cut(place, look.width), ''];
}

function failures({ look, result, rebuilt, folder, command }: SummaryFacts): string[] {
  const all = result.report.failures;
  if (all.length === 0) return ['no file failed', ''];
  const columns = [{ title: 'file', shrink: 'start' }, { title: 'reason' }] as const;
  const room = Math.floor(look.width / 2);
  const rows = all.slice(0, LISTED).map(({ path, reason }) => [clean(path), cut(clean(reason), room)]);
  return [
    paint(look, 'red', `${counted(all.length, 'file')} failed, which stopped nothing`),
    ...table(look, columns, rows),
    ...(all.length > LISTED ? [`  … and ${integer(all.length - LISTED)} more`] : []),
    ...(rebuilt.failure === undefined ? [] : [`  look at it: ${command('show', folder, rebuilt.failure)}`]),
    '',
  ];
}

function verdict(look: Look, { events, identical }: SummaryFacts['rebuilt']): string {
  const told = `report rebuilt from ${counted(events, 'stored event')}, no file opened: `;
  return told + (identical ? paint(look, 'green', 'identical') : paint(look, 'red', 'DIFFERENT'));
}

function heading(look: Look, text: string): string {
  return paint(look, 'bold', text);
}
