import type { Command } from 'commander';
import type { Filter, Place, QueryOptions } from '../../lib/index.ts';
import type { Duration } from '../../lib/plugin.ts';
import { Problem } from './problem.ts';

/** What `query` and `search` take from the command line, as it was typed. */
export interface SelectingOptions {
  readonly pattern?: string;
  readonly type?: string;
  readonly entity?: string;
  readonly correlation?: string;
  readonly where?: string;
  readonly from?: string;
  readonly to?: string;
  readonly order?: string;
  readonly limit?: string;
  readonly json?: boolean;
}

const LIMIT = 20;
const AGO = /^\d+(?:\.\d+)?\s*(?:ms|s|m|h|d|w)$/;
const DAY = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d+)?)?))?\s*(Z|[+-]\d\d:?\d\d)?$/;

/** Adds the options that say which events are meant. */
export function selecting(command: Command): Command {
  return command
    .option('--pattern <pattern>', "types that match, such as 'tool.*' or '**.failed'")
    .option('--type <types>', 'exact types, joined by commas')
    .option('--entity <entity>', "such as agent/7, or 'agent/*'")
    .option('--correlation <id>', 'events of one correlation')
    .option('--where <json>', `a filter, such as '{"payload.total":{"$gt":10}}'`)
    .option('--from <place>', 'a position, a time (2026-01-31T12:00, UTC), or how long ago (2h)')
    .option('--to <place>', 'up to here, inclusive')
    .option('--order <order>', 'newest or oldest first; default: newest')
    .option('--limit <n>', `how many at most, or all; default: ${LIMIT}`)
    .option('--json', 'print one JSON object a line');
}

/** The same as the bus takes it. Throws a `Problem` for what is no JSON, no place, no order and no number. */
export function parseSelecting(options: SelectingOptions): QueryOptions {
  const { pattern, type, entity, correlation, where, from, to, order = 'newest', limit } = options;
  if (order !== 'newest' && order !== 'oldest')
    throw new Problem(`--order is newest or oldest, not ${JSON.stringify(order)}`);
  return {
    ...(pattern !== undefined && { pattern }),
    ...(type !== undefined && { type: type.split(',').map((part) => part.trim()) }),
    ...(entity !== undefined && { entity }),
    ...(correlation !== undefined && { correlationId: correlation }),
    ...(where !== undefined && { where: parseWhere(where) }),
    ...(from !== undefined && { from: parsePlace(from, '--from') }),
    ...(to !== undefined && { to: parsePlace(to, '--to') }),
    ...(limit !== 'all' && { limit: parseCount(limit ?? String(LIMIT), '--limit') }),
    direction: order === 'newest' ? 'backward' : 'forward',
  };
}

/** A position, `earliest`, `latest`, a time in UTC unless it names its zone, or how long ago. Throws a `Problem`. */
export function parsePlace(text: string, option: string): Place {
  if (text === 'earliest' || text === 'latest') return text;
  if (/^\d+$/.test(text)) return Number(text);
  if (AGO.test(text)) return { ago: text as Duration };
  const [, day, time = '00:00', zone = 'Z'] = DAY.exec(text) ?? [];
  const date = new Date(`${day}T${time}${zone}`);
  if (day !== undefined && !Number.isNaN(date.getTime())) return date;
  throw new Problem(
    `${option} is a position, a time such as 2026-01-31T12:00 (UTC), or how long ago such as 2h, not ${JSON.stringify(text)}`,
  );
}

/** Throws a `Problem`. */
export function parseCount(text: string, option: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= 10_000) return count;
  throw new Problem(`${option} is a number from 1 to 10,000${option === '--limit' ? ' or all' : ''}, not ${text}`);
}

function parseWhere(text: string): Filter {
  try {
    return JSON.parse(text) as Filter;
  } catch (error) {
    throw new Problem(`--where is no JSON: ${(error as Error).message}`);
  }
}
