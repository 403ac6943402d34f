import { expected } from '../errors.ts';
import { compileWildcard } from '../event/wildcard.ts';
import { compare, isSame } from './compare.ts';
import type { Field } from './field.ts';
import { checkList, checkScalar, checkValue } from './operand.ts';

/** Whether what an event has at a field satisfies an operator. `undefined` is: nothing is there. */
export type Test = (value: unknown) => boolean;

/** One operator with its operand, ready to be asked. */
export interface FieldTest {
  readonly operator: string;
  /** Checked, converted and copied. */
  readonly operand: unknown;
  /** The operand has a wildcard, so `operand` is more than one value. */
  readonly wild: boolean;
  readonly test: Test;
}

const MAX_LIKE_LENGTH = 4_096;

type Build = (field: Field, operand: unknown, place: string) => Omit<FieldTest, 'operator'>;

const BUILDERS: ReadonlyMap<string, Build> = new Map<string, Build>([
  ['$eq', buildEqual],
  ['$ne', (...given) => negated(buildEqual(...given))],
  ['$in', buildIn],
  ['$nin', (...given) => negated(buildIn(...given))],
  ['$gt', ordered((order) => order > 0)],
  ['$gte', ordered((order) => order >= 0)],
  ['$lt', ordered((order) => order < 0)],
  ['$lte', ordered((order) => order <= 0)],
  ['$exists', buildExists],
  ['$like', buildLike],
  ['$contains', buildContains],
]);

/** All operators on a field but `$not`, which is made of others. */
export const FIELD_OPERATORS: readonly string[] = [...BUILDERS.keys()];

/** `undefined` for an operator that does not exist. Throws `INVALID_FILTER`, `INVALID_PATTERN`, `INVALID_TIME`. */
export function buildTest(operator: string, field: Field, operand: unknown): FieldTest | undefined {
  const build = BUILDERS.get(operator);
  return build && { operator, ...build(field, operand, `\`${operator}\` of \`${field.path}\``) };
}

function buildEqual(field: Field, operand: unknown, place: string): Omit<FieldTest, 'operator'> {
  const value = checkValue(field.convert(operand), place);
  const matches = field.wildcard(value);
  if (matches !== undefined) return { operand: value, wild: true, test: matches };
  if (typeof value === 'object' && value !== null)
    return { operand: value, wild: false, test: (actual) => isSame(actual, value) };
  return { operand: value, wild: false, test: (actual) => actual === value };
}

function buildIn(field: Field, operand: unknown, place: string): Omit<FieldTest, 'operator'> {
  const options = checkList(operand, place).map((value, index) => buildEqual(field, value, `${place}[${index}]`));
  const values = options.map((option) => option.operand);
  const simple = options.every((option) => !option.wild && !(typeof option.operand === 'object' && option.operand));
  const set = new Set(values);
  return {
    operand: values,
    wild: options.some((option) => option.wild),
    test: simple ? (actual) => set.has(actual) : (actual) => options.some((option) => option.test(actual)),
  };
}

function ordered(accepts: (order: number) => boolean): Build {
  return (field, operand, place) => {
    const value = checkScalar(field.convert(operand), place);
    const test: Test = (actual) => {
      const order = compare(actual, value);
      return order !== undefined && accepts(order);
    };
    return { operand: value, wild: false, test };
  };
}

function buildExists(_field: Field, operand: unknown, place: string): Omit<FieldTest, 'operator'> {
  if (typeof operand !== 'boolean') throw expected('INVALID_FILTER', place, 'true or false', operand);
  return { operand, wild: false, test: (actual) => (actual !== undefined) === operand };
}

function buildLike(_field: Field, operand: unknown, place: string): Omit<FieldTest, 'operator'> {
  if (typeof operand !== 'string' || operand.length > MAX_LIKE_LENGTH)
    throw expected('INVALID_FILTER', place, `a string of at most ${MAX_LIKE_LENGTH} characters`, operand);
  const matches = compileWildcard(operand, place);
  return { operand, wild: false, test: (actual) => typeof actual === 'string' && matches(actual) };
}

function buildContains(_field: Field, operand: unknown, place: string): Omit<FieldTest, 'operator'> {
  const value = checkScalar(operand, place);
  const test: Test = (actual) => {
    if (typeof actual === 'string') return typeof value === 'string' && actual.includes(value);
    return Array.isArray(actual) && actual.includes(value);
  };
  return { operand: value, wild: false, test };
}

// What is missing satisfies the negation: it is not equal to anything.
function negated(built: Omit<FieldTest, 'operator'>): Omit<FieldTest, 'operator'> {
  return { ...built, test: (actual) => !built.test(actual) };
}
