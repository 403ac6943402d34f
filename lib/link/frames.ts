import type { Chain } from '../context.ts';
import { TelltaleError } from '../errors.ts';
import type { QuestionTerms } from '../event/asking.ts';
import type { StoredEvent, TelltaleEvent } from '../event/event.ts';
import type { Plain } from '../event/event.ts';
import type { Filter } from '../filter/language.ts';
import type { MailboxLimits } from '../mailbox/overflow.ts';
import type { SeatNames } from './seat-names.ts';
import type { Durability, Expectation, StoreSupports } from '../store/port.ts';

/** Rises when the two sides of different versions would not understand each other. */
export const PROTOCOL = 1;

/** Bytes of events that may be on their way, each way: while any are left, one event more may go. */
export const CREDIT_BYTES = 16 * 1024 * 1024;

/** What one side declares of a type. */
export interface TypeInfo {
  readonly type: string;
  readonly version: number;
  readonly transient: boolean;
  /** Of the JSON Schema of the version, where its library gives one. */
  readonly hash?: string;
}

/** The parent's first words. */
export interface Offer {
  readonly protocol: number;
  readonly source: string;
  /** What the worker is called. */
  readonly name: string;
  /** Events that may be on their way to the worker, and from it. */
  readonly credits: number;
  readonly upCredits: number;
  /** The largest event that comes. */
  readonly maxEventBytes: number;
  readonly seat: SeatNames;
  /** Of the parent's store; absent where it has none. */
  readonly store?: StoreSupports;
}

/** What a worker wants to hear. `id` is the worker's; two workers mean the same where all the rest is equal. */
export interface Interest {
  readonly id: number;
  readonly pattern: string;
  readonly where?: Filter;
  readonly group?: string;
  readonly key?: string;
  readonly stream?: boolean;
  /** One of several members of a group in one worker. */
  readonly member?: number;
  readonly mailbox: MailboxLimits;
}

/** An append as the worker's store was given it. */
export interface AppendTerms {
  readonly fresh: boolean;
  readonly expect?: Expectation;
  /** Of the events that have one. */
  readonly chains?: readonly (Chain | null)[];
}

/** What goes with a question. */
export interface AskTerms extends Omit<QuestionTerms, 'remainingMs'> {
  /** Null: for ever. */
  readonly remainingMs: number | null;
}

/** `shared` says, with the first id and their number, under which ids others answer as well. */
export type AnswerKind = 'answered' | 'part' | 'ended' | 'failed' | 'refused' | 'dropped' | 'shared';

/** Estimated size of an event, worked out once, where it was emitted. */
type Bytes = number;

/** Everything that is ever sent. A frame is a JSON array of these, in the order they were sent. */
export type Message =
  // the beginning
  | readonly ['offer', Offer]
  | readonly ['hello', { readonly protocol: number; readonly types: readonly TypeInfo[] }]
  | readonly ['welcome']
  | readonly ['refused', Plain]
  | readonly ['ready']
  // events to the worker, and what became of them
  | readonly ['event', seq: number, interest: number, TelltaleEvent | StoredEvent, 0 | 1, number, Bytes, Chain?]
  | readonly ['done', ...runs: readonly number[]]
  | readonly ['failed', seq: number, Plain, attempts: number]
  | readonly ['declined', seq: number]
  | readonly ['hear', Interest]
  | readonly ['unhear', id: number]
  // events from the worker, and what became of them
  | readonly ['tell', TelltaleEvent, Bytes, Chain?]
  | readonly ['append', serial: number, readonly TelltaleEvent[], readonly Bytes[], AppendTerms]
  | readonly ['taken', count: number, Bytes]
  | readonly ['stored', serial: number, ReceiptFrame, count?: number]
  | readonly ['not-stored', serial: number, Plain]
  | readonly ['unwanted', type: string]
  | readonly ['wanted', type: string]
  // questions to the store
  | readonly ['call', id: number, method: string, args: readonly unknown[]]
  | readonly ['reply', id: number, value: unknown]
  | readonly ['error', id: number, Plain]
  | readonly ['watch']
  | readonly ['moved', after: number, through: number]
  | readonly ['removed', readonly { readonly from: number; readonly to: number }[]]
  // questions of users
  | readonly ['answers', type: string, isAnswered: boolean]
  | readonly ['ask', id: number, TelltaleEvent, AskTerms, 0 | 1, Bytes, Chain?]
  | readonly ['answer', id: number, AnswerKind, value?: unknown]
  | readonly ['taken-part', id: number]
  | readonly ['forget', id: number, Plain]
  // the end
  | readonly ['drain']
  | readonly ['bye']
  | readonly ['ping']
  | readonly ['pong'];

/**
 * Position, storedAt, durability, duplicate, and the revisions where any is not 0. With a count, it is that of as many
 * appends of one event each, one behind the other.
 */
export type ReceiptFrame = readonly [number, number, Durability | 'none', 0 | 1, (readonly number[])?];

/** What one side does about each message that the other may send it. */
export type Receivers = {
  readonly [Tag in Message[0]]?: (message: Extract<Message, readonly [Tag, ...unknown[]]>) => void;
};

/** Throws `LINK_BROKEN` for what the other side never sends. */
export function receive(receivers: Receivers, message: Message): void {
  if (!Object.hasOwn(receivers, message[0]))
    throw new TelltaleError('LINK_BROKEN', `the other side does not send \`${message[0]}\``);
  (receivers[message[0]] as (message: Message) => void)(message);
}
