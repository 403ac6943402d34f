import type { Audit, Report, TeamResult } from '../../../examples/team/index.ts';
import { bytes, counted, integer, milliseconds } from './figures.ts';
import { table } from './table.ts';
import { clean, cut, paint, widthOf, wrap } from './text.ts';
import type { Look } from './text.ts';

/** What is shown of single files. */
export interface Story {
  readonly path: string;
  /** The tree of that file, drawn. */
  readonly lines: readonly string[];
  /** The correlation of the newest file that failed. */
  readonly failure: string | undefined;
}

export interface SummaryFacts {
  readonly look: Look;
  readonly result: TeamResult;
  readonly audit: Audit;
  readonly story: Story;
  /** Until the threads were there. */
  readonly startMs: number;
  /** From then on. */
  readonly workMs: number;
  /** Events stored in this run. */
  readonly stored: number;
  /** Comes behind the verdict. */
  readonly more: readonly string[];
  readonly folder: string;
  readonly command: (...words: string[]) => string;
}

const LISTED = 5;

/** What the demo says at its end. */
export function summary(facts: SummaryFacts): string[] {
  const { look, result, audit, story, more, folder, command } = facts;
  const { report } = result;
  return [
    ...speed(facts).flatMap((line) => wrap(line, look.width, 3)),
    '',
    ...found(look, report),
    ...flags(look, report),
    ...longest(look, report),
    ...(story.lines.length > 0
      ? [
          heading(look, cut(`one file's story: ${clean(story.path)}`, look.width)),
          ...story.lines.map((line) => `  ${line}`),
          '',
        ]
      : []),
    ...failures(facts),
    ...verdict(look, audit),
    ...more,
    '',
    `log   ${clean(folder)}`,
    `next  ${command('show', folder)}`,
  ];
}

function speed({ result, startMs, workMs, stored }: SummaryFacts): string[] {
  const { handled, earlier, deaths } = result;
  if (handled === 0 && earlier === 0) return ['nothing to do: there is no file in this folder'];
  if (handled === 0) return [`nothing to do: ${known(earlier)}`];
  const rate = integer((stored / workMs) * 1_000);
  const lines = [
    `${counted(handled, 'file')} in ${milliseconds(workMs)}, after ${milliseconds(startMs)} to start the threads`,
    `${counted(stored, 'event')} stored, ${rate} events per second`,
  ];
  if (earlier > 0) lines.push(`${counted(earlier, 'file')} known from earlier runs, not read again`);
  if (deaths > 0) lines.push(`${counted(deaths, 'reader')} died; others took over what was left undone`);
  return lines;
}

function known(files: number): string {
  return files === 1 ? 'the one file is in the log already' : `all ${integer(files)} files are in the log already`;
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
  const more = wrap(details, look.width - 2, 3).map((line) => `  ${line}`);
  return [heading(look, 'what was found'), ...table(look, columns, [...rows, total]), ...more, ''];
}

function flags(look: Look, { flagged, flags: worst }: Report): string[] {
  if (flagged === 0) return [heading(look, 'no file is over a limit'), ''];
  const columns = [
    { title: 'file', shrink: 'start' },
    { title: 'rule' },
    { title: 'found', align: 'right' },
    { title: 'limit', align: 'right' },
  ] as const;
  const rows = worst
    .slice(0, LISTED)
    .map(({ path, rule, value, limit }) => [clean(path), rule, integer(value), integer(limit)]);
  const title = `over a limit: ${counted(flagged, 'flag')}${flagged > LISTED ? ` (the worst ${LISTED})` : ''}`;
  return [heading(look, title), ...table(look, columns, rows), ''];
}

function longest(look: Look, { longestFunctions }: Report): string[] {
  const [first] = longestFunctions;
  if (!first) return [];
  const place = `  ${clean(first.name)}, ${counted(first.lines, 'line')}: ${clean(first.path)}:${first.at}`;
  return [heading(look, 'the longest function'), cut(place, look.width), ''];
}

function failures({ look, result, story, folder, command }: SummaryFacts): string[] {
  const { failed, failures: listed } = result.report;
  if (failed === 0) return ['no file failed', ''];
  const columns = [{ title: 'file', shrink: 'start' }, { title: 'reason' }] as const;
  const room = Math.floor(look.width / 2);
  const rows = listed.slice(0, LISTED).map(({ path, reason }) => [clean(path), cut(clean(reason), room)]);
  return [
    paint(look, 'red', `${counted(failed, 'file')} failed, which stopped nothing`),
    ...table(look, columns, rows),
    ...(failed > LISTED ? [`  … and ${integer(failed - LISTED)} more`] : []),
    ...(story.failure === undefined ? [] : [`  look at it: ${command('show', folder, story.failure)}`]),
    '',
  ];
}

function verdict(look: Look, { events, identical }: Audit): readonly string[] {
  const told = `report rebuilt from ${counted(events, 'stored event')}, no file opened: `;
  const verdictOf = identical ? paint(look, 'green', 'identical') : paint(look, 'red', 'DIFFERENT');
  if (widthOf(told + verdictOf) <= look.width) return [told + verdictOf];
  return [...wrap(told, look.width, 3), verdictOf];
}

function heading(look: Look, text: string): string {
  return paint(look, 'bold', text);
}
