import { runWithCause } from '../context.ts';
import type { StoredEvent } from '../event/event.ts';
import { HandlerContext } from '../invoke/handler-context.ts';
import { invoke, type Failure } from '../invoke/invoke.ts';
import { KeyFailure, laneKey } from '../invoke/lane-key.ts';
import { createKeyedMailbox } from '../mailbox/keyed-mailbox.ts';
import type { Mailbox } from '../mailbox/mailbox.ts';
import type { RecipientParts } from './recipient.ts';
import type { Retold } from './retold.ts';

export type ReplayHandler = (event: StoredEvent, context: HandlerContext) => unknown;

/** Events that may wait for their key's turn, so that one slow key does not hold the others up at once. */
const AHEAD = 256;

/**
 * One handler of a replay. Ordering: as told, one at a time; with `key`, in order within a key; with `concurrency`
 * alone, in no promised order. Capacity: without keys nothing waits here, with keys at most 256 events. A synchronous
 * handler costs no promise. Failure: told the desk, nobody else notices.
 */
export class Lanes {
  readonly #handler: ReplayHandler;
  readonly #parts: RecipientParts;
  readonly #mailbox: Mailbox<Retold> | undefined;
  #running = 0;
  #easing: { readonly promise: Promise<void>; readonly done: () => void; readonly when: () => boolean } | undefined;

  constructor(handler: ReplayHandler, parts: RecipientParts) {
    this.#handler = handler;
    this.#parts = parts;
    this.#mailbox = parts.parsed.key && createKeyedMailbox({ evicts: false });
  }

  /** Runs in the context of the event. Answers a promise where there is no room for the next one. */
  tell(envelope: Retold): Promise<void> | undefined {
    if (this.#mailbox === undefined) this.#start(envelope, undefined);
    else this.#queue(envelope, this.#mailbox);
    return this.#hasRoom() ? undefined : this.#when(this.#hasRoom);
  }

  stop(): Promise<void> | undefined {
    for (const envelope of this.#mailbox?.clear() ?? []) this.#parts.retelling.dropped(envelope);
    return this.rest();
  }

  rest(): Promise<void> | undefined {
    return this.#isIdle() ? undefined : this.#when(this.#isIdle);
  }

  get running(): number {
    return this.#running;
  }

  readonly #hasRoom = (): boolean =>
    this.#mailbox ? this.#mailbox.length < AHEAD : this.#running < this.#parts.parsed.concurrency;

  readonly #isIdle = (): boolean => this.#running === 0 && (this.#mailbox?.length ?? 0) === 0;

  #queue(envelope: Retold, mailbox: Mailbox<Retold>): void {
    const { parsed, retelling } = this.#parts;
    const key = laneKey(parsed.key!, envelope.event);
    if (key instanceof KeyFailure) {
      retelling.failed(envelope, key.failure.error, key.failure.attempts);
      return retelling.ended(envelope);
    }
    if (this.#running < parsed.concurrency && mailbox.acquire(key)) this.#start(envelope, key);
    else mailbox.push(envelope, envelope.bytes, key);
  }

  #start(envelope: Retold, key: string | undefined): void {
    const { context, clock, signal, parsed } = this.#parts;
    this.#running++;
    envelope.running++;
    const surroundings = new HandlerContext(envelope, context, this.#parts);
    const retry = parsed.retry && { policy: parsed.retry, clock, signal };
    const outcome = invoke(this.#handler, envelope.event, surroundings, retry);
    if (!(outcome instanceof Promise)) return this.#end(envelope, key, outcome);
    void outcome.then((failure) => {
      this.#end(envelope, key, failure);
      this.#pump();
      if (this.#easing?.when() === true) this.#easing.done();
      return undefined;
    });
  }

  #end(envelope: Retold, key: string | undefined, failure: Failure | undefined): void {
    const { retelling } = this.#parts;
    this.#running--;
    envelope.running--;
    this.#mailbox?.release(key);
    if (failure !== undefined) retelling.failed(envelope, failure.error, failure.attempts);
    retelling.ended(envelope);
  }

  #pump(): void {
    while (this.#mailbox && this.#running < this.#parts.parsed.concurrency) {
      const next = this.#mailbox.take();
      if (!next) return;
      const { item, key } = next;
      runWithCause(item, () => this.#start(item, key), undefined);
    }
  }

  // There is one that waits: the replay, for room while it tells and for rest at its end.
  #when(when: () => boolean): Promise<void> {
    let resolve!: () => void;
    const promise = new Promise<void>((done) => (resolve = done));
    const done = (): void => {
      this.#easing = undefined;
      resolve();
    };
    this.#easing = { promise, done, when };
    return promise;
  }
}
