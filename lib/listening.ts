import type { Observable } from 'rxjs';
import type { IterateOptions, ObserveOptions } from './api.ts';
import type { OnceOptions } from './handler-api.ts';
import type { Core } from './core.ts';
import { toMs } from './duration.ts';
import { TelltaleError, expected } from './errors.ts';
import type { Envelope } from './event/envelope.ts';
import type { TelltaleEvent } from './event/event.ts';
import { iterateFrom, listenFrom, mustHaveStore } from './following.ts';
import { DEFAULT_MAILBOX } from './mailbox/overflow.ts';
import { onEnd } from './on-end.ts';
import { parseSubscribe, type ParsedSubscribe } from './options.ts';
import { mustKnow } from './parse-options.ts';
import { isolatedObservable } from './rx/isolated-observable.ts';
import { iterate } from './router/iterate.ts';
import { once, type OnceTerms } from './router/once.ts';
import type { Handler, Subscription, SubscriptionOptions } from './router/subscription.ts';

interface ParsedOnce extends ParsedSubscribe, OnceTerms {}

interface Listening {
  /** Undefined where the signal was aborted before. */
  readonly subscription: Subscription | undefined;
  readonly undo: () => void;
}

interface ListenTerms extends Pick<SubscriptionOptions, 'held' | 'stream'> {
  /** Told when a subscription with `from` cannot go on. @default reported as `$bus.stream.failed` */
  readonly failed?: (error: unknown) => void;
}

/** Subscribes until undone, aborted or the bus closes. Throws `STORE_REQUIRED` for `from` on a bus without one. */
export function listen(
  core: Core,
  parsed: ParsedSubscribe,
  handler: Handler,
  { failed, ...more }: ListenTerms = {},
): Listening {
  const { signal, from, ...options } = parsed;
  if (from) mustHaveStore(core);
  if (signal?.aborted) return { subscription: undefined, undo: () => undefined };
  const all = { ...options, ...more, handler };
  const { pattern } = options;
  const { subscription, undo } = from
    ? listenFrom(core, { ...from, pattern }, all, failed ?? ((error) => sayEnded(core, pattern, error)))
    : core.router.subscribe(all);
  if (!signal) return { subscription, undo };
  const stopWaiting = onEnd(core, signal, undo);
  return {
    subscription,
    undo: () => {
      stopWaiting();
      undo();
    },
  };
}

function sayEnded(core: Core, pattern: string, error: unknown): void {
  const part = {
    owner: {},
    key: pattern,
    thing: `the reading of \`on('${pattern}')\` with \`from\``,
    about: { pattern },
  };
  core.reports.failed('$bus.stream.failed', part, error);
}

function parseOnce(pattern: unknown, options: OnceOptions | undefined): ParsedOnce {
  mustKnow(options ?? {}, ['where', 'from', 'timeout', 'signal'], 'once');
  const { timeout, ...rest } = options ?? {};
  const parsed = parseSubscribe(pattern, options && rest, DEFAULT_MAILBOX);
  return { ...parsed, ...(timeout !== undefined && { timeoutMs: toMs(timeout, 'timeout') }) };
}

/** The next event of a pattern. Rejects with what `parseOnce` throws, `TIMEOUT`, `ABORTED`, `BUS_CLOSED`. */
export function waitOnce(core: Core, pattern: unknown, options: OnceOptions | undefined): Promise<TelltaleEvent> {
  const start = async (): Promise<TelltaleEvent> => {
    const terms = parseOnce(pattern, options);
    const { signal: _, ...parsed } = terms;
    const port = {
      clock: core.options.clock,
      subscribe: (listener: (event: TelltaleEvent) => void, failed: (error: unknown) => void) =>
        listen(core, parsed, listener, { failed, stream: true }).undo,
      onClose: (closed: () => void) => core.life.onClose(closed),
    };
    return once(port, terms);
  };
  const event = start();
  // Whoever awaits it sees the rejection too; one that nobody awaits must not end the process when the bus closes.
  event.catch(() => undefined);
  return event;
}

/** Events as an Observable; each subscriber is a subscription of its own and can hurt only itself. */
export function observeEvents(
  core: Core,
  pattern: unknown,
  options: ObserveOptions | undefined,
): Observable<TelltaleEvent> {
  mustKnow(options ?? {}, ['where', 'from', 'signal'], 'observe');
  const { signal, ...parsed } = parseSubscribe(pattern, options, core.options.mailbox);
  if (parsed.from) mustHaveStore(core);
  // What a subscriber throws during delivery fails that delivery; what it throws later has no event to blame.
  let delivering = false;
  let thrown: { readonly error: unknown } | undefined;
  const { pattern: key } = parsed;
  const part = { owner: {}, key, thing: `a stream of \`observe('${key}')\``, about: { pattern: key } };
  const failed = (error: unknown): void => {
    if (delivering) thrown ??= { error };
    else core.reports.failed('$bus.stream.failed', part, error);
  };
  return isolatedObservable<TelltaleEvent>(failed, (subscriber) => {
    const stopWaiting = onEnd(core, signal, () => subscriber.complete());
    if (subscriber.closed) return stopWaiting;
    const deliver = (event: TelltaleEvent): void => {
      delivering = true;
      subscriber.next(event);
      delivering = false;
      const failure = thrown;
      thrown = undefined;
      if (failure) throw failure.error;
    };
    const { undo } = listen(core, parsed, deliver, { failed: (error) => subscriber.error(error), stream: true });
    return () => {
      stopWaiting();
      undo();
    };
  });
}

/** Events as an async iterable. */
export function iterateEvents(
  core: Core,
  pattern: unknown,
  options: IterateOptions | undefined,
): AsyncIterableIterator<TelltaleEvent> {
  mustKnow(options ?? {}, ['where', 'from', 'signal', 'mailbox'], 'iterate');
  const { signal, ...parsed } = parseSubscribe(pattern, options, { ...core.options.mailbox, overflow: 'lag' });
  const { mailbox, from } = parsed;
  if (from) {
    if (options?.mailbox === undefined) return iterateFrom(core, { ...from, pattern: parsed.pattern }, signal);
    throw new TelltaleError(
      'INVALID_OPTION',
      '`from` and `mailbox` of an iterator exclude each other: it reads the log as it is asked',
    );
  }
  if (mailbox.overflow !== 'lag' && mailbox.overflow !== 'reject') {
    throw expected('INVALID_OPTION', '`mailbox.overflow` of an iterator', "'lag' or 'reject'", mailbox.overflow);
  }
  let subscription: Subscription | undefined;
  return iterate({
    limits: mailbox,
    subscribe: (listener, held) => {
      const listening = listen(core, parsed, (_, context) => listener(context.envelope), { held, stream: true });
      subscription = listening.subscription;
      return listening.undo;
    },
    onEnd: (ended) => onEnd(core, signal, ended),
    lost: (envelopes: readonly Envelope[]) => subscription?.lose(envelopes),
    lagged: (missed, first, last) => core.makeReport('$bus.lagged', { missed, from: first, to: last }),
    full: (queued) =>
      new TelltaleError('MAILBOX_FULL', `iterator of \`${parsed.pattern}\` full: ${queued} of ${mailbox.max} events`),
  });
}
