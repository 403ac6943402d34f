import { expected, TelltaleError } from '../../errors.ts';
import { checkEntity } from '../../event/identity.ts';
import { parsePattern } from '../../event/pattern.ts';
import type { Place } from '../../event/place.ts';
import { checkType } from '../../event/type-name.ts';
import { compileFilter } from '../../filter/compile.ts';
import type { Filter } from '../../filter/language.ts';
import { checkSignal, mustKnow } from '../../parse-options.ts';
import { checkPlace } from './resolve-place.ts';

/**
 * Which stored events are meant. All conditions must hold; none means all events but those of the bus itself, whose types
 * begin with `$`: these need a `pattern`, a `type` or an `entity` that names them.
 */
export interface Selection {
  /** Over types: `task.*`. Reserved types need a pattern that names them: `$bus.**`. */
  readonly pattern?: string;
  /** One type or several, exactly. */
  readonly type?: string | readonly string[];
  /** `kind/id`, or `kind/*` for every entity of the kind. */
  readonly entity?: string;
  readonly correlationId?: string;
  readonly where?: Filter;
  /** From here, inclusive. Times mean the event's own `time`. */
  readonly from?: Place;
  /** From behind here; excludes `from`. */
  readonly after?: Place;
  /** Up to here, inclusive. @default the newest event at the call */
  readonly to?: Place;
  /** Ends a long read with `ABORTED`. */
  readonly signal?: AbortSignal;
}

/** A selection that has been checked. */
export interface ParsedSelection {
  /** All conditions in one; `undefined` when there are none. */
  readonly where: Filter | undefined;
  /** Nothing names events of the bus itself, so they are left out. */
  readonly withoutReserved: boolean;
  readonly from: Place | undefined;
  readonly after: Place | undefined;
  readonly to: Place | undefined;
  readonly signal: AbortSignal | undefined;
}

/** The keys of `Selection`, for calls that take more beside them. */
export const SELECTION = ['pattern', 'type', 'entity', 'correlationId', 'where', 'from', 'after', 'to', 'signal'];

/**
 * Checks the keys of a selection among `options`, of which `more` are the caller's own; `callee` names the call.
 * Throws `INVALID_QUERY` and what its parts throw (`INVALID_PATTERN`, `INVALID_TYPE`, `INVALID_ENTITY`, `INVALID_FILTER`,
 * `INVALID_PLACE` …).
 */
export function parseSelection(options: Selection, callee: string, more: readonly string[] = []): ParsedSelection {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw expected('INVALID_QUERY', `the argument of \`${callee}\``, 'an object of options', options);
  mustKnow(options, [...SELECTION, ...more], callee, 'INVALID_QUERY');
  const { from, after, to } = options;
  const signal = checkSignal(options.signal, callee, 'INVALID_QUERY');
  if (from !== undefined && after !== undefined)
    throw new TelltaleError(
      'INVALID_QUERY',
      'expected `from` or `after`, got both: one includes its place, the other does not',
    );
  const where = filterOf(options);
  for (const [name, place] of Object.entries({ from, after, to })) if (place !== undefined) checkPlace(place, name);
  const { pattern, type, entity } = options;
  const withoutReserved = pattern === undefined && type === undefined && entity === undefined;
  return { where, withoutReserved, from, after, to, signal };
}

function filterOf({ pattern, type, entity, correlationId, where }: Selection): Filter | undefined {
  const conditions: Filter[] = [];
  if (pattern !== undefined) conditions.push({ type: parsePattern(pattern).text });
  if (type !== undefined) conditions.push({ type: { $in: (Array.isArray(type) ? type : [type]).map(checkType) } });
  if (entity !== undefined) conditions.push({ entity: checkEntity(entity, '"kind/id" or "kind/*"') });
  if (correlationId !== undefined) conditions.push({ correlationId: text(correlationId, 'correlationId') });
  if (where !== undefined) {
    compileFilter(where);
    conditions.push(where);
  }
  return conditions.length > 1 ? { $and: conditions } : conditions[0];
}

function text(value: unknown, name: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw expected('INVALID_QUERY', `\`${name}\``, 'a non-empty string', value);
}
