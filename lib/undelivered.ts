import { runWithoutCause } from './context.ts';
import type { Core } from './core.ts';
import { TelltaleError, toError, withoutStack } from './errors.ts';
import type { Envelope } from './event/envelope.ts';
import type { MailboxLimits } from './mailbox/overflow.ts';
import type { LetterDraft } from './store/dead-letters.ts';

/** Whom an event was meant for, as letters name it. */
export type Place = Pick<LetterDraft, 'group'> & { readonly recipient: string };

/**
 * What becomes of an event that somebody should have handled and has not: whoever tells it again, or asks, is told and
 * nobody else; what is transient is counted, everything else has a letter. Failures with the bus's own events are only
 * counted where they happen: reports about reports would never end.
 */
export function undelivered(core: Core, envelope: Envelope, draft: LetterDraft): void {
  const { retelling, asking, transient, event } = envelope;
  const { reason, error, attempts = 0 } = draft;
  const isFailure = reason === 'handler-failed';
  if (retelling) return reason === 'cut' ? retelling.dropped(envelope) : retelling.failed(envelope, error, attempts);
  if (asking) return isFailure ? asking.failed(error) : asking.refused(toError(error) as TelltaleError);
  if (transient && !isFailure) return core.counters.dropTransient(event.type);
  if (event.type.startsWith('$')) return;
  const isDrop = reason === 'mailbox-full' || reason === 'dropped';
  runWithoutCause(() => (isDrop ? core.letters.dropped(envelope, draft) : core.letters.open(envelope, draft)));
}

export interface FullMailbox {
  /** What it is called in the error. */
  readonly of: string;
  readonly report: '$bus.mailbox.full' | '$actor.mailbox.full';
  readonly about: { readonly pattern: string } | { readonly name: string };
  readonly limits: MailboxLimits;
  readonly figures: { readonly queued: number; readonly queuedBytes: number; readonly dropped: number };
  readonly place: Place;
}

/** A mailbox had no room for these. */
export function mailboxFull(core: Core, envelopes: readonly Envelope[], full: FullMailbox): void {
  const { of, report, about, place } = full;
  const { max, maxBytes, overflow } = full.limits;
  const { queued, queuedBytes, dropped } = full.figures;
  const text = `mailbox of ${of} full: ${queued} of ${max} events, ${queuedBytes} of ${maxBytes} bytes, ${dropped} dropped (${overflow})`;
  const details = { ...about, queued, dropped, overflow };
  const error = withoutStack(() => new TelltaleError('MAILBOX_FULL', text, { details }));
  const reason = overflow === 'reject' || overflow === 'wait' ? 'mailbox-full' : 'dropped';
  runWithoutCause(() => core.reports.say(report, 'name' in about ? about.name : about.pattern, details));
  for (const envelope of envelopes) undelivered(core, envelope, { reason, error, ...place });
}
