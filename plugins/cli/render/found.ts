import type { FoundCorrelation, FoundEvent } from '../look-up.ts';
import { treeLines } from '../correlation-tree.ts';
import { counted, milliseconds, moment } from './figures.ts';
import { clean, cut, paint } from './text.ts';
import type { Look } from './text.ts';
import { isFailure, isWithoutTime } from './tree.ts';

export interface FoundFacts {
  readonly look: Look;
  readonly folder: string;
  readonly command: (...words: string[]) => string;
}

const TREE = 200;
const PAYLOAD_LINES = 40;

/** A whole correlation: what it came to, and its tree. */
export function correlationLines({ look }: FoundFacts, { correlationId, events }: FoundCorrelation): string[] {
  const times = events.filter((event) => !isWithoutTime(event)).map(({ time }) => time);
  const [from, to] = [Math.min(...times), Math.max(...times)];
  const failed = events.filter(isFailure).length;
  const when = times.length === 0 ? '' : `, began ${moment(from)} UTC, took ${milliseconds(to - from)}`;
  return [
    paint(look, 'bold', cut(`correlation ${clean(correlationId)}`, look.width)),
    `  ${counted(events.length, 'event')}${when}`,
    ...(failed > 0 ? [paint(look, 'red', `  ${counted(failed, 'failure')}, marked ✗`)] : []),
    '',
    ...treeLines(events, { look, limit: TREE }).map((line) => `  ${line}`),
  ];
}

/** One event: its record, what it came from, what it led to. */
export function eventLines({ look, folder, command }: FoundFacts, { event, causes, effects }: FoundEvent): string[] {
  const { type, id, source, entity, time, storedAt, position, revision, correlationId, causationId } = event;
  const fields: readonly (readonly [string, string | undefined])[] = [
    ['id', id],
    ['source', source],
    ['entity', entity === undefined ? undefined : `${entity} (revision ${revision})`],
    ['time', isWithoutTime(event) ? `none; stored ${exactly(storedAt)}` : exactly(time)],
    ['stored', `position ${position}, ${exactly(storedAt)}`],
    ['correlation', correlationId],
    ['cause', causationId === undefined ? 'none, it is a first event' : causeText(causationId, causes.at(-1)?.id)],
  ];
  return [
    paint(look, isFailure(event) ? 'red' : 'bold', `${isFailure(event) ? '✗ ' : ''}${clean(type)}`),
    ...fields.flatMap(([name, value]) => (value === undefined ? [] : [`  ${name.padEnd(12)} ${clean(value)}`])),
    '',
    ...json(look, 'payload', event.payload),
    ...(Object.keys(event.metadata).length > 0 ? json(look, 'metadata', event.metadata) : []),
    ...(causes.length > 0
      ? [paint(look, 'bold', 'came from'), ...indent(treeLines(causes, { look, limit: 20 })), '']
      : []),
    ...(effects.length > 1
      ? [paint(look, 'bold', 'led to'), ...indent(treeLines(effects, { look, limit: TREE })), '']
      : []),
    `all of it  ${command('show', folder, correlationId)}`,
  ];
}

function json(look: Look, title: string, value: unknown): string[] {
  const lines = JSON.stringify(value, undefined, 2).split('\n');
  const shown = lines.slice(0, PAYLOAD_LINES).map((line) => `  ${cut(clean(line), look.width - 2)}`);
  const more = lines.length - shown.length;
  const rest = more > 0 ? [`  … and ${counted(more, 'more line')} (--json shows all)`] : [];
  return [paint(look, 'bold', title), ...shown, ...rest, ''];
}

function causeText(causationId: string, known: string | undefined): string {
  return causationId === known ? causationId : `${causationId} (not in this log)`;
}

function exactly(epochMs: number): string {
  const date = new Date(epochMs);
  return Number.isNaN(date.getTime()) ? String(epochMs) : date.toISOString();
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}
