import type { Clock } from '../clock.ts';
import type { TelltaleError } from '../errors.ts';
import type { Answerer, QuestionTerms, RemoteReplies } from '../event/asking.ts';
import type { Envelope } from '../event/envelope.ts';
import type { TelltaleEvent } from '../event/event.ts';
import type { Filter } from '../filter/language.ts';
import type { LinkEnd } from '../invoke/link-end.ts';
import type { MailboxLimits } from '../mailbox/overflow.ts';
import type { AppendReceipt, Expectation, Store } from '../store/port.ts';
import type { WriteOutcome } from '../store/writer.ts';
import type { TypeInfo } from './frames.ts';

/** How an event that came over a link ended up. */
export type Settled = WriteOutcome | { readonly status: 'unstored' };

/** What a link hears of a bus. */
export interface Hear {
  readonly pattern: string;
  readonly where?: (event: TelltaleEvent) => boolean;
  readonly key?: (event: TelltaleEvent) => unknown;
  readonly group?: string;
  readonly concurrency: number;
  readonly mailbox: MailboxLimits;
  /** What takes the handler's place; see `heard`. */
  readonly link: LinkEnd;
}

/** What a worker asks for. */
export interface Telling {
  readonly pattern: string;
  readonly group?: string;
  readonly key?: unknown;
  readonly keyPath?: string;
}

/** A listener of a worker's bus, as its link sees it. */
export interface Local {
  readonly live: boolean;
  readonly options: {
    readonly pattern: string;
    readonly filter?: Filter;
    readonly group?: string;
    readonly keyPath?: string;
    readonly stream?: boolean;
  };
  take(envelope: Envelope): void;
}

/** As much of a bus as its links need, as functions. */
export interface BusPort {
  readonly source: string;
  /** Whose envelopes they are. */
  readonly owner: object;
  readonly clock: Clock;
  readonly store: Store | undefined;
  readonly closeTimeoutMs: number;
  readonly maxEventBytes: number;
  types(): Promise<readonly TypeInfo[]>;
  /** Throws `BUS_CLOSED`. */
  mustBeOpen(): void;

  /** Hears events from the next dispatch on; returns the undo. */
  hear(terms: Hear): () => void;
  /** Would anybody take a transient event of this type, links that say `skips` apart? */
  heard(type: string, skips: (link: LinkEnd) => boolean): boolean;
  /** Calls `listener` when somebody has come who may hear more; returns the undo. */
  onJoin(listener: () => void): () => void;
  /** Gives an event to the other members of a group; false where nobody takes it. */
  giveToGroup(envelope: Envelope, pattern: string, group: string): boolean;

  /** Is there room in the ingress? */
  room(bytes: number): boolean;
  /** Calls `enter` when there is; it must carry at once. */
  whenRoom(bytes: number, enter: () => void): void;
  /** Why the store takes nothing now. */
  full(events: number, bytes: number): TelltaleError | undefined;
  /** Throws what cannot be taken now. */
  carry(envelope: Envelope, fresh: boolean, expect: Expectation | undefined, settle?: (settled: Settled) => void): void;
  commit(
    envelopes: readonly Envelope[],
    expect: Expectation | undefined,
    fresh: boolean,
  ): Promise<
    Pick<AppendReceipt, 'position' | 'revisions' | 'storedAt' | 'duplicate'> & { readonly durability: string }
  >;

  /** The types that are answered here. */
  answeredTypes(): readonly string[];
  /** Calls `listener` when the first answerer of a type has come and the last one has gone. */
  onAnswerers(listener: (type: string, isAnswered: boolean) => void): void;
  /** Adds somebody to those who answer a type; returns the undo. */
  answer(type: string, answerer: Answerer): () => void;
  /** Asks `answerer` what nobody here takes, and whenever everybody is asked. */
  askElsewhere(answerer: Answerer): void;
  /** Hands a question of another bus to whoever answers its type, the link it came over apart. */
  receive(request: Envelope, terms: QuestionTerms, replies: RemoteReplies, from: Answerer): void;

  /** A `$worker.*` event. */
  report(type: string, about: Readonly<Record<string, unknown>>): void;
  /** What a link has to say in the health of the bus; returns the undo. */
  notice(say: () => readonly string[]): () => void;
  /** Its health is degraded while `fails` says so; returns the undo. */
  fault(fails: () => boolean): () => void;
  /** The bus closes: `drain` when its handlers have ended, `end` at the latest when all is stored. Both are awaited. */
  onClose(drain: () => Promise<void>, end: () => Promise<void>): () => void;

  /** In a worker: announces its subscriptions, and hands over its transient events. */
  linkTo(link: {
    readonly room: { max: number; maxBytes: number };
    mustTell(options: Telling): void;
    announce(local: Local, mailbox: MailboxLimits): () => void;
    nameOf(recipient: string, kind: 'on' | 'group' | 'answer'): string;
  }): void;
  uplink(tell: (envelope: Envelope) => void): void;
  /** In a worker: called when its bus begins to close, and awaited. */
  onLeave(leave: () => Promise<void>): void;
  /** A transient event was lost for want of room. */
  countLost(type: string): void;
}
