import { asksOf } from './asking.ts';
import { runWithoutCause } from './context.ts';
import type { Core } from './core.ts';
import { joinTransaction, publishedLate } from './joining.ts';
import { effectsOf } from './effecting.ts';
import type { Envelope } from './event/envelope.ts';
import type { ContextPort } from './invoke/handler-context.ts';
import type { Failure } from './invoke/invoke.ts';
import { channels } from './observe/channels.ts';
import { waitOnce } from './listening.ts';
import type { OnceOptions } from './handler-api.ts';
import type { EmitOptions } from './intake/emit-options.ts';
import type { ScheduleOptions } from './schedule-api.ts';
import { scheduleFor } from './scheduling.ts';
import { Router, type RouterPort } from './router/router.ts';
import type { Subscription } from './router/subscription.ts';
import { mailboxFull, undelivered, type Place } from './undelivered.ts';

/** The router of a bus, told what to do with what its subscriptions report. */
export function createRouter(core: Core): Router {
  const { clock } = core.options;
  const context = contextPort(core);
  const port: RouterPort = {
    clock,
    turn: core.turn,
    dispatches: () => core.dispatcher.dispatches,
    context,
    failed: (subscription, envelope, failure) => handlerFailed(core, subscription, envelope, failure),
    dropped: (subscription, envelopes) => noRoom(core, subscription, envelopes),
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
    publish: (cause, type, payload, options) => {
      const given = options as EmitOptions | undefined;
      if (cause.joint?.isOver && !given?.transient) return core.watch(Promise.reject(publishedLate(type)), type);
      return core.publish(cause, type, payload, given);
    },
    ask: (cause, type, payload, options) => asksOf(core).ask(cause, type, payload, options),
    schedule: (cause, type, payload, options) =>
      scheduleFor(core, cause, { type, payload, options: options as ScheduleOptions }),
    now: () => core.options.clock.now(),
    once: (pattern, options) => waitOnce(core, pattern, options as OnceOptions | undefined),
    join: (cause, tx) => joinTransaction(core, cause, tx),
    effect: (cause, name, fn, recipient) => effectsOf(core).run(recipient, cause, name, fn),
  };
}

function handlerFailed(core: Core, subscription: Subscription, envelope: Envelope, { error, attempts }: Failure): void {
  const { pattern } = subscription.options;
  const { source } = core.options;
  // Whoever tells it again, or asks, is told of it, and nobody else.
  if (!envelope.retelling && !envelope.asking) {
    if (channels.handlerFailed.hasSubscribers)
      channels.handlerFailed.publish({ source, event: envelope.event, pattern, error });
    runWithoutCause(() => core.reports.handlerFailed(subscription, pattern, envelope, error, attempts));
    // A bus that closes does not wait for it for ever: the event has had its letter.
    if (subscription.disowns(envelope)) return;
  }
  undelivered(core, envelope, { reason: 'handler-failed', error, attempts, ...placeOf(subscription) });
}

function noRoom(core: Core, subscription: Subscription, envelopes: readonly Envelope[]): void {
  const { pattern, mailbox: limits } = subscription.options;
  mailboxFull(core, envelopes, {
    of: `\`${pattern}\``,
    report: '$bus.mailbox.full',
    about: { pattern },
    limits,
    figures: subscription.figures(),
    place: placeOf(subscription),
  });
}

function queueWaits(core: Core, subscription: Subscription, waitedMs: number): void {
  const { pattern, key } = subscription.options;
  const { queued, running } = subscription.figures();
  const options = key ? ['concurrency'] : ['key with concurrency', 'concurrency (gives up order)', 'group'];
  core.reports.say('$bus.subscription.waiting', pattern, { pattern, queued, running, waitedMs, options });
}

/** Whom the letters of a subscription name. */
export function placeOf({ options: { pattern, group } }: Subscription): Place {
  return { recipient: pattern, ...(group !== undefined && { group }) };
}
