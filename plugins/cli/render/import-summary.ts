import type { Example, ImportResult } from '../import-stream.ts';
import { counted, integer, milliseconds } from './figures.ts';
import { bars } from './table.ts';
import { clean, cut, paint, wrap } from './text.ts';
import type { Look } from './text.ts';

export interface LargestCorrelation {
  readonly correlationId: string;
  readonly events: number;
  /** Drawn. */
  readonly tree: readonly string[];
}

export interface ImportSummaryFacts {
  readonly look: Look;
  readonly result: ImportResult;
  readonly dangling: number;
  readonly largest: LargestCorrelation | undefined;
  readonly elapsedMs: number;
  readonly folder: string;
  readonly command: (...words: string[]) => string;
}

const TYPES = 14;

/** What an import says at its end. */
export function importSummary(facts: ImportSummaryFacts): string[] {
  const { look, result, largest, folder, command } = facts;
  return [
    ...totals(facts),
    '',
    ...types(look, result),
    ...(largest ? largestTree(facts, largest) : []),
    ...failures(look, result),
    ...remarks(facts),
    ...refusals(look, result),
    `log   ${clean(folder)}`,
    `next  ${command('show', folder)}`,
  ];
}

function totals({ result, elapsedMs }: ImportSummaryFacts): string[] {
  const { lines, stored, duplicates, refused } = result;
  const rate = integer((lines / Math.max(1, elapsedMs)) * 1_000);
  return [
    `${counted(lines, 'line')} in ${milliseconds(elapsedMs)}, ${rate} a second`,
    `  ${integer(stored)} stored · ${counted(duplicates, 'duplicate')} · ${integer(refused)} refused`,
  ];
}

function types(look: Look, { types: tally }: ImportResult): string[] {
  const rows = tally.top(TYPES).map(([type, count]) => [clean(type), count, integer(count)] as const);
  const more = tally.size - rows.length;
  return [
    paint(look, 'bold', `lines by type (${counted(tally.size, 'type')})`),
    ...bars(look, rows),
    ...(more > 0 ? [`  … and ${counted(more, 'more type', 'more types')}`] : []),
    '',
  ];
}

function largestTree(facts: ImportSummaryFacts, { correlationId, events, tree }: LargestCorrelation): string[] {
  const { look, result, folder, command } = facts;
  const { size, overflow } = result.correlations;
  const of = overflow > 0 ? `the first ${integer(size)} correlations` : counted(size, 'correlation');
  return [
    paint(look, 'bold', `the largest of ${of}: ${counted(events, 'event')}`),
    ...tree.map((line) => `  ${line}`),
    `  all of it: ${command('show', folder, correlationId)}`,
    '',
  ];
}

function failures(look: Look, { failures: { count, examples } }: ImportResult): string[] {
  if (count === 0) return ['no event tells a failure (type *.failed)', ''];
  return [
    paint(look, 'red', `${counted(count, 'failure')} told by the log itself (type *.failed)`),
    ...examples.flatMap((example) => exampleLines(look, example)),
    ...rest(count, examples),
    '',
  ];
}

function remarks({ result, dangling }: ImportSummaryFacts): string[] {
  const lines = [];
  if (result.withoutTime > 0)
    lines.push(`${counted(result.withoutTime, 'line')} had no time: stored with the time of import`);
  if (dangling > 0)
    lines.push(
      `${counted(dangling, 'event names', 'events name')} a cause that is not in the log: kept, shown as first events`,
    );
  return lines.length > 0 ? [...lines, ''] : [];
}

function refusals(look: Look, { refused, refusals: byCode }: ImportResult): string[] {
  if (refused === 0) return ['no line was refused', ''];
  const groups = [...byCode].toSorted(([, a], [, b]) => b.count - a.count);
  return [
    paint(look, 'yellow', `${counted(refused, 'line was', 'lines were')} refused, each kept as a dead letter`),
    ...groups.flatMap(([code, { count, examples }]) => [
      `  ${integer(count)} × ${code}`,
      ...examples.flatMap((example) => exampleLines(look, example).map((line) => `  ${line}`)),
      ...rest(count, examples).map((line) => `  ${line}`),
    ]),
    '',
  ];
}

function exampleLines(look: Look, { line, id, type, reason }: Example): string[] {
  const room = look.width - 6;
  const head = [`line ${line}`, type, id]
    .filter((word) => word !== '')
    .map(clean)
    .join('  ');
  return [`  ${cut(head, room)}`, ...wrap(clean(reason), room, 3).map((text) => paint(look, 'dim', `    ${text}`))];
}

function rest(count: number, examples: readonly Example[]): string[] {
  return count > examples.length ? [`  … and ${integer(count - examples.length)} more`] : [];
}
