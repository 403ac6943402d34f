import type { EachAnswer } from './ask/each.ts';
import type { Answer } from './ask/call.ts';
import type { Duration } from './duration.ts';
import type { EmitOptions } from './intake/emit-options.ts';
import type { MailboxOptions, SubscribeOptions } from './options.ts';
import type { TypeOf } from './typed-options.ts';

/** How something is asked; and what is said of the request as an event. */
export interface AskOptions extends Omit<EmitOptions, 'transient'> {
  /**
   * How long the answer may take; of a stream, how long its reader waits for the next part, and how long it may lie there
   * before it is read at all. Never longer than what is left of the question that is being answered. @default '5s'
   */
  readonly timeout?: Duration;
  /**
   * Stores the request, and what came of it as `$ask.answered { type, value }` (of a stream `parts`: their number, not what they were) or
   * `$ask.failed { type, error }`, caused by the request; resolves when both are stored. @default false: both are transient
   */
  readonly store?: boolean;
  /** Gives up. */
  readonly signal?: AbortSignal;
}

export interface AskOneOptions extends AskOptions {
  /** Whoever has most free credit, by turns. @default 'one' */
  readonly to?: 'one';
}

export interface AskManyOptions extends AskOptions {
  /** Everybody who answers the type, in whichever thread or process of the team; or until this many have answered. */
  readonly to: 'all' | { readonly quorum: number };
}

export interface AskEachOptions extends Omit<AskOptions, 'id'> {
  /** Payloads that are asked, or answered and not read yet. @default 16 */
  readonly concurrency?: number;
}

export interface AnswerOptions extends Pick<SubscribeOptions, 'where' | 'key' | 'signal'> {
  /** How many questions are answered at once. @default 16: questions do not depend on each other */
  readonly concurrency?: number;
  /** Questions that may wait; the asker of one more is told `MAILBOX_FULL` at once. @default 10,000, 16 MiB, 'reject' */
  readonly mailbox?: MailboxOptions;
}

export interface Ask<E> {
  /**
   * Asks one of those who answer a type, and resolves with the answer. The request is a transient event that plain
   * subscriptions hear too. Rejects with `ASK_NO_ANSWERER` at once, `ASK_FAILED` with what the answerer threw as its
   * `cause`, `TIMEOUT`, `ABORTED`, `MAILBOX_FULL`, `ASK_CYCLE` where somebody would wait for himself, `BUS_CLOSED`, and
   * as `emit` throws. Parts of a stream come as an array, at most 10,000.
   */
  <T extends TypeOf<E>, Value = unknown>(type: T, payload: E[T], options?: AskOneOptions): Promise<Value>;
  /**
   * Asks everybody, and resolves when all have answered or their time is over, or, with `quorum`, as soon as so many
   * have answered; it rejects with `ASK_NO_QUORUM` as soon as so many cannot. Answers stand in the order in which their
   * answerers came.
   */
  <T extends TypeOf<E>, Value = unknown>(
    type: T,
    payload: E[T],
    options: AskManyOptions,
  ): Promise<readonly Answer<Value>[]>;
}

export interface Asking<E> {
  readonly ask: Ask<E>;
  /**
   * Asks once for each payload and gives the answers as they come, failed ones too. No more payloads are taken than are
   * asked or wait to be read; ending the loop early gives up what is open. Rejects with what the payloads throw, with
   * `ABORTED` and `BUS_CLOSED`. Throws `INVALID_OPTION`.
   */
  askEach<T extends TypeOf<E>, Value = unknown>(
    type: T,
    payloads: Iterable<E[T]> | AsyncIterable<E[T]>,
    options?: AskEachOptions,
  ): AsyncIterableIterator<EachAnswer<Value>, undefined>;
  /**
   * The parts of an answer as its answerer yields them; an answer that is no stream is one part. The request is sent at
   * once and its timeout runs: begin to read within it. The answerer runs at
   * most 16 parts ahead of the reader, and is ended where the loop is. Rejects as `ask` does, after what came before.
   */
  askStream<T extends TypeOf<E>, Value = unknown>(
    type: T,
    payload: E[T],
    options?: AskOptions,
  ): AsyncIterableIterator<Value, undefined>;
}
