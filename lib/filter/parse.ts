import { expected } from '../errors.ts';
import { parseField, type Field } from './field.ts';
import { checkList, isPlainObject, unknownOperator } from './operand.ts';
import { buildTest, FIELD_OPERATORS, type FieldTest } from './operators.ts';

/** A filter, checked and taken apart. It shares nothing with the object it was made from. */
export type Condition =
  | { readonly kind: 'all' | 'any'; readonly conditions: readonly Condition[] }
  | { readonly kind: 'not'; readonly condition: Condition }
  | ({ readonly kind: 'field'; readonly field: Field } & FieldTest);

const LOGIC = ['$and', '$or', '$not'];
const MAX_DEPTH = 32;
const MAX_CONDITIONS = 10_000;

/** Throws `INVALID_FILTER`, `INVALID_PATH`, `INVALID_PATTERN`, `INVALID_TIME`. */
export function parseFilter(where: unknown): Condition {
  return parseObject(where, { place: 'the filter', depth: 0, budget: { left: MAX_CONDITIONS } });
}

interface Position {
  readonly place: string;
  readonly depth: number;
  readonly budget: { left: number };
}

function parseObject(where: unknown, at: Position): Condition {
  spend(at);
  if (!isPlainObject(where)) throw expected('INVALID_FILTER', at.place, 'an object of fields and conditions', where);
  return all(Object.entries(where).map(([key, value]) => parseMember(key, value, at)));
}

function parseMember(key: string, value: unknown, at: Position): Condition {
  if (key === '$not') return { kind: 'not', condition: parseObject(value, under(at, '`$not`')) };
  if (key === '$and' || key === '$or') return parseList(key, value, at);
  if (key.startsWith('$')) throw unknownOperator(key, `of ${at.place}`, LOGIC);
  return parseOperators(parseField(key), value, under(at, `\`${key}\``));
}

function parseList(key: '$and' | '$or', value: unknown, at: Position): Condition {
  const conditions = checkList(value, `\`${key}\``).map((member, index) =>
    parseObject(member, under(at, `\`${key}[${index}]\``)),
  );
  return { kind: key === '$and' ? 'all' : 'any', conditions };
}

function parseOperators(field: Field, value: unknown, at: Position): Condition {
  spend(at);
  if (!isPlainObject(value)) return fieldTest(field, '$eq', value);
  const keys = Object.keys(value);
  if (!keys.some((key) => key.startsWith('$'))) return fieldTest(field, '$eq', value);
  return all(
    keys.map((key) => {
      if (key !== '$not') return fieldTest(field, key, value[key]);
      return { kind: 'not', condition: parseOperators(field, value[key], under(at, at.place)) };
    }),
  );
}

function fieldTest(field: Field, operator: string, operand: unknown): Condition {
  const test = buildTest(operator, field, operand);
  if (test === undefined) throw unknownOperator(operator, `on \`${field.path}\``, [...FIELD_OPERATORS, '$not']);
  return { kind: 'field', field, ...test };
}

function all(conditions: readonly Condition[]): Condition {
  return conditions.length === 1 ? conditions[0]! : { kind: 'all', conditions };
}

function under(at: Position, place: string): Position {
  return { ...at, place, depth: at.depth + 1 };
}

// A filter may come from outside: neither its depth nor its width may hold the loop or break the stack.
function spend({ place, depth, budget }: Position): void {
  if (depth > MAX_DEPTH) throw expected('INVALID_FILTER', place, `at most ${MAX_DEPTH} levels deep`, depth);
  if (--budget.left < 0)
    throw expected('INVALID_FILTER', 'the filter', `at most ${MAX_CONDITIONS} conditions`, MAX_CONDITIONS + 1);
}
