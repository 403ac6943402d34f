import { TelltaleError } from '../errors.ts';
import { errorFromPlain } from '../event/crossing-error.ts';
import type { Envelope } from '../event/envelope.ts';
import type { Plain } from '../event/event.ts';
import { Fifo } from '../mailbox/fifo.ts';
import { prepareAppends } from '../store/check-events.ts';
import type { AppendReceipt, Durability, PendingAppend } from '../store/port.ts';
import { CREDIT_BYTES, type AppendTerms, type Message, type ReceiptFrame } from './frames.ts';
import { Numbered } from './numbered.ts';

interface Held {
  readonly message: Message;
  readonly events: number;
  readonly bytes: number;
  /** A transient event's; it goes first where there is no room. */
  readonly type?: string;
}

const MAX_TRANSIENT = 10_000;
const MAX_TRANSIENT_BYTES = 16 * 1024 * 1024;

/** The bus's writer knows more of its events than a store is asked for. */
export interface WrittenAppend extends PendingAppend {
  readonly envelopes?: readonly Envelope[];
}

/**
 * A worker's events on their way to its parent. Ordering: as they were emitted, transient ones among them. Capacity:
 * `credits` of them, and 16 MiB, are under way; appends behind that wait here, and the bus's backlog bounds them,
 * transient ones up to 10,000 and 16 MiB, then the newest are lost and counted. Failure: where the parent is gone, every append fails for good.
 */
export class Outgoing {
  readonly #send: (message: Message, bytes: number) => void;
  readonly #maxEventBytes: number;
  readonly #lost: (type: string) => void;
  readonly #unwanted = new Set<string>();
  readonly #pending = new Numbered<PendingAppend>();
  readonly #held = new Fifo<Held>();
  #transients = 0;
  #transientBytes = 0;
  #credits: number;
  #creditBytes = CREDIT_BYTES;
  #serial = 0;
  #ended: TelltaleError | undefined;

  constructor(
    send: (message: Message, bytes: number) => void,
    terms: { readonly credits: number; readonly maxEventBytes: number },
    lost: (type: string) => void,
  ) {
    this.#send = send;
    this.#credits = terms.credits;
    this.#maxEventBytes = terms.maxEventBytes;
    this.#lost = lost;
  }

  append(given: WrittenAppend, terms: AppendTerms): void {
    if (this.#ended) return given.failed(this.#ended);
    // What was passed as it is must be plain before it is JSON.
    const { appends, refused } = prepareAppends([given], this.#maxEventBytes);
    const refusal = refused.get(given);
    if (refusal) return given.failed(refusal);
    const [append] = appends as readonly [WrittenAppend];
    const { events } = append;
    const sizes = sizesOf(append);
    const serial = ++this.#serial;
    this.#pending.add(serial, given);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    this.#go({ message: ['append', serial, events, sizes, terms], events: events.length, bytes });
  }

  tell({ event, bytes, chain }: Envelope): void {
    const { type } = event;
    if (this.#ended || this.#unwanted.has(type)) return;
    if (this.#transients >= MAX_TRANSIENT || this.#transientBytes >= MAX_TRANSIENT_BYTES) return this.#lost(type);
    const message: Message = chain.depth > 0 ? ['tell', event, bytes, chain] : ['tell', event, bytes];
    this.#go({ message, events: 1, bytes, type });
  }

  taken(count: number, bytes: number): void {
    this.#credits += count;
    this.#creditBytes += bytes;
    for (let next = this.#held.peek(); next && this.#hasCredit; next = this.#held.peek()) {
      this.#held.shift();
      this.#countTransient(next, -1);
      this.#post(next);
    }
  }

  /** Whether the parent, or anybody behind it, listens to transient events of this type. */
  want(type: string, wanted: boolean): void {
    if (wanted) this.#unwanted.delete(type);
    else this.#unwanted.add(type);
  }

  stored(serial: number, frame: ReceiptFrame, count = 1): void {
    const [position, ...rest] = frame;
    for (let i = 0; i < count; i++) {
      const append = this.#pending.take(serial + i);
      append?.acknowledged(toReceipt(position === 0 ? 0 : position + i, rest, append.events.length));
    }
  }

  refused(serial: number, error: Plain): void {
    this.#pending.take(serial)?.failed(errorFromPlain(error) as TelltaleError);
  }

  end(cause: TelltaleError): void {
    this.#ended = new TelltaleError('STORE_FAILED', `the parent's store cannot be reached: ${cause.message}`, {
      cause,
    });
    for (const append of this.#pending.clear()) append.failed(this.#ended);
  }

  #go(held: Held): void {
    if (this.#hasCredit && this.#held.length === 0) return this.#post(held);
    this.#countTransient(held, 1);
    this.#held.push(held);
  }

  get #hasCredit(): boolean {
    return this.#credits > 0 && this.#creditBytes > 0;
  }

  #countTransient({ type, bytes }: Held, sign: 1 | -1): void {
    if (type === undefined) return;
    this.#transients += sign;
    this.#transientBytes += sign * bytes;
  }

  #post({ message, events, bytes }: Held): void {
    this.#credits -= events;
    this.#creditBytes -= bytes;
    this.#send(message, bytes);
  }
}

// Of an append that was not written event by event only the whole is known.
function sizesOf({ events, bytes, envelopes }: WrittenAppend): readonly number[] {
  if (events.length === 1) return [bytes];
  return envelopes?.map((envelope) => envelope.bytes) ?? events.map(() => Math.ceil(bytes / events.length));
}

function toReceipt(
  position: number,
  [storedAt, durability, duplicate, revisions]: readonly [number, string, 0 | 1, (readonly number[])?],
  events: number,
): AppendReceipt {
  return {
    position,
    revisions: revisions ?? Array.from({ length: events }, () => 0),
    storedAt,
    // `none` where the parent has no store; receipts of the bus know the word.
    durability: durability as Durability,
    duplicate: duplicate === 1,
  };
}
