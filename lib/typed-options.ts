import type { EventOf, PayloadOf } from './event/typed-patterns.ts';
import type { NumberPathInto, PathInto } from './filter/paths.ts';
import type { Where } from './filter/where.ts';

/** The types a bus with these declarations takes; any text where nothing is declared. */
export type TypeOf<E> = keyof E & string;

/**
 * A filter over the events of a pattern: where types are declared, its paths and values are checked against them.
 * `NoInfer`, and a condition on `P` itself, keep the compiler from looking at every declared type before `P` is known.
 */
export type WhereOf<E, P extends string> = NoInfer<P extends unknown ? Where<PayloadOf<E, P>> : never>;

/** A path into the events of a pattern, checked as those of `WhereOf` are; any text where nothing is declared. */
export type PathOf<E, P extends string> = NoInfer<P extends unknown ? PathInto<PayloadOf<E, P>> : never>;

/** A path to where the events of a pattern may have a number. */
export type NumberPathOf<E, P extends string> = NoInfer<P extends unknown ? NumberPathInto<PayloadOf<E, P>> : never>;

/** What a selection selects: its types, or else its pattern. */
export type Asked<P extends string, T extends string> = [T] extends [never] ? P : T;

/** Options whose filter knows the events of the pattern. */
export type Filtered<Options, E, P extends string> = Omit<Options, 'where'> & {
  /** Only events this filter accepts. */
  readonly where?: WhereOf<E, P>;
};

/** Options of a selection whose filter knows the events that are selected. */
export type Selected<Options, E, P extends string, T extends string> = Omit<Options, 'pattern' | 'type' | 'where'> & {
  /** Over types: `task.*`. Reserved types need a pattern that names them: `$bus.**`. */
  readonly pattern?: P;
  /** One type or several, exactly. */
  readonly type?: T | readonly T[];
  readonly where?: WhereOf<E, Asked<P, T>>;
};

/** Options whose key knows the events of the pattern. */
export type Keyed<Options, E, P extends string> = Omit<Options, 'key'> & {
  /** A dotted path or a function: events of one key are handled in order, different keys side by side. */
  readonly key?: PathOf<E, P> | ((event: EventOf<E, P>) => unknown);
};
