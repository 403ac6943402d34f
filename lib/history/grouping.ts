import { expected } from '../errors.ts';
import { canonicalJson } from '../event/content-hash.ts';
import type { StoredEvent } from '../event/event.ts';
import { parseField, type Field } from '../filter/field.ts';

/** What an event is grouped by: the values, and a text that is the same exactly where they are. */
export interface GroupKey {
  readonly values: readonly unknown[];
  readonly text: string;
}

export interface Grouping {
  readonly paths: readonly string[];
  of(event: StoredEvent): GroupKey;
}

const MAX_PATHS = 8;
const EMPTY: GroupKey = { values: [], text: '' };
const ONE_GROUP: Grouping = { paths: [], of: () => EMPTY };

/** Parses `by`: one path or several. Throws `INVALID_QUERY`, `INVALID_PATH`. */
export function parseGrouping(by: unknown): Grouping {
  if (by === undefined) return ONE_GROUP;
  const paths = Array.isArray(by) ? (by as readonly unknown[]) : [by];
  if (paths.length === 0 || paths.length > MAX_PATHS || !paths.every((path) => typeof path === 'string'))
    throw expected('INVALID_QUERY', '`by`', `a path or an array of 1 to ${MAX_PATHS} paths`, by);
  const fields = paths.map((path) => parsePathOf(path, 'by'));
  return {
    paths: fields.map(({ path }) => path),
    of: (event) => keyOf(fields.map((field) => field.read(event))),
  };
}

export function keyOf(values: readonly unknown[]): GroupKey {
  return { values, text: values.map(keyText).join() };
}

/** A path into an event as an option has it. Throws `INVALID_QUERY`, `INVALID_PATH`. */
export function parsePathOf(path: string, option: string): Field {
  return parseField(path, 'INVALID_QUERY', `\`${option}\``);
}

/** JSON, or nothing for what is missing: so a missing value is another key than null, and `1` another than `'1'`. */
export function keyText(value: unknown): string {
  return value === undefined ? '' : canonicalJson(value);
}
