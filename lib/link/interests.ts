import { TelltaleError } from '../errors.ts';
import type { MailboxLimits } from '../mailbox/overflow.ts';
import type { Local, Telling } from './bus-port.ts';
import type { Interest, Message } from './frames.ts';

/** Subscriptions of a worker that mean the same: an event comes over the link once for all of them. */
export interface Listeners {
  readonly interest: Interest;
  locals: readonly Local[];
}

/** What a worker's bus wants to hear, and who is behind it. */
export class Interests {
  readonly #send: (message: Message) => void;
  readonly #byKey = new Map<string, Listeners>();
  readonly #byId = new Map<number, Listeners>();
  #last = 0;

  constructor(send: (message: Message) => void) {
    this.#send = send;
  }

  get(id: number): Listeners | undefined {
    return this.#byId.get(id);
  }

  /** Announces a subscription; returns the undo. */
  add(local: Local, mailbox: MailboxLimits): () => void {
    const interest = toInterest(local, mailbox);
    const key = this.#keyFor(interest);
    const listeners = this.#byKey.get(key) ?? this.#announce(key, interest);
    listeners.locals = [...listeners.locals, local];
    return () => {
      listeners.locals = listeners.locals.filter((one) => one !== local);
      if (listeners.locals.length === 0) this.#withdraw(key, listeners);
    };
  }

  /** Nothing more is wanted; what is on its way still finds its listeners. */
  leave(): void {
    for (const id of this.#byId.keys()) this.#send(['unhear', id]);
  }

  #announce(key: string, interest: Omit<Interest, 'id'>): Listeners {
    const id = ++this.#last;
    // The second member of a group in one worker is the second one of each worker.
    const place = Number(key.slice(key.lastIndexOf('#') + 1));
    const listeners: Listeners = { interest: { ...interest, id, ...(place > 0 && { member: place }) }, locals: [] };
    this.#byKey.set(key, listeners);
    this.#byId.set(id, listeners);
    this.#send(['hear', listeners.interest]);
    return listeners;
  }

  #withdraw(key: string, { interest: { id } }: Listeners): void {
    this.#byKey.delete(key);
    this.#byId.delete(id);
    this.#send(['unhear', id]);
  }

  // Each subscription of a group is a member of its own.
  #keyFor(interest: Omit<Interest, 'id'>): string {
    const text = sameFor(interest);
    if (interest.group === undefined) return `${text}#0`;
    for (let place = 0; ; place++) if (!this.#byKey.has(`${text}#${place}`)) return `${text}#${place}`;
  }
}

/**
 * Throws `NOT_SUPPORTED` for a group with a function as its key: its events are dealt out by the parent, which could keep
 * no order of a key that it cannot work out.
 */
export function mustTell({ pattern, group, key, keyPath }: Telling): void {
  if (group === undefined || key === undefined || keyPath !== undefined) return;
  const text = `\`key\` of on('${pattern}') with group \`${group}\` in a worker: a path, for its parent deals out the events of a group; got a function`;
  throw new TelltaleError('NOT_SUPPORTED', text, { details: { pattern, group } });
}

/** Equal for interests that mean the same, in whichever worker. */
export function sameFor({ pattern, where, group, key, stream }: Omit<Interest, 'id'>): string {
  return JSON.stringify([pattern, where ?? null, group ?? null, key ?? null, stream === true]);
}

function toInterest({ options }: Local, mailbox: MailboxLimits): Omit<Interest, 'id'> {
  const { pattern, filter: where, group, keyPath: key, stream } = options;
  return {
    pattern,
    ...(where !== undefined && { where }),
    ...(group !== undefined && { group }),
    ...(key !== undefined && { key }),
    ...(stream && { stream }),
    mailbox,
  };
}
