import { expected } from '../errors.ts';
import { mustKnow } from '../parse-options.ts';
import type { RetentionRule } from './rule.ts';
import { parseRules, type ParsedRule } from './rules.ts';

export interface PreviewOptions {
  /** Other rules than those of the bus, to see what they would do. */
  readonly rules?: readonly RetentionRule[];
  /** Decides about events behind this position, where a log has more than one plan holds. @default 0 */
  readonly after?: number;
  readonly signal?: AbortSignal;
}

/** Throws `INVALID_OPTION` and what rules throw. */
export function parsePreview(
  given: unknown,
  own: readonly ParsedRule[],
): { readonly rules: readonly ParsedRule[]; readonly after: number; readonly signal?: AbortSignal } {
  if (given === undefined) return { rules: own, after: 0 };
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw expected('INVALID_OPTION', 'the argument of `retention.preview`', 'an object', given);
  mustKnow(given, ['rules', 'after', 'signal'], 'retention.preview');
  const { rules, after = 0, signal } = given as PreviewOptions;
  if (!(Number.isSafeInteger(after) && after >= 0))
    throw expected('INVALID_OPTION', '`after` of `retention.preview`', 'a position from 0', after);
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw expected('INVALID_OPTION', '`signal` of `retention.preview`', 'an AbortSignal', signal);
  return { rules: rules === undefined ? own : parseRules(rules), after, ...(signal && { signal }) };
}
