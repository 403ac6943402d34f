import { createHash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { toError } from '../errors.ts';
import type { Envelope } from '../event/envelope.ts';
import type { StoredEvent, TelltaleEvent } from '../event/event.ts';
import { toPlain } from '../event/to-plain.ts';
import type { Store } from './port.ts';

/** Why an event lies here. */
export type LetterReason = 'handler-failed' | 'mailbox-full' | 'dropped' | 'refused' | 'not-stored' | 'cut';

/** An event that could not be delivered, stored or admitted, with all that is needed to try again. */
export interface DeadLetter {
  readonly id: string;
  readonly reason: LetterReason;
  /** Epoch ms. */
  readonly time: number;
  readonly eventId: string;
  readonly eventType: string;
  readonly correlationId: string;
  /** Where the event is in the log; absent where it is not, then `escaped` holds it. */
  readonly position?: number;
  /** Pattern or name of the one it was meant for. */
  readonly recipient?: string;
  readonly attempts: number;
  readonly error: { readonly name: string; readonly code?: string; readonly message: string; readonly stack?: string };
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
  write(letter: DeadLetter, cause: Envelope | undefined): Envelope | undefined;
  /** Every letter, once it has been opened. */
  opened(letter: DeadLetter): void;
}

export interface LetterQuery {
  /** At most this many, newest first. Default 100. */
  readonly limit?: number;
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

/** Letters of one recipient that are opened one by one within a second; the rest is summed up. */
const SINGLE_LETTERS = 1_000;
const SUMMARY_MS = 1_000;
const IN_MEMORY = 1_000;
const ESCAPED_BYTES = 64 * 1024;

/**
 * What could not be done. With a store, letters are events of their own entities and survive a restart; without one,
 * and for letters a failing store does not take, the newest 1,000 stay in memory. Letters refer to stored events by
 * position and hold every other event in an escaped form.
 */
export class DeadLetters {
  readonly #port: DeadLetterPort;
  readonly #drops = new Map<string, Drops>();
  /** Letters that are not in the log: on their way, turned away by the store, or without one. */
  #memory: DeadLetter[] = [];
  #opened = 0;

  constructor(port: DeadLetterPort) {
    this.#port = port;
  }

  /** How many letters this bus has opened. */
  get opened(): number {
    return this.#opened;
  }

  /** Opens a letter for an accepted event; waits for the end of its write, so that the letter can name its position. */
  open(envelope: Envelope, draft: LetterDraft): void {
    onceWritten(envelope, (position) => {
      const about = position > 0 ? { position } : escape(envelope.event);
      this.#keep(this.#letter(envelope.event, draft, about), envelope);
    });
  }

  /**
   * Opens a letter for an event a mailbox had no room for. What the policy throws away on purpose, and what exceeds
   * 1,000 letters a second, is summed up: one letter a second and recipient, which names the last of them.
   */
  dropped(envelope: Envelope, draft: LetterDraft & { readonly recipient: string }): void {
    const key = `${draft.reason} ${draft.recipient}`;
    let drops = this.#drops.get(key);
    if (!drops) {
      const cancel = this.#port.clock.after(SUMMARY_MS, () => this.#sumUp(key));
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

  /** Opens a letter for what was not even accepted. */
  refuse(attempted: { readonly type: unknown; readonly [key: string]: unknown }, error: unknown): void {
    const type = typeof attempted.type === 'string' ? attempted.type.slice(0, 256) : '?';
    const id = typeof attempted['id'] === 'string' ? attempted['id'].slice(0, 256) : '';
    const correlationId =
      typeof attempted['correlationId'] === 'string' ? attempted['correlationId'].slice(0, 256) : '';
    const named = { id, type, correlationId };
    this.#keep(this.#letter(named, { reason: 'refused', error }, escape(attempted)), undefined);
  }

  /** The letters, newest first. */
  async list(query: LetterQuery = {}): Promise<readonly DeadLetter[]> {
    const limit = query.limit ?? 100;
    const inMemory = this.#memory.toReversed().slice(0, limit);
    const { store } = this.#port;
    if (!store || inMemory.length === limit) return inMemory;
    const { position } = await store.head();
    const found = await store.page({
      after: 0,
      through: position,
      descending: true,
      limit: limit - inMemory.length,
      types: [LETTER_OPENED],
    });
    return [...inMemory, ...found.events.map(readLetter)].toSorted((a, b) => b.time - a.time);
  }

  async get(id: string): Promise<DeadLetter | undefined> {
    const kept = this.#memory.find((letter) => letter.id === id);
    const { store } = this.#port;
    if (kept || !store) return kept;
    for await (const event of store.read({ entity: letterEntity(id), types: [LETTER_OPENED], limit: 1 }))
      return readLetter(event);
    return undefined;
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
    return { ...letter, ...subject, ...named, ...about, attempts, count, error: describe(draft.error) };
  }

  #keep(letter: DeadLetter, cause: Envelope | undefined): void {
    this.#opened++;
    const written = this.#port.write(letter, cause);
    this.#memory.push(letter);
    if (this.#memory.length >= 2 * IN_MEMORY) this.#memory = this.#memory.slice(-IN_MEMORY);
    if (written) {
      onceWritten(written, (position) => {
        if (position > 0) this.#memory = this.#memory.filter(({ id }) => id !== letter.id);
      });
    }
    this.#port.opened(letter);
  }
}

/** A stored `$dead-letter.opened` as the letter it holds. */
export const readLetter = (event: StoredEvent): DeadLetter => event.payload as DeadLetter;

/** Calls `then` with the event's position once its write has ended, at once where none is under way; 0: not in the log. */
export function onceWritten(envelope: Envelope, then: (position: number) => void): void {
  if (!envelope.writing) return then(envelope.position);
  const earlier = envelope.whenStored;
  envelope.whenStored = (position) => {
    earlier?.(position);
    then(position);
  };
}

function describe(thrown: unknown): DeadLetter['error'] {
  const error = toError(thrown);
  const code = (error as { code?: unknown }).code;
  const plain = { name: error.name, message: error.message, ...(typeof code === 'string' && { code }) };
  return toPlain({
    ...plain,
    ...(error.stack !== undefined && { stack: error.stack.slice(0, 8_192) }),
  }) as DeadLetter['error'];
}

function escape(event: object): Pick<DeadLetter, 'escaped' | 'hash'> {
  const text = JSON.stringify(toPlain(event));
  const hash = createHash('sha256').update(text).digest('base64url');
  return { escaped: Buffer.byteLength(text) <= ESCAPED_BYTES ? text : cutText(text), hash };
}

// Cut by bytes; a character torn at the cut is left out.
function cutText(text: string): string {
  return Buffer.from(text)
    .subarray(0, ESCAPED_BYTES)
    .toString()
    .replace(/\uFFFD+$/, '');
}
