import { AsyncLocalStorage } from 'node:async_hooks';
import { TelltaleError } from './errors.ts';

/** How a chain of causes grows: its depth, and its latest types once it grows fast. */
export interface Chain {
  /** How many events lie above. */
  readonly depth: number;
  /** Wall time and depth at which the current second of the chain began. */
  readonly since: number;
  readonly sinceDepth: number;
  readonly recent: readonly string[] | undefined;
  /** The event in whose handler this one was emitted, a transient one too. */
  readonly emitter: string | undefined;
}

/** Above an event without a cause there is nothing. */
export const NO_CHAIN: Chain = { depth: 0, since: 0, sinceDepth: 0, recent: undefined, emitter: undefined };

/**
 * What an event emitted here and now comes from. Lives in the envelope of the event being handled; one
 * AsyncLocalStorage for the whole process carries it across awaits, whichever copy of this package asks.
 */
export interface Cause {
  /** The chain an event emitted here belongs to; undefined starts a new one. */
  readonly correlationId: string | undefined;
  /** The nearest stored event above; undefined where there is none. */
  readonly causationId: string | undefined;
  /** Well-known metadata that goes down the chain (conversation, request, session, user, trace). */
  readonly inherited: Readonly<Record<string, unknown>> | undefined;
  readonly chain: Chain;
  /** Id of the event being handled here; undefined outside of handlers. */
  readonly handling: string | undefined;
  /** The bus whose handlers run in this context, and how many of them have not ended yet. */
  readonly owner: object | undefined;
  running: number;
  /** What is refused here is offered again: no letter yet. */
  readonly triesAgain?: boolean;
  /** Set in the handlers of a replay, and where a dead letter is tried again. */
  readonly retelling?: Retelling | undefined;
  /** Set while an actor decides whose events are stored first: keeps what is emitted meanwhile. */
  readonly hold?: ((emitted: object, fresh: boolean) => void) | undefined;
  /** Set in a handler whose changes are committed with its checkpoint: takes what is published meanwhile. */
  readonly joint?: Joint | undefined;
  /** The actor, or its instance, whose `receive` runs here: what it asks of itself would never be answered. */
  readonly receiver?: string | undefined;
  /** The question that is being answered here. */
  readonly asking?: Asking | undefined;
  /** The bus whose sink does its work here, which it waits for when it closes. */
  readonly sinkOf?: object;
}

/** A transaction in which what is published is stored, or not at all. */
export interface Joint {
  /** Resolves when it is taken; rejects with `PUBLISH_IN_TRANSACTION` where the log is in another database. */
  publish(published: readonly object[], expect: unknown): Promise<void>;
  /** Where it rejects, the handler fails, whether it looked or not. */
  attend(publishing: Promise<unknown>): void;
  /** The handler has ended. */
  readonly isOver: boolean;
}

/** The transaction that what is published here belongs to. */
export const jointOf = (cause: Cause | undefined): Joint | undefined =>
  cause?.joint?.isOver === false ? cause.joint : undefined;

/** What a handler that a replay calls knows of it. The replay, or the retry of a dead letter, is told how it went. */
export interface Retelling {
  /** The replay's; undefined where a dead letter is tried again: its event was not handled yet. */
  readonly id: string | undefined;
  /** Takes what is emitted here, which then goes nowhere; absent where it is accepted like everything else. */
  readonly capture: ((emitted: object) => void) | undefined;
  failed(told: object, error: unknown, attempts: number): void;
  /** Will never be handled: the subscription ended before. */
  dropped(told: object): void;
  /** Nothing more happens to it here. */
  ended(told: object): void;
}

/**
 * A question as its answerer sees it, and the only way to answer it: once `answered`, `failed` or `refused`; or any
 * number of `part`s, then `ended` or `failed`. What comes after the end is ignored, what comes after the asker has
 * given up is counted and reported as late. None of it throws.
 */
export interface Asking extends Answering {
  /** Whom the questions above and this one went to, the latest last: asking one of them here would never end. */
  readonly path: readonly string[];
  /** Does the asker take parts as they come? Otherwise they are collected for it. */
  readonly streams: boolean;
  /** Is everybody asked? Then whoever stands for several hands it to each of them. */
  readonly everybody: boolean;
  /** How long the asker still waits; 0 once it does not. */
  readonly remainingMs: number;
  readonly status: 'open' | 'answered' | 'given-up';
  /** Aborted when the asker gives up, or with the answerer's own signal. */
  signalWith(site: { readonly signal: AbortSignal }): AbortSignal;
  /** Calls `listener` once, when the asker gives up, at once where it has. Returns the undo. */
  whenGivenUp(listener: (reason: TelltaleError) => void): () => void;
}

