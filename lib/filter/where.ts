import type { StoredEvent } from '../event/event.ts';
import type { Filter, FilterValue } from './language.ts';
import type { Field, Fields } from './paths.ts';

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

/** What a field may be compared with; objects are free. */
export type Condition<Value> = object extends Value ? unknown : Value | TypedOperators<Value>;

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
