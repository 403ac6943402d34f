import { createHash } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { NO_CHAIN, type Cause } from '../context.ts';
import { describeError } from '../event/describe-error.ts';
import type { Envelope } from '../event/envelope.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { checkId } from '../event/identity.ts';
import { toPlain } from '../event/to-plain.ts';
import { LETTER_OPENED, letterEntity, type DeadLetter, type LetterReason, type LetterStep } from './letter.ts';
import type { Store } from './port.ts';

/** What is known when a letter is opened. */
export interface LetterDraft {
  readonly reason: LetterReason;
  readonly error: unknown;
  readonly recipient?: string;
  readonly group?: string;
  readonly attempts?: number;
  readonly count?: number;
}

export interface DeadLetterPort {
  readonly store: Store | undefined;
  readonly clock: Clock;
  readonly newId: () => string;
  /** Stores one of the bus's own events; answers it, or undefined where the store takes nothing. */
  write(type: string, payload: object, about: LetterEventOptions, cause: Cause | undefined): Envelope | undefined;
  /** Every letter, once it has been opened. */
  opened(letter: DeadLetter): void;
}

export interface LetterEventOptions {
  readonly entity: string;
  readonly time: number;
  readonly id?: string;
  readonly correlationId?: string;
  readonly causationId?: string;
}

/** Something that was done about a letter, as it is noted. */
export interface LetterNote {
  readonly type: string;
  readonly time: number;
  readonly step: Omit<LetterStep, 'letterId' | 'opened'>;
}

/** A letter that is not in the log, with what was done about it. */
export interface KeptLetter {
  readonly letter: DeadLetter;
  readonly notes: readonly LetterNote[];
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

/** Letters of one recipient that are opened one by one within a second; the rest is summed up. A letter costs 50–200 µs. */
const SINGLE_LETTERS = 100;
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
  /** Letters that are not in the log, oldest first: on their way, turned away by the store, or without one. */
  readonly #memory = new Map<string, KeptLetter & { readonly notes: LetterNote[] }>();
  /** Events that are being published again: what becomes of them is noted in the letter there is. */
  readonly #again = new Set<string>();
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
   * Transient events are written nowhere, not even here. Calls `ended` when a letter's write has ended: is it in the log?
   */
  open(envelope: Envelope, draft: LetterDraft, ended?: (isStored: boolean) => void): void {
    if (envelope.transient || (draft.reason === 'not-stored' && this.#again.has(envelope.event.id))) return;
    const time = this.#port.clock.now();
    onceWritten(envelope, (position) => {
      const about = position > 0 ? { position } : this.#escape(envelope.event);
      this.#keep(this.#letter(envelope.event, draft, { time, ...about }), envelope, ended);
    });
  }

  /**
   * Opens a letter for an event a mailbox had no room for. What the policy throws away on purpose, and what exceeds
   * 100 letters a second, is summed up: one letter a second and recipient, which names the last of them.
   */
  dropped(envelope: Envelope, draft: LetterDraft): void {
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
    if (this.#again.has(attempted['id'] as string)) return;
    const named = {
      id: idOr(attempted['id'], ''),
      type: typeof type === 'string' ? type.slice(0, 256) : '?',
      correlationId: idOr(attempted['correlationId'], cause?.correlationId ?? ''),
    };
    const causationId = idOr(attempted['causationId'], '');
    const above = causationId === '' ? cause : withCausation(cause, causationId);
    this.#keep(this.#letter(named, { reason: 'refused', error }, this.#escape(attempted)), above);
  }

  /** The letters that are not in the log, in the order they were opened. */
  kept(): readonly KeptLetter[] {
    return [...this.#memory.values()];
  }

  find(id: string): KeptLetter | undefined {
    return this.#memory.get(id);
  }

  /**
   * Notes what was done about a letter that was opened at this position, 0 for one in memory; resolves when the note is
   * stored, with false where it is only in memory or nowhere.
   */
  note(letter: DeadLetter, opened: number, type: string, step: LetterNote['step']): Promise<boolean> {
    const note = { type, time: this.#port.clock.now(), step };
    const kept = this.#memory.get(letter.id);
    if (!kept) return this.#writeNote(letter, opened, note);
    kept.notes.push(note);
    return Promise.resolve(false);
  }

  /** Runs `publish`; what it cannot do with the event is no letter of its own. */
  async publishAgain<Result>(eventId: string, publish: () => Promise<Result>): Promise<Result> {
    this.#again.add(eventId);
    try {
      return await publish();
    } finally {
      this.#again.delete(eventId);
    }
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
    const { recipient, group, reason, attempts = 0, count = 1 } = draft;
    const letter = { id: this.#port.newId(), reason, time: this.#port.clock.now() };
    const subject = { eventId: event.id, eventType: event.type, correlationId: event.correlationId };
    const named = { ...(recipient !== undefined && { recipient }), ...(group !== undefined && { group }) };
    return { ...letter, ...subject, ...named, ...about, attempts, count, error: describeError(draft.error) };
  }

  #keep(letter: DeadLetter, cause: Cause | undefined, ended?: (isStored: boolean) => void): void {
    this.#opened++;
    const notes: LetterNote[] = [];
    this.#memory.set(letter.id, { letter, notes });
    if (this.#memory.size > IN_MEMORY) this.#memory.delete(this.#memory.keys().next().value!);
    const { id, time } = letter;
    const written = this.#port.write(LETTER_OPENED, letter, { id, time, ...placeOf(letter) }, cause);
    if (!written) ended?.(false);
    else
      onceWritten(written, (position) => {
        ended?.(position > 0);
        if (position === 0) return;
        this.#memory.delete(id);
        for (const note of notes) void this.#writeNote(letter, position, note);
      });
    this.#port.opened(letter);
  }

  #writeNote(letter: DeadLetter, opened: number, { type, time, step }: LetterNote): Promise<boolean> {
    const about = { time, ...placeOf(letter), causationId: letter.id };
    const written = this.#port.write(type, { letterId: letter.id, opened, ...step }, about, undefined);
    if (!written) return Promise.resolve(false);
    return new Promise((resolve) => onceWritten(written, (position) => resolve(position > 0)));
  }
}

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

function placeOf({ id, correlationId }: DeadLetter): Pick<LetterEventOptions, 'entity' | 'correlationId'> {
  return { entity: letterEntity(id), ...(correlationId !== '' && { correlationId }) };
}

// Cut by bytes; a character torn at the cut is left out.
function cutText(text: string, maxBytes: number): string {
  return Buffer.from(text)
    .subarray(0, maxBytes)
    .toString()
    .replace(/\uFFFD+$/, '');
}
