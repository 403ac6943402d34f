import type { StoredEvent, TelltaleEvent } from './event.ts';

/** Payloads by type. What `defineEvents` declared, or a type of one's own. */
export type EventMap = Readonly<Record<string, unknown>>;

/** The types of a bus without declarations: any, with payloads of unknown. */
export type AnyEvents = Readonly<Record<string, unknown>>;

/**
 * The declared types a pattern matches, as a union: `Matching<E, 'task.*'>`. A template literal picks the candidates
 * (`*` and `**` as `${string}`), and only those are looked at again: counting segments suffices where there is no `**`,
 * for then each `*` can stand for one segment only. (A recursive match over all types takes minutes for a thousand.)
 */
export type Matching<E, P extends string> = P extends `${string}*${string}`
  ? Picked<Candidates<E, Template<P>, P>, P>
  : Extract<keyof E, P>;

/**
 * The events a pattern matches. Where no declared type matches, or none is declared, any event with unknown payload.
 * `NoInfer`, because inferring a pattern back from a handler's parameter takes seconds for a union of a thousand.
 */
export type EventOf<E, P extends string> = NoInfer<
  string extends keyof E
    ? TelltaleEvent<ExactType<P>, E[keyof E]>
    : string extends P
      ? TelltaleEvent
      : [Matching<E, P>] extends [never]
        ? TelltaleEvent<ExactType<P>>
        : EventsOf<E, Matching<E, P>>
>;

/** The same events as the log has them. */
export type StoredEventOf<E, P extends string> = NoInfer<
  string extends keyof E
    ? StoredEvent<string, E[keyof E]>
    : string extends P
      ? StoredEvent
      : [Matching<E, P>] extends [never]
        ? StoredEvent<ExactType<P>>
        : StoredEventsOf<E, Matching<E, P>>
>;

/** The payloads of these events. */
export type PayloadOf<E, P extends string> = string extends keyof E
  ? E[keyof E]
  : string extends P
    ? unknown
    : [Matching<E, P>] extends [never]
      ? unknown
      : E[Matching<E, P>];

/** The events of the given types. */
type EventsOf<E, T extends keyof E> = { [K in T]: TelltaleEvent<K & string, E[K]> }[T];

type StoredEventsOf<E, T extends keyof E> = { [K in T]: StoredEvent<K & string, E[K]> }[T];

type ExactType<P extends string> = P extends `${string}*${string}` ? string : P;

// A wildcard never matches a type that begins with $; only a leading one could.
type Candidates<E, T extends string, P extends string> = P extends `*${string}`
  ? Exclude<Extract<keyof E, T>, `$${string}`>
  : Extract<keyof E, T>;

type Template<P extends string> = P extends '*' | '**' | '*.**'
  ? string
  : P extends `*.${infer Rest}`
    ? `${string}.${Template<Rest>}`
    : P extends `**.${infer Rest}`
      ? Template<Rest> | `${string}.${Template<Rest>}`
      : P extends `${infer Head}.**`
        ? Head extends `${string}*${string}`
          ? Template<Head> | `${Template<Head>}.${string}`
          : Head | `${Head}.${string}`
        : P extends `${infer Head}.${infer Rest}`
          ? `${Head}.${Template<Rest>}`
          : P;

type Picked<T, P extends string> = P extends `${string}**${string}`
  ? HasSingle<P> extends true
    ? Exactly<T, P>
    : T
  : SameLength<T, Dots<P>>;

type HasSingle<P extends string> = P extends '*' | `*.${string}` | `${string}.*` | `${string}.*.${string}`
  ? true
  : false;

type SameLength<T, D extends string> = T extends string ? (Dots<T> extends D ? T : never) : never;

type Dots<T extends string> = T extends `${string}.${infer Rest}` ? `.${Dots<Rest>}` : '';

// The rare pattern with both wildcards: segment by segment, over the candidates alone.
type Exactly<T, P extends string> = T extends string ? (Matches<T, P> extends true ? T : never) : never;

type Matches<T extends string, P extends string> = P extends '**'
  ? true
  : P extends `**.${infer Rest}`
    ? Matches<T, Rest> extends true
      ? true
      : T extends `${string}.${infer Tail}`
        ? Matches<Tail, P>
        : false
    : P extends `${infer Head}.${infer Rest}`
      ? MatchesHead<T, Head, Rest>
      : T extends `${string}.${string}`
        ? false
        : P extends '*'
          ? true
          : T extends P
            ? true
            : false;

type MatchesHead<T extends string, Head extends string, Rest extends string> = T extends `${infer First}.${infer Tail}`
  ? First extends (Head extends '*' ? string : Head)
    ? Matches<Tail, Rest>
    : false
  : Rest extends '**'
    ? T extends (Head extends '*' ? string : Head)
      ? true
      : false
    : false;
