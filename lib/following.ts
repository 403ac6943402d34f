import { NO_CHAIN, runWithoutCause } from './context.ts';
import type { Core } from './core.ts';
import { Envelope } from './event/envelope.ts';
import type { StoredEvent, TelltaleEvent } from './event/event.ts';
import type { Place } from './event/place.ts';
import type { Filter } from './filter/language.ts';
import { onEnd } from './on-end.ts';
import { presenterOf } from './presenting.ts';
import type { Subscription, SubscriptionOptions } from './router/subscription.ts';
import { RecentChains } from './router/recent-chains.ts';
import { Tail } from './router/tail.ts';
import { follow, type Follower } from './store/follow.ts';
import type { Store } from './store/port.ts';
import { resolveStart } from './store/read/resolve-start.ts';
import { retryRead } from './store/read/retry-read.ts';

/** What a subscription with `from` reads of the log. */
export interface Following {
  readonly place: Place;
  readonly pattern: string;
  /** As it was given: it looks at events as they are stored. */
  readonly where: Filter | undefined;
}

/** Throws `STORE_REQUIRED`. */
export const mustHaveStore = (core: Core): Store => core.storeFor('`from`');

/**
 * A subscription that reads the log from a place on, and then lives off the commit feed for as long as it runs. `failed`
 * is told when the place is not known or the log can no longer be read; the subscription ends then, when its handlers
 * have. It stops reading when the bus begins to close. Throws `STORE_REQUIRED`.
 */
export function listenFrom(
  core: Core,
  following: Following,
  options: SubscriptionOptions,
  failed: (error: unknown) => void,
): { readonly subscription: Subscription; readonly undo: () => void } {
  mustHaveStore(core);
  const ending = new AbortController();
  const tail = new Tail();
  const present = presenterOf(core);
  core.carrier.chains ??= new RecentChains();
  const envelopeOf = (event: StoredEvent): Envelope => toEnvelope(core, present(event), options.key !== undefined);
  // Never full, so there is no policy: a bus-wide one would only make publishers look at it.
  const mailbox = { ...options.mailbox, overflow: 'reject' as const };
  const terms = { ...options, mailbox, onEnd: tail.ease, isBehind: () => tail.isBehind };
  const { subscription, undo } = core.router.subscribe(terms, () => () => ending.abort());
  const { signal } = ending;
  const run = async (): Promise<void> => {
    try {
      const follower = await openFollower(core, following, signal, () => core.life.wake());
      await tail.run(follower, subscription, { signal, envelopeOf });
    } catch (error) {
      if (!signal.aborted) failed(error);
    } finally {
      tail.end();
      // Aborted: it is undone already, or the bus closes and lets its handlers finish.
      if (!signal.aborted) undo();
      core.life.wake();
    }
  };
  stopWithBus(core, ending, runWithoutCause(run));
  return { subscription, undo };
}

/**
 * The log from a place on as an async iterable, read when it is asked for: a slow reader misses nothing. Ends when the
 * bus closes or the signal is aborted. Throws `STORE_REQUIRED`; `next` rejects where the place is not known.
 */
export function iterateFrom(
  core: Core,
  following: Following,
  signal: AbortSignal | undefined,
): AsyncIterableIterator<TelltaleEvent> {
  mustHaveStore(core);
  const ending = new AbortController();
  const follower = runWithoutCause(() => openFollower(core, following, ending.signal));
  // Whoever asks for the first event is told.
  follower.catch(() => undefined);
  const stopWaiting = onEnd(core, signal, () => ending.abort());
  const events = eventsOf(core, follower, ending.signal, stopWaiting);
  return {
    next: () => events.next(),
    return: () => {
      ending.abort();
      stopWaiting();
      return events.return(undefined);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function* eventsOf(
  core: Core,
  opened: Promise<Follower>,
  signal: AbortSignal,
  ended: () => void,
): AsyncGenerator<TelltaleEvent, undefined, undefined> {
  const present = presenterOf(core);
  try {
    for await (const { events } of await opened) for (const event of events) yield present(event);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    ended();
  }
  return undefined;
}

async function openFollower(
  core: Core,
  { place, pattern, where }: Following,
  signal: AbortSignal,
  rested?: () => void,
): Promise<Follower> {
  const { clock } = core.options;
  const store = mustHaveStore(core);
  const terms = { clock, signal, unavailable: core.unavailableTo('reading') };
  // The event it names may still be on its way into the log.
  if (typeof place === 'object' && 'eventId' in place) await core.written();
  const { after, storedFrom } = await retryRead(() => resolveStart(place, 'from', { store, clock }), terms);
  const conditions: readonly Filter[] = [
    { type: pattern },
    ...(where === undefined ? [] : [where]),
    ...(storedFrom === undefined ? [] : [{ storedAt: { $gte: storedFrom } }]),
  ];
  return follow(store, { ...terms, after, where: { $and: conditions }, ...(rested && { rested }) });
}

/** An event of the log as the cause of what its handlers emit. Its size counts where events wait in a mailbox. */
export function toEnvelope(core: Core, event: StoredEvent, waits: boolean): Envelope {
  const chain = core.carrier.chains?.of(event.id) ?? NO_CHAIN;
  const envelope = new Envelope(event, waits ? JSON.stringify(event).length : 0, false, true, chain, core);
  envelope.position = event.position;
  return envelope;
}

interface Running {
  readonly ending: AbortController;
  readonly ended: Promise<void>;
}

const running = new WeakMap<Core, Set<Running>>();

// A bus nobody follows closes without waiting for anybody.
function stopWithBus(core: Core, ending: AbortController, ended: Promise<void>): void {
  let all = running.get(core);
  if (!all) {
    const started = new Set<Running>();
    all = started;
    running.set(core, started);
    core.life.onShutDown(async () => {
      core.carrier.chains = undefined;
      for (const one of started) one.ending.abort();
      await Promise.all([...started].map((one) => one.ended));
    });
  }
  const one = { ending, ended };
  all.add(one);
  void ended.then(() => all.delete(one));
}
