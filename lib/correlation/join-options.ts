import { toMs, type Duration } from '../duration.ts';
import { expected } from '../errors.ts';
import { parsePattern, type Pattern } from '../event/pattern.ts';
import { checkId } from '../event/identity.ts';
import { checkSignal, mustKnow } from '../parse-options.ts';

export interface JoinOptions {
  /** A pattern, or several: an event of the correlation that matches ends the join. */
  readonly failOn?: string | readonly string[];
  /** @default waits for ever */
  readonly timeout?: Duration;
  /** Failure, timeout and closing resolve with `complete: false` instead of rejecting. @default false */
  readonly partial?: boolean;
  readonly signal?: AbortSignal;
}

/** A pattern and how many events of it are wanted. */
export interface Want {
  readonly pattern: Pattern;
  readonly count: number;
}

export interface ParsedJoin {
  readonly correlationId: string;
  readonly wants: readonly Want[];
  readonly failOn: readonly Pattern[];
  readonly timeoutMs: number | undefined;
  readonly partial: boolean;
  readonly signal: AbortSignal | undefined;
}

const KNOWN = ['failOn', 'timeout', 'partial', 'signal'];

/** Throws `INVALID_ID`, `INVALID_OPTION`, `INVALID_PATTERN`, `INVALID_DURATION`. */
export function parseJoin(
  correlationId: string,
  wanted: Readonly<Record<string, number>>,
  options: JoinOptions = {},
): ParsedJoin {
  checkId(correlationId, 'the correlation to join');
  mustKnow(options, KNOWN, 'join');
  const { failOn = [], timeout, partial = false, signal } = options;
  if (typeof partial !== 'boolean') throw expected('INVALID_OPTION', '`partial`', 'true or false', partial);
  return {
    correlationId,
    wants: parseWanted(wanted),
    failOn: (Array.isArray(failOn) ? (failOn as readonly string[]) : [failOn]).map(parsePattern),
    timeoutMs: timeout === undefined ? undefined : toMs(timeout, 'timeout'),
    partial,
    signal: checkSignal(signal, 'join'),
  };
}

function parseWanted(wanted: unknown): readonly Want[] {
  if (!isObject(wanted) || Object.keys(wanted).length === 0)
    throw expected('INVALID_OPTION', 'what to join', "patterns with counts, such as { 'file.parsed': 3 }", wanted);
  return Object.entries(wanted).map(([text, count]) => {
    if (!Number.isSafeInteger(count) || (count as number) < 0)
      throw expected('INVALID_OPTION', `the count of \`${text}\``, 'an integer from 0', count);
    return { pattern: parsePattern(text), count: count as number };
  });
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
