import type { Observable } from 'rxjs';
import type { IterateOptions, ObserveOptions, OnceOptions } from './api.ts';
import type { Core } from './core.ts';
import { toMs } from './duration.ts';
import { TelltaleError, expected } from './errors.ts';
import type { TelltaleEvent } from './event/event.ts';
import { DEFAULT_MAILBOX } from './mailbox/overflow.ts';
import { parseSubscribe, type ParsedSubscribe } from './options.ts';
import { IsolatedObservable } from './router/isolated-observable.ts';
import { iterate } from './router/iterate.ts';
import { once, type OnceTerms } from './router/once.ts';
import type { Handler } from './router/subscription.ts';

export interface ParsedOnce extends ParsedSubscribe, OnceTerms {}

/** Subscribes until undone, aborted or the bus closes. */
export function listen(core: Core, parsed: ParsedSubscribe, handler: Handler): () => void {
  const { signal, ...options } = parsed;
  if (signal?.aborted) return () => undefined;
  const { undo } = core.router.subscribe({ ...options, handler });
  if (!signal) return undo;
  signal.addEventListener('abort', undo, { once: true });
  return () => {
    signal.removeEventListener('abort', undo);
    undo();
  };
}

/** The options of `once`, parsed. */
export function parseOnce(pattern: unknown, options: unknown): ParsedOnce {
  const { timeout, signal, ...rest } = (options ?? {}) as OnceOptions;
  const parsed = parseSubscribe(pattern, Object.keys(rest).length > 0 ? rest : undefined, DEFAULT_MAILBOX);
  return {
    ...parsed,
    ...(timeout !== undefined && { timeoutMs: toMs(timeout, 'timeout') }),
    ...(signal && { signal }),
  };
}

export function waitOnce(core: Core, terms: ParsedOnce): Promise<TelltaleEvent> {
  const { signal: _, ...parsed } = terms;
  const port = {
    clock: core.options.clock,
    subscribe: (listener: (event: TelltaleEvent) => void) => listen(core, parsed, listener),
    onClose: (closed: () => void) => core.onClose(closed),
  };
  return once(port, terms);
}

/** Events as an Observable; each subscriber is a subscription of its own and can hurt only itself. */
export function observeEvents(
  core: Core,
  pattern: unknown,
  options: ObserveOptions | undefined,
): Observable<TelltaleEvent> {
  const parsed = parseSubscribe(pattern, options, core.options.mailbox);
  // What a subscriber throws during delivery fails that delivery; what it throws later has no event to blame.
  let delivering = false;
  let thrown: { readonly error: unknown } | undefined;
  const failed = (error: unknown): void => {
    if (delivering) thrown ??= { error };
    else core.reports.say('$bus.stream.failed', parsed.pattern, { pattern: parsed.pattern, message: String(error) });
  };
  return new IsolatedObservable<TelltaleEvent>(failed, (subscriber) => {
    const undo = [
      core.onClose(() => subscriber.complete()),
      listen(core, parsed, (event) => {
        const outer = delivering;
        delivering = true;
        subscriber.next(event);
        delivering = outer;
        const failure = thrown;
        thrown = undefined;
        if (failure) throw failure.error;
      }),
    ];
    return () => {
      for (const step of undo) step();
    };
  });
}

/** Events as an async iterable. */
export function iterateEvents(
  core: Core,
  pattern: unknown,
  options: IterateOptions | undefined,
): AsyncIterableIterator<TelltaleEvent> {
  const limits = { ...core.options.mailbox, overflow: 'lag' as const };
  const parsed = parseSubscribe(pattern, options, limits);
  const { mailbox } = parsed;
  if (mailbox.overflow !== 'lag' && mailbox.overflow !== 'reject') {
    throw expected('INVALID_OPTION', '`mailbox.overflow` of an iterator', "'lag' or 'reject'", mailbox.overflow);
  }
  return iterate({
    limits: mailbox,
    subscribe: (listener) => listen(core, parsed, (event, context) => listener(event, context.size)),
    onClose: (closed) => core.onClose(closed),
    lagged: (missed, from, to) => core.makeReport('$bus.lagged', { missed, from, to }),
    full: (queued) =>
      new TelltaleError('MAILBOX_FULL', `iterator of \`${parsed.pattern}\` full: ${queued} of ${mailbox.max} events`),
  });
}
