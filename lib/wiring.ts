import { asksOf } from './asking.ts';
import { runWithoutCause } from './context.ts';
import type { Core } from './core.ts';
import { effectsOf } from './effecting.ts';
import { TelltaleError, withoutStack } from './errors.ts';
import type { Envelope } from './event/envelope.ts';
import type { ContextPort } from './invoke/handler-context.ts';
import { channels } from './observe/channels.ts';
import { waitOnce } from './listening.ts';
import type { OnceOptions } from './handler-api.ts';
import type { EmitOptions } from './intake/emit-options.ts';
import type { ScheduleOptions } from './schedule-api.ts';
import { scheduleFor } from './scheduling.ts';
import { Router, type RouterPort } from './router/router.ts';
import type { Subscription } from './router/subscription.ts';

/** The router of a bus, told what to do with what its subscriptions report. */
export function createRouter(core: Core): Router {
  const { clock } = core.options;
  const context = contextPort(core);
  const port: RouterPort = {
    clock,
    dispatches: () => core.dispatcher.dispatches,
    context,
    failed: (subscription, envelope, { error, attempts }) =>
      handlerFailed(core, subscription, envelope, error, attempts),
    dropped: (subscription, envelopes) => mailboxFull(core, subscription, envelopes),
    waiting: (subscription, waitedMs) => queueWaits(core, subscription, waitedMs),
    eased: () => {
      core.dispatcher.eased();
      core.life.wake();
    },
    handled: (_, tookMs) => core.counters.handle.record(tookMs),
  };
  return new Router(port);
}

/** What handlers reach of the bus through their context. */
export function contextPort(core: Core): ContextPort {
  return {
    emit: (cause, type, payload, options) => core.emit(cause, type, payload, options as EmitOptions),
    publish: (cause, type, payload, options) => core.publish(cause, type, payload, options as EmitOptions),
    ask: (cause, type, payload, options) => asksOf(core).ask(cause, type, payload, options),
    schedule: (cause, type, payload, options) =>
      scheduleFor(core, cause, { type, payload, options: options as ScheduleOptions }),
    now: () => core.options.clock.now(),
    once: (pattern, options) => waitOnce(core, pattern, options as OnceOptions | undefined),
    effect: (cause, name, fn, recipient) => effectsOf(core).run(recipient, cause, name, fn),
  };
}

function handlerFailed(
  core: Core,
  subscription: Subscription,
  envelope: Envelope,
  error: unknown,
  attempts: number,
): void {
  const { pattern, group } = subscription.options;
  const { source } = core.options;
  // What is told again fails for the replay alone: the event has had its letter.
  if (envelope.retelling) return envelope.retelling.failed(envelope, error, attempts);
  // Its asker is told, and nobody else.
  if (envelope.asking) return envelope.asking.failed(error);
  if (channels.handlerFailed.hasSubscribers)
    channels.handlerFailed.publish({ source, event: envelope.event, pattern, error });
  // Failures while handling the bus's own events are only counted: reports about reports would never end.
  if (envelope.event.type.startsWith('$')) return;
  runWithoutCause(() => {
    core.reports.handlerFailed(subscription, pattern, envelope, error, attempts);
    // A bus that closes does not wait for it for ever: the event has had its letter.
    if (subscription.disowns(envelope)) return;
    const draft = { reason: 'handler-failed', error, recipient: pattern, attempts } as const;
    core.letters.open(envelope, { ...draft, ...(group !== undefined && { group }) });
  });
}

function mailboxFull(core: Core, subscription: Subscription, envelopes: readonly Envelope[]): void {
  const { pattern, mailbox, group } = subscription.options;
  const { queued, queuedBytes, dropped } = subscription.figures();
  const text = `mailbox of \`${pattern}\` full: ${queued} of ${mailbox.max} events, ${queuedBytes} of ${mailbox.maxBytes} bytes, ${dropped} dropped (${mailbox.overflow})`;
  const details = { pattern, queued, dropped, overflow: mailbox.overflow };
  const error = withoutStack(() => new TelltaleError('MAILBOX_FULL', text, { details }));
  const reason = mailbox.overflow === 'reject' || mailbox.overflow === 'wait' ? 'mailbox-full' : 'dropped';
  core.reports.say('$bus.mailbox.full', pattern, details);
  for (const envelope of envelopes) {
    if (envelope.retelling) envelope.retelling.failed(envelope, error, 0);
    else if (envelope.asking) envelope.asking.refused(error);
    else if (envelope.transient) core.counters.dropTransient(envelope.event.type);
    else if (!envelope.event.type.startsWith('$'))
      core.letters.dropped(envelope, { reason, error, recipient: pattern, ...(group !== undefined && { group }) });
  }
}

function queueWaits(core: Core, subscription: Subscription, waitedMs: number): void {
  const { pattern, key } = subscription.options;
  const { queued, running } = subscription.figures();
  const options = key ? ['concurrency'] : ['key with concurrency', 'concurrency (gives up order)', 'group'];
  core.reports.say('$bus.subscription.waiting', pattern, { pattern, queued, running, waitedMs, options });
}
