import { isWellFormed } from '../event/well-formed.ts';
import type { FilterHints } from '../filter/hints.ts';
import { parseFilter } from '../filter/parse.ts';
import type { Condition } from '../filter/parse.ts';
import type { PageHints, StoreSupports } from '../store/port.ts';

/** Takes a value and answers its placeholder. Text never gets into a statement otherwise. */
export type Bind = (value: unknown) => string;

/** How a database says what all of them can. Columns are those of `EventRow`. */
export interface Dialect {
  /** The placeholder of the parameter with this number, from 1: `?` or `$1`. */
  parameter(number: number): string;
  /** Whether the column has one of these, at least one: `type IN (?, ?)` or `type = ANY($1)`. */
  anyOf(column: string, values: readonly unknown[], bind: Bind): string;
  /** A number to be compared with any column of numbers, where its placeholder alone has too narrow a type. */
  number?(value: number, bind: Bind): string;
  /** A text column as it is compared by bytes: `entity COLLATE "C"`. */
  bytes(column: string): string;
  /** Holds for every event with one of these at a path into payload or metadata; `undefined`: no such condition. */
  path?(path: string, values: readonly unknown[], bind: Bind): string | undefined;
}

/** A condition in SQL. It is a superset: every event that satisfies the query satisfies it. */
export interface Conditions {
  /** Without `WHERE`; empty where nothing narrows. */
  readonly sql: string;
  readonly parameters: readonly unknown[];
  /** It holds for no other events: there is nothing left to be filtered. Words count for nothing. */
  readonly isExact: boolean;
  /** The field that narrows most, as `Page.index` names it: `id`, `entity`, `payload.total` …; absent: none does. */
  readonly index?: string;
}

// oxfmt-ignore
const PUSHED_DOWN: StoreSupports['pushdown'] =
  ['ids', 'types', 'entity', 'entityKind', 'correlationId', 'causationId', 'time', 'equals', 'where'];

/** What a store narrows that asks by `conditionsOf`, and has an index of texts or has not. */
export function pushdownOf({ search }: { readonly search: boolean }): StoreSupports['pushdown'] {
  return search ? [...PUSHED_DOWN, 'words'] : PUSHED_DOWN;
}

/** Part of a condition, and whether it holds for exactly those events that satisfy the filter. */
interface Part {
  readonly sql: string;
  readonly exact: boolean;
}

type FieldCondition = Extract<Condition, { readonly kind: 'field' }>;

const TEXTS: Readonly<Record<string, string>> = {
  id: 'id',
  type: 'type',
  source: 'source',
  entity: 'entity',
  correlationId: 'correlation_id',
  causationId: 'causation_id',
};
const NUMBERS: Readonly<Record<string, string>> = {
  time: 'time',
  position: 'position',
  revision: 'revision',
  storedAt: 'stored_at',
  schemaVersion: 'schema_version',
};
const NULLABLE: ReadonlySet<string> = new Set(['entity', 'causation_id']);
const ORDERS: Readonly<Record<string, string>> = { $gt: '>', $gte: '>=', $lt: '<', $lte: '<=' };
const NOTHING = '1 = 0';
/** Past this many values in one condition the database spends longer on the list than on the events. */
const MAX_VALUES = 1_000;
/**
 * What a statement may have in all: databases take 32,766 parameters or 65,535, and SQLite expressions of depth 1,000.
 * What does not fit is left to the filter.
 */
const MAX_PARAMETERS = 10_000;
const MAX_TERMS = 1_000;

/**
 * What of a query the database can decide by itself; the range of positions is the store's own matter. The hints are
 * those of `withHints`. `number` is that of the first parameter, from 1.
 */
export function conditionsOf(query: PageHints, dialect: Dialect, number = 1): Conditions {
  const parameters: unknown[] = [];
  const bind: Bind = (value) => dialect.parameter(number - 1 + parameters.push(value));
  const translation = new Translation(dialect, bind, parameters);
  const parts = translation.hints(query);
  const where = query.where === undefined ? undefined : translation.filter(parseFilter(query.where));
  if (where !== undefined) parts.push(where.sql);
  const index = indexOf(query);
  // Where there is a filter, equalities are but a part of it.
  const isExact = query.where === undefined ? query.equals === undefined : where?.exact === true;
  return {
    sql: joined(parts, 'AND'),
    parameters,
    isExact: isExact && !translation.isCut,
    ...(index !== undefined && { index }),
  };
}

