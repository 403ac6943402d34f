import type { Answering, Asking } from '../context.ts';
import type { TelltaleError } from '../errors.ts';
import type { Envelope } from './envelope.ts';
import type { Metadata, TelltaleEvent } from './event.ts';

/** Whoever answers questions: a handler, an actor, the other end of a link. Answerers of one type form a group. */
export interface Answerer {
  /** How many more questions it could answer at once; negative where some wait. The one with most is asked. */
  readonly credit: number;
  /** It stands for whoever answers on the other side of a link. */
  readonly many?: true;
  accepts(event: TelltaleEvent): boolean;
  /** Takes a question; `envelope.asking` says how to answer it. Called in its context. Never throws. */
  take(envelope: Envelope): void;
}

/** The asker's side of `Asking`. */
export interface Replies extends Answering {
  /** An answer, or what the answerer threw in place of one, after the asker had given up. */
  late(outcome: LateOutcome): void;
}

/** What all questions of one ask have in common, and what of them crosses a link beside the event. Plain data there. */
export type QuestionTerms = Pick<Asking, 'path' | 'streams' | 'everybody' | 'remainingMs'>;

/** What becomes of a question that came over a link, for the other side. */
export interface RemoteReplies extends Omit<Replies, 'shared'> {
  /** Said first: cancel it when the asker has given up, or the link has ended. */
  begun(incoming: { cancel(reason: TelltaleError): void }): void;
  /** So many more answer it: what each of them says goes back through one of these. */
  shared(more: number): readonly RemoteReplies[];
}

export type LateOutcome = { readonly value: unknown } | { readonly error: unknown };

/** Somebody to ask by himself, such as an actor's instance, in place of the group of a type. */
export interface Addressee {
  /** Where a chain of questions comes back to this address, it is a cycle. */
  readonly address: string;
  /** It stands for several, each with an address of its own: which of them is asked is found out later. */
  readonly several?: true;
  readonly answerer: Answerer;
  /** The bus's own, added to the request: whom it is for. */
  readonly metadata?: Metadata;
}
