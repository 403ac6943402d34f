import type { StoredEvent } from '../event/event.ts';

/**
 * A path into an event with this payload: an envelope field, `payload`, what the payload has four keys deep, anything
 * in `metadata` and under an array, a record, `unknown` or a fifth key. For a union of payloads: the paths of all.
 */
export type PathInto<Payload> = unknown extends Payload
  ? string
  : keyof StoredEvent | `metadata.${string}` | Fields<Payload>['path'];

/** The paths where numbers may be. */
export type NumberPathInto<Payload> = unknown extends Payload
  ? string
  : NumberField | `metadata.${string}` | (Payload extends number ? 'payload' : never) | Numeric<Fields<Payload>>;

/** What lies in a payload. Pairs, because looking every path up in every payload takes seconds for a thousand. */
export type Fields<Payload> = Below<Payload, 'payload', 4>;

/** A path and what is there: `object` where it is surely one, `unknown` where it may be anything. */
export interface Field<Path, Value> {
  readonly path: Path;
  readonly value: Value;
}

type NumberField = 'time' | 'schemaVersion' | 'position' | 'revision' | 'storedAt';

type Numeric<F> =
  F extends Field<infer Path, infer Value>
    ? unknown extends Value
      ? Path
      : [Extract<Value, number>] extends [never]
        ? never
        : Path
    : never;

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
  : Field<Path, [Value] extends [object | Exclude<Scalar, number>] ? object : unknown> | Below<Value, Path, Depth>;

type Scalar = string | number | boolean | null | undefined;