class Translation {
  readonly #dialect: Dialect;
  readonly #bind: Bind;
  readonly #bound: unknown[];
  #terms = 0;
  /** A hint other than an equality, which is but a part of the filter, did not fit. */
  isCut = false;

  constructor(dialect: Dialect, bind: Bind, bound: unknown[]) {
    this.#dialect = dialect;
    this.#bind = bind;
    this.#bound = bound;
  }

  hints(hints: PageHints): string[] {
    const { ids, types, entity, correlationId, causationId, time } = hints;
    this.isCut = !isShort(ids) || !isShort(types);
    const parts: (string | undefined)[] = [
      this.#among('id', ids),
      this.#among('correlation_id', one(correlationId)),
      this.#among('causation_id', one(causationId)),
      this.#among('entity', one(entity)),
      hints.entityKind === undefined ? undefined : this.#beginsWith('entity', `${hints.entityKind}/`),
      this.#among('type', types),
      time?.from === undefined ? undefined : `time >= ${this.#bind(time.from)}`,
      time?.to === undefined ? undefined : `time <= ${this.#bind(time.to)}`,
      ...(hints.equals ?? []).map((equality) => this.#fitting(() => this.#equality(equality))),
    ];
    return parts.filter((part) => part !== undefined);
  }

  /** `undefined` where the database cannot tell anything; what was bound for it is given up. */
  filter(condition: Condition): Part | undefined {
    return this.#fitting(() => this.#translate(condition));
  }

  #fitting<T>(translate: () => T | undefined): T | undefined {
    const mark = { bound: this.#bound.length, terms: this.#terms };
    this.#terms++;
    const part = translate();
    if (part !== undefined && this.#bound.length <= MAX_PARAMETERS && this.#terms <= MAX_TERMS) return part;
    this.#bound.length = mark.bound;
    this.#terms = mark.terms;
    return undefined;
  }

  #translate(condition: Condition): Part | undefined {
    if (condition.kind === 'field') return this.#field(condition);
    if (condition.kind === 'not') {
      const part = this.filter(condition.condition);
      // What is only a superset says nothing about its opposite.
      return part?.exact === true ? { sql: `NOT (${part.sql})`, exact: true } : undefined;
    }
    const known: Part[] = [];
    for (const member of condition.conditions) {
      const part = this.filter(member);
      if (part !== undefined) known.push(part);
      // One member more than the database knows of may hold.
      else if (condition.kind === 'any') return undefined;
    }
    const exact = known.length === condition.conditions.length && known.every((part) => part.exact);
    const parts = known.map(({ sql }) => `(${sql})`);
    if (condition.kind === 'all') return known.length === 0 ? undefined : { sql: joined(parts, 'AND'), exact };
    return { sql: known.length === 0 ? NOTHING : `(${joined(parts, 'OR')})`, exact };
  }

  #field({ field, operator, operand, wild }: FieldCondition): Part | undefined {
    const text = TEXTS[field.path];
    const column = text ?? NUMBERS[field.path];
    if (column === undefined) return undefined;
    const isOfColumn = (value: unknown): boolean => typeof value === (text === undefined ? 'number' : 'string');
    if (wild) return this.#wild(field.path, operator, operand);
    if (operator === '$exists') return existence(column, operand as boolean);
    if (operator in ORDERS && isOfColumn(operand) && isStorable(operand))
      return this.#ordered(column, operator, operand);
    const values = operator === '$eq' || operator === '$ne' ? [operand] : operand;
    if (!['$eq', '$ne', '$in', '$nin'].includes(operator) || !Array.isArray(values)) return undefined;
    // Nothing of another type is ever equal.
    const fitting = values.filter((value) => isOfColumn(value) && isStorable(value));
    if (fitting.length > MAX_VALUES) return undefined;
    const sql = fitting.length === 0 ? NOTHING : `(${this.#present(column)}${this.#anyOf(column, fitting)})`;
    return { sql: operator === '$eq' || operator === '$in' ? sql : `NOT ${sql}`, exact: true };
  }

