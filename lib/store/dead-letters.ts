import { createHash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { NO_CHAIN, type Cause } from '../context.ts';
import { expected } from '../errors.ts';
import { describeError, type ErrorDescription } from '../event/describe-error.ts';
import type { Envelope } from '../event/envelope.ts';
import type { StoredEvent, TelltaleEvent } from '../event/event.ts';
import { checkId } from '../event/identity.ts';
import { toPlain } from '../event/to-plain.ts';
import { mustKnow } from '../parse-options.ts';
import type { Store } from './port.ts';

/** Why an event lies here. */
export type LetterReason = 'handler-failed' | 'mailbox-full' | 'dropped' | 'refused' | 'not-stored' | 'cut';

/** An event that could not be delivered, stored or admitted, with all that is needed to try again. */
export interface DeadLetter {
  readonly id: string;
  readonly reason: LetterReason;
  /** When it happened, epoch ms; the letter is stored some time later. */
  readonly time: number;
  readonly eventId: string;
  readonly eventType: string;
  readonly correlationId: string;
  /** Where the event is in the log; absent where it is not, then `escaped` holds it. */
  readonly position?: number;
  /** Pattern or name of the one it was meant for. */
  readonly recipient?: string;
  readonly attempts: number;
  readonly error: ErrorDescription;
  /** For a summary letter: how many events it stands for, this one included. */
  readonly count: number;
  /** The event as JSON text of at most 64 KiB, made plain first. */
  readonly escaped?: string;
  /** SHA-256 of the whole JSON text, base64url. */
  readonly hash?: string;
}

/** What is known when a letter is opened. */
export interface LetterDraft {
  readonly reason: LetterReason;
  readonly error: unknown;
  readonly recipient?: string;
  readonly attempts?: number;
  readonly count?: number;
}

export interface DeadLetterPort {
  readonly store: Store | undefined;
  readonly clock: Clock;
  readonly newId: () => string;
  /** Stores the letter as an event caused by `cause`; answers the event, or undefined where the store takes nothing. */
  write(letter: DeadLetter, cause: Cause | undefined): Envelope | undefined;
  /** Every letter, once it has been opened. */
  opened(letter: DeadLetter): void;
}

export interface LetterQuery {
  /** At most this many, newest first; 1 to 10,000. @default 100 */
  readonly limit?: number;
}

/** What somebody tried to emit. */
interface Attempted {
  readonly type: unknown;
  readonly [key: string]: unknown;
}

interface Drops {
  single: number;
  count: number;
  last: Envelope;
  draft: LetterDraft;
  readonly cancel: () => void;
}

export const LETTER_OPENED = '$dead-letter.opened';
export const letterEntity = (id: string): string => `$dead-letters/${id}`;

/** Letters of one recipient that are opened one by one within a second; the rest is summed up. A letter costs 50–200 µs. */
const SINGLE_LETTERS = 100;
const SUMMARY_MS = 1_000;
const IN_MEMORY = 1_000;
const ESCAPED_BYTES = 64 * 1024;
const MAX_LIST = 10_000;

/**
 * What could not be done. With a store, letters are events of their own entities and survive a restart; without one,
 * and for letters a failing store does not take, the newest 1,000 stay in memory. Letters refer to stored events by
 * position and hold every other event in an escaped form.
 */
export class DeadLetters {
  readonly #port: DeadLetterPort;
  readonly #drops = new Map<string, Drops>();
  /** Letters that are not in the log, oldest first: on their way, turned away by the store, or without one. */
  readonly #memory = new Map<string, DeadLetter>();
  #opened = 0;

  constructor(port: DeadLetterPort) {
    this.#port = port;
  }

  /** How many letters this bus has opened. */
  get opened(): number {
    return this.#opened;
  }

  /**
   * Opens a letter for an accepted event; waits for the end of its write, so that the letter can name its position.
   * Transient events are written nowhere, not even here.
   */
  open(envelope: Envelope, draft: LetterDraft): void {
    if (envelope.transient) return;
    const time = this.#port.clock.now();
    onceWritten(envelope, (position) => {
      const about = position > 0 ? { position } : this.#escape(envelope.event);
      this.#keep(this.#letter(envelope.event, draft, { time, ...about }), envelope);
    });
  }

  /**
   * Opens a letter for an event a mailbox had no room for. What the policy throws away on purpose, and what exceeds
   * 100 letters a second, is summed up: one letter a second and recipient, which names the last of them.
   */
  dropped(envelope: Envelope, draft: LetterDraft & { readonly recipient: string }): void {
    const key = `${draft.reason} ${draft.recipient}`;
    let drops = this.#drops.get(key);
    if (!drops) {
      const cancel = this.#port.clock.wait(SUMMARY_MS, () => this.#sumUp(key));
      this.#drops.set(key, (drops = { single: 0, count: 0, last: envelope, draft, cancel }));
    }
    if (draft.reason === 'mailbox-full' && drops.single < SINGLE_LETTERS) {
      drops.single++;
      return this.open(envelope, draft);
    }
    Object.assign(drops, { count: drops.count + 1, last: envelope, draft });
  }

  /** Opens the summary letters that are due. */
  close(): void {
    for (const [key, { cancel }] of this.#drops) {
      cancel();
      this.#sumUp(key);
    }
  }

  /** Opens a letter for what was not even accepted, in the chain it would have belonged to. */
  refuse(attempted: Attempted, error: unknown, cause: Cause | undefined): void {
    const { type } = attempted;
    const named = {
      id: idOr(attempted['id'], ''),
      type: typeof type === 'string' ? type.slice(0, 256) : '?',
      correlationId: idOr(attempted['correlationId'], cause?.correlationId ?? ''),
    };
    const causationId = idOr(attempted['causationId'], '');
    const above = causationId === '' ? cause : withCausation(cause, causationId);
    this.#keep(this.#letter(named, { reason: 'refused', error }, this.#escape(attempted)), above);
  }

  /** The letters, newest first. */
  async list(query: LetterQuery = {}): Promise<readonly DeadLetter[]> {
    const limit = checkQuery(query);
    const kept = new Map([...this.#memory].slice(-limit));
    const { store } = this.#port;
    if (store) for (const letter of await readNewest(store, limit)) kept.set(letter.id, letter);
    return [...kept.values()].toSorted(newestFirst).slice(0, limit);
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    const kept = this.#memory.get(id);
    const { store } = this.#port;
    if (kept || !store) return kept;
    for await (const event of store.read({ entity: letterEntity(id), types: [LETTER_OPENED], limit: 1 }))
      return readLetter(event);
    return undefined;
  }

  #escape(event: object): Pick<DeadLetter, 'escaped' | 'hash'> {
    const text = JSON.stringify(toPlain(event));
    // A store for small events takes small letters.
    const maxBytes = Math.min(ESCAPED_BYTES, (this.#port.store?.supports.maxEventBytes ?? Infinity) / 4);
    const hash = createHash('sha256').update(text).digest('base64url');
    return { escaped: Buffer.byteLength(text) <= maxBytes ? text : cutText(text, maxBytes), hash };
  }

  #sumUp(key: string): void {
    const drops = this.#drops.get(key);
    this.#drops.delete(key);
    if (drops && drops.count > 0) this.open(drops.last, { ...drops.draft, count: drops.count });
  }

  #letter(
    event: Pick<TelltaleEvent, 'id' | 'type' | 'correlationId'>,
    draft: LetterDraft,
    about: Partial<DeadLetter>,
  ): DeadLetter {
    const { recipient, reason, attempts = 0, count = 1 } = draft;
    const letter = { id: this.#port.newId(), reason, time: this.#port.clock.now() };
    const subject = { eventId: event.id, eventType: event.type, correlationId: event.correlationId };
    const named = recipient === undefined ? {} : { recipient };
    return { ...letter, ...subject, ...named, ...about, attempts, count, error: describeError(draft.error) };
  }

  #keep(letter: DeadLetter, cause: Cause | undefined): void {
    this.#opened++;
    this.#memory.set(letter.id, letter);
    if (this.#memory.size > IN_MEMORY) this.#memory.delete(this.#memory.keys().next().value!);
    const written = this.#port.write(letter, cause);
    if (written) onceWritten(written, (position) => void (position > 0 && this.#memory.delete(letter.id)));
    this.#port.opened(letter);
  }
}

/** A stored `$dead-letter.opened` as the letter it holds. */
export const readLetter = (event: StoredEvent): DeadLetter => event.payload as DeadLetter;

/** Calls `then` with the event's position once its write has ended, at once where none is under way; 0: not in the log. */
export function onceWritten(envelope: Envelope, then: (position: number) => void): void {
  if (!envelope.writing) return then(envelope.position);
  (envelope.whenStored ??= []).push(then);
}

// What was refused may have been refused for its very ids.
function idOr(id: unknown, otherwise: string): string {
  try {
    return checkId(id);
  } catch {
    return otherwise;
  }
}

// The chain of the letter is that of the event: what the caller said it comes from.
function withCausation(cause: Cause | undefined, causationId: string): Cause {
  const { correlationId, inherited, chain = NO_CHAIN, handling, owner } = cause ?? {};
  return { correlationId, causationId, inherited, chain, handling, owner, running: 0 };
}

function checkQuery(query: unknown): number {
  if (typeof query !== 'object' || query === null)
    throw expected('INVALID_OPTION', 'the options of `deadLetters.list`', 'an object', query);
  mustKnow(query, ['limit'], 'deadLetters.list');
  const { limit = 100 } = query as LetterQuery;
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIST) return limit;
  throw expected('INVALID_OPTION', '`limit` of `deadLetters.list`', `an integer from 1 to ${MAX_LIST}`, limit);
}

async function readNewest(store: Store, limit: number): Promise<DeadLetter[]> {
  const letters: DeadLetter[] = [];
  let through = (await store.head()).position;
  while (through > 0) {
    const range = { after: 0, through, descending: true, limit: limit - letters.length };
    const page = await store.page({ ...range, types: [LETTER_OPENED] });
    for (const event of page.events) letters.push(readLetter(event));
    if (page.done || letters.length === limit) break;
    through = page.looked - 1;
  }
  return letters;
}

// Ids are UUIDv7 and decide between letters of one millisecond.
function newestFirst(a: DeadLetter, b: DeadLetter): number {
  return b.time - a.time || (a.id < b.id ? 1 : -1);
}

// Cut by bytes; a character torn at the cut is left out.
function cutText(text: string, maxBytes: number): string {
  return Buffer.from(text)
    .subarray(0, maxBytes)
    .toString()
    .replace(/\uFFFD+$/, '');
}