/** What is said of an answer: by whoever has the question, and to whoever put it. None of it throws. */
export interface Answering {
  answered(value: unknown): void;
  /** Answers a Promise where the asker has enough for now: wait for it before the next part. It never rejects. */
  part(value: unknown): void | Promise<void>;
  ended(): void;
  /** What the answerer threw. */
  failed(error: unknown): void;
  /** It never got to answer: its mailbox is full, its worker is gone. */
  refused(error: TelltaleError): void;
  /** Its answerer went away before it began, or does not take it: another one may. */
  dropped(): void;
  /** Its answerer stands for so many more: what they are to answer. Fewer where the asker has given up. */
  shared(more: number): readonly Asking[];
}

/** Hands what is emitted in a replay that captures to that replay; false where it goes its usual way. */
export function captured(cause: Cause | undefined, emitted: object): boolean {
  const capture = cause?.retelling?.capture;
  if (capture === undefined) return false;
  capture(emitted);
  return true;
}

/** Keeps what is emitted until the handler's own events are stored; false where it goes its usual way. */
export function held(cause: Cause | undefined, emitted: { readonly transient: boolean }, fresh: boolean): boolean {
  const hold = cause?.hold;
  // Written nowhere, it need not wait for the log.
  if (hold === undefined || emitted.transient) return false;
  hold(emitted, fresh);
  return true;
}

/**
 * Throws `WOULD_DEADLOCK` in a `receive` whose facts are stored first: what is awaited until it is stored would wait for
 * its own end, or be stored whatever becomes of it.
 */
export function mustNotBeHeld(what: string, cause = currentCause()): void {
  if (cause?.hold === undefined) return;
  const text = `${what} would wait for the end of the \`receive\` it is called from, whose facts are stored first`;
  throw new TelltaleError('WOULD_DEADLOCK', `${text}; answer with a fact, or emit one and do it where that is handled`);
}

/** Throws `REPLAY_CAPTURES` where a replay captures: what cannot be captured must not be done. */
export function mustNotBeCaptured(what: string, cause = currentCause()): void {
  if (cause?.retelling?.capture === undefined) return;
  const text = `${what} inside a handler of a replay would change what the replay must leave alone`;
  throw new TelltaleError(
    'REPLAY_CAPTURES',
    `${text}; leave it out where \`context.replay\` is set, or replay with \`accept: true\``,
  );
}

const KEY = Symbol.for('telltale.context');
const shared = globalThis as { [KEY]?: AsyncLocalStorage<Cause | undefined> };
const storage = (shared[KEY] ??= new AsyncLocalStorage<Cause | undefined>());

/** The cause of whatever is emitted now, or undefined outside every handler. */
export const currentCause = (): Cause | undefined => storage.getStore();

/** Runs `fn` with `cause` as its context; restores the former one when it returns. */
export const runWithCause = <Argument, Result>(
  cause: Cause,
  fn: (argument: Argument) => Result,
  argument: Argument,
): Result => storage.run(cause, fn, argument);

const NOTHING: Cause = Object.freeze({
  correlationId: undefined,
  causationId: undefined,
  inherited: undefined,
  chain: NO_CHAIN,
  handling: undefined,
  owner: undefined,
  running: 0,
});

/** A context within another. What is not changed is read from that one when it is asked for: this one may outlive it. */
export const derivedCause = (around: Cause = NOTHING, changes: Readonly<Partial<Cause>>): Cause =>
  Object.create(around, Object.getOwnPropertyDescriptors(changes)) as Cause;

/** Nothing is caused here, and what is refused is offered again. What is taken begins its chain. */
export const TRIES_AGAIN = derivedCause(NOTHING, { chain: { ...NO_CHAIN, depth: -1 }, triesAgain: true });

/** What a sink of a bus does has no cause. */
export const sinkCause = (bus: object): Cause => derivedCause(NOTHING, { chain: TRIES_AGAIN.chain, sinkOf: bus });

/** Runs `fn` outside every context, so that what it starts has no accidental cause. (`exit` costs 3 µs, this 0.1.) */
export const runWithoutCause = <Result>(fn: () => Result): Result => storage.run(undefined, fn);