  #ordered(column: string, operator: string, operand: unknown): Part {
    const side = typeof operand === 'string' ? this.#dialect.bytes(column) : column;
    return { sql: `(${this.#present(column)}${side} ${ORDERS[operator]} ${this.#value(operand)})`, exact: true };
  }

  #wild(path: string, operator: string, operand: unknown): Part | undefined {
    if (operator !== '$eq' || typeof operand !== 'string') return undefined;
    if (!isStorable(operand)) return { sql: NOTHING, exact: true };
    // `kind/*`
    if (path === 'entity') return { sql: this.#beginsWith('entity', operand.slice(0, -1)), exact: true };
    return path === 'type' ? this.#pattern(operand) : undefined;
  }

  #pattern(pattern: string): Part | undefined {
    const [prefix = '', stars, rest] = /^(.*?)(?:^|\.)(\*\*?)($|\..*$)/.exec(pattern)?.slice(1) ?? [];
    if (stars === undefined) return undefined;
    if (prefix === '')
      return rest === '' && stars === '**' ? { sql: `NOT ${this.#beginsWith('type', '$')}`, exact: true } : undefined;
    if (rest !== '') return { sql: this.#beginsWith('type', prefix), exact: false };
    // Placeholders come in the order in which they are bound.
    if (stars === '**') {
      const itself = `type = ${this.#bind(prefix)}`;
      return { sql: `(${itself} OR ${this.#beginsWith('type', `${prefix}.`)})`, exact: true };
    }
    const dots = `length(type) - length(replace(type, '.', '')) = ${prefix.split('.').length}`;
    return { sql: `(${this.#beginsWith('type', `${prefix}.`)} AND ${dots})`, exact: true };
  }

  #among(column: string, values: readonly unknown[] | undefined): string | undefined {
    if (values === undefined || values.length > MAX_VALUES) return undefined;
    const storable = values.filter(isStorable);
    return storable.length === 0 ? NOTHING : this.#anyOf(column, storable);
  }

  #value(value: unknown): string {
    const number = typeof value === 'number' ? this.#dialect.number?.(value, this.#bind) : undefined;
    return number ?? this.#bind(value);
  }

  #anyOf(column: string, values: readonly unknown[]): string {
    if (values.length === 1) return `${column} = ${this.#value(values[0])}`;
    return this.#dialect.anyOf(column, values, this.#bind);
  }

  /** `prefix` ends with an ASCII character, so that its successor is the end of the range. */
  #beginsWith(column: string, prefix: string): string {
    if (!isStorable(prefix)) return NOTHING;
    const last = prefix.charCodeAt(prefix.length - 1);
    if (last >= 0x7f) return `${column} IS NOT NULL`;
    const end = prefix.slice(0, -1) + String.fromCharCode(last + 1);
    const bytes = this.#dialect.bytes(column);
    return `(${this.#present(column)}${bytes} >= ${this.#bind(prefix)} AND ${bytes} < ${this.#bind(end)})`;
  }

  #equality({ path, values }: NonNullable<FilterHints['equals']>[number]): string | undefined {
    if (values.length > MAX_VALUES) return undefined;
    if (path === 'source')
      return this.#among(
        'source',
        values.filter((value) => typeof value === 'string'),
      );
    const storable = values.filter(isStorable);
    return storable.length === 0 || !isStorable(path) ? NOTHING : this.#dialect.path?.(path, storable, this.#bind);
  }

  // Two-valued, so that a negation holds for what is missing.
  #present(column: string): string {
    return NULLABLE.has(column) ? `${column} IS NOT NULL AND ` : '';
  }
}

function existence(column: string, wanted: boolean): Part {
  if (NULLABLE.has(column)) return { sql: `${column} IS ${wanted ? 'NOT ' : ''}NULL`, exact: true };
  return { sql: wanted ? '1 = 1' : NOTHING, exact: true };
}

/** No event has a text that admission refuses, and a database may refuse it in a statement or take it for another. */
function isStorable(value: unknown): boolean {
  return typeof value !== 'string' || isWellFormed(value);
}

/** A balanced tree: what is joined from left to right is as deep as it is long. */
function joined(parts: readonly string[], by: 'AND' | 'OR'): string {
  if (parts.length <= 16) return parts.join(` ${by} `);
  const middle = parts.length >> 1;
  return `(${joined(parts.slice(0, middle), by)}) ${by} (${joined(parts.slice(middle), by)})`;
}

function isShort(values: readonly unknown[] = []): boolean {
  return values.length <= MAX_VALUES;
}

function indexOf(hints: PageHints): string | undefined {
  if (hints.ids !== undefined) return 'id';
  if (hints.correlationId !== undefined) return 'correlationId';
  if (hints.causationId !== undefined) return 'causationId';
  if (hints.entity !== undefined) return 'entity';
  if (hints.types !== undefined) return 'type';
  return hints.time === undefined ? undefined : 'time';
}

function one(value: string | undefined): readonly string[] | undefined {
  return value === undefined ? undefined : [value];
}
