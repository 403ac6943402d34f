import { expected } from '../errors.ts';
import { parsePattern } from '../event/pattern.ts';
import { intoBus, type OtherBus } from './into-bus.ts';
import { intoHandler, intoObserver, intoPatterns, type ReplayObserver } from './into-handlers.ts';
import type { ReplayHandler } from './lanes.ts';
import type { ParsedReplay } from './options.ts';
import type { Recipient, RecipientParts } from './recipient.ts';

/** What `into` turned out to be. */
export type Into =
  | { readonly kind: 'handler'; readonly handler: ReplayHandler }
  | { readonly kind: 'patterns'; readonly handlers: Readonly<Record<string, ReplayHandler>> }
  | { readonly kind: 'observer'; readonly observer: ReplayObserver }
  | { readonly kind: 'bus'; readonly bus: OtherBus }
  | { readonly kind: 'self' };

const EXPECTATION = 'a handler, an object from patterns to handlers, an observer with `next`, or a bus';

/** Tells the kinds of `into` apart; `isSelf` knows this bus. Throws `INVALID_OPTION`, `INVALID_PATTERN`. */
export function parseInto(value: unknown, isSelf: (value: object) => boolean, parsed: ParsedReplay): Into {
  const into = kindOf(value, isSelf);
  const forHandlers = into.kind === 'handler' || into.kind === 'patterns';
  if (!forHandlers && (parsed.key !== undefined || parsed.concurrency !== 1))
    throw expected('INVALID_OPTION', '`into` with `key` or `concurrency`', 'a handler or an object of handlers', value);
  if (parsed.retry !== undefined && (into.kind === 'observer' || into.kind === 'self'))
    throw expected('INVALID_OPTION', '`into` with `retry`', 'a handler, an object of handlers or another bus', value);
  return into;
}

/** Another recipient for everything but this bus itself, which is wired where subscriptions are known. */
export function createRecipient(into: Exclude<Into, { kind: 'self' }>, parts: RecipientParts): Recipient {
  if (into.kind === 'handler') return intoHandler(into.handler, parts);
  if (into.kind === 'patterns') return intoPatterns(into.handlers, parts);
  return into.kind === 'observer' ? intoObserver(into.observer, parts) : intoBus(into.bus, parts);
}

function kindOf(value: unknown, isSelf: (value: object) => boolean): Into {
  if (typeof value === 'function') return { kind: 'handler', handler: value as ReplayHandler };
  if (typeof value !== 'object' || value === null) throw expected('INVALID_OPTION', '`into`', EXPECTATION, value);
  if (isSelf(value)) return { kind: 'self' };
  const { next, emit, publish, batch } = value as Record<string, unknown>;
  if ([emit, publish, batch].every((method) => typeof method === 'function'))
    return { kind: 'bus', bus: value as OtherBus };
  if (typeof next === 'function') return { kind: 'observer', observer: value as ReplayObserver };
  const handlers = Object.entries(value);
  if (handlers.length === 0) throw expected('INVALID_OPTION', '`into`', EXPECTATION, value);
  for (const [pattern, handler] of handlers) {
    parsePattern(pattern);
    if (typeof handler !== 'function') throw expected('INVALID_OPTION', `\`into['${pattern}']\``, 'a handler', handler);
  }
  return { kind: 'patterns', handlers: value as Readonly<Record<string, ReplayHandler>> };
}
