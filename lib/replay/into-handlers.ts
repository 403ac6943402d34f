import { runWithCause } from '../context.ts';
import { deepFrozen } from '../event/deep-frozen.ts';
import type { StoredEvent } from '../event/event.ts';
import { TopicTrie } from '../event/topic-trie.ts';
import { invoke } from '../invoke/invoke.ts';
import { Lanes, type ReplayHandler } from './lanes.ts';
import type { Recipient, RecipientParts } from './recipient.ts';
import { Retold } from './retold.ts';

/** One handler for every event. */
export function intoHandler(handler: ReplayHandler, parts: RecipientParts): Recipient {
  const lanes = new Lanes(handler, parts);
  const tell = (envelope: Retold): Promise<void> | undefined => lanes.tell(envelope);
  return {
    tell: (event) => {
      const envelope = new Retold(event, parts.retelling, parts.owner);
      return runWithCause(envelope, tell, envelope);
    },
    stop: () => lanes.stop(),
    rest: () => lanes.rest(),
    running: () => lanes.running,
  };
}

/** Handlers by pattern, each with lanes of its own; an event counts once for each that hears it. */
export function intoPatterns(handlers: Readonly<Record<string, ReplayHandler>>, parts: RecipientParts): Recipient {
  const trie = new TopicTrie<Lanes>();
  const all: Lanes[] = [];
  for (const [pattern, handler] of Object.entries(handlers)) {
    const lanes = new Lanes(handler, { ...parts, recipient: `${parts.recipient}:${pattern}` });
    all.push(lanes);
    trie.add(pattern, lanes);
  }
  const tellAll = (envelope: Retold): Promise<void> | undefined => {
    const waits: Promise<void>[] = [];
    for (const lanes of trie.match(envelope.event.type)) {
      const wait = lanes.tell(envelope);
      if (wait) waits.push(wait);
    }
    return waits.length === 0 ? undefined : allOf(waits);
  };
  return {
    tell: (event) => {
      const { length } = trie.match(event.type);
      if (length === 0) {
        parts.desk.skipped();
        return undefined;
      }
      const shared = length > 1 ? deepFrozen(event) : event;
      const envelope = new Retold(shared, parts.retelling, parts.owner);
      return runWithCause(envelope, tellAll, envelope);
    },
    stop: () => allOf(all.map((lanes) => lanes.stop())),
    rest: () => allOf(all.map((lanes) => lanes.rest())),
    running: () => all.reduce((sum, { running }) => sum + running, 0),
  };
}

/** What RxJS calls an observer. */
export interface ReplayObserver {
  next(event: StoredEvent): unknown;
  complete?(): unknown;
  /** What stopped the replay; handlers that fail do not. */
  error?(error: unknown): unknown;
}

/** A `next` that throws is a failure of that event; the stream goes on. */
export function intoObserver(observer: ReplayObserver, parts: RecipientParts): Recipient {
  const handler: ReplayHandler = (event) => observer.next(event);
  return {
    ...intoHandler(handler, parts),
    finish: (...stopped) => {
      const last = (): unknown => (stopped.length === 0 ? observer.complete?.() : observer.error?.(stopped[0]));
      // Whatever it throws now is about no event any more.
      void invoke(last, undefined, { attempt: 1 });
    },
  };
}

function allOf(waits: readonly (Promise<void> | undefined)[]): Promise<void> | undefined {
  const real = waits.filter((wait) => wait !== undefined);
  return real.length === 0 ? undefined : Promise.all(real).then(() => undefined);
}
