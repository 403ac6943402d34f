import type { StoredEvent } from '../event/event.ts';
import type { Filter, FilterValue } from './language.ts';

/**
 * A filter over events with this payload. Paths into the payload are those it has, four keys deep, and values are of
 * their types; envelope fields and `metadata` are free, and so is whatever lies under an array, a record, `unknown` or a
 * fifth key. For a union of payloads: the paths of all of them.
 */
export type Where<Payload> = unknown extends Payload ? Filter : TypedWhere<Fields<Payload>>;

type TypedWhere<F extends Field<string, unknown>> = {
  readonly $and?: readonly TypedWhere<F>[];
  readonly $or?: readonly TypedWhere<F>[];
  readonly $not?: TypedWhere<F>;
  readonly payload?: unknown;
  readonly metadata?: unknown;
  readonly [path: `metadata.${string}`]: unknown;
} & { readonly [Name in Exclude<keyof StoredEvent, 'payload' | 'metadata'>]?: unknown } & {
  readonly [Entry in F as Entry['path']]?: Condition<Entry['value']>;
};

/** What a field may be compared with. */
export type Condition<Value> = unknown extends Value ? unknown : Value | TypedOperators<Value>;

interface TypedOperators<Value> {
  readonly $eq?: Value;
  readonly $ne?: Value;
  readonly $in?: readonly Value[];
  readonly $nin?: readonly Value[];
  readonly $gt?: Ordered<Value>;
  readonly $gte?: Ordered<Value>;
  readonly $lt?: Ordered<Value>;
  readonly $lte?: Ordered<Value>;
  readonly $exists?: boolean;
  readonly $like?: string;
  readonly $contains?: FilterValue;
  readonly $not?: Condition<Value>;
}

/** A literal type is compared with any value of its kind: `'b'` lies between `'a'` and `'c'`. */
type Ordered<Value> = Value extends string
  ? string
  : Value extends number
    ? number
    : Value extends boolean
      ? boolean
      : never;

/** A path and what is there. Pairs, because looking every path up in every payload takes seconds for a thousand. */
interface Field<Path, Value> {
  readonly path: Path;
  readonly value: Value;
}

type Fields<Payload> = Below<Payload, 'payload', 4>;

type Less = [never, 0, 1, 2, 3];

/** What lies below a path; nothing below a scalar. */
type Below<Value, Path extends string, Depth extends number> = unknown extends Value
  ? Field<`${Path}.${string}`, unknown>
  : Value extends Scalar
    ? never
    : Value extends readonly unknown[]
      ? Field<`${Path}.${number}` | `${Path}.${number}.${string}`, unknown>
      : string extends keyof Value
        ? Field<`${Path}.${string}`, unknown>
        : Depth extends 0
          ? Field<`${Path}.${string}`, unknown>
          : { [Key in keyof Value & string]: At<Value[Key], `${Path}.${Key}`, Less[Depth]> }[keyof Value & string];

// Objects are free: their types differ from payload to payload, and a thousand of them take seconds to unite.
type At<Value, Path extends string, Depth extends number> = [Value] extends [Scalar]
  ? Field<Path, Exclude<Value, undefined>>
  : Field<Path, unknown> | Below<Value, Path, Depth>;

type Scalar = string | number | boolean | null | undefined;
