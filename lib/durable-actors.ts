import { instanceFor } from './actor/keys.ts';
import type { ActorRef } from './actor/port.ts';
import type { Actors } from './actor-port.ts';
import { runConsumer } from './consuming.ts';
import { runWithCause, runWithoutCause } from './context.ts';
import type { Core } from './core.ts';
import type { Consumer } from './delivery/consumer.ts';
import { isTelltaleError } from './errors.ts';
import type { Envelope } from './event/envelope.ts';
import type { StoredEvent } from './event/event.ts';
import type { Filter } from './filter/language.ts';
import { Lazy } from './lazy.ts';
import { retryRead } from './store/read/retry-read.ts';

/** What brings a durable actor the events that are stored for it. */
export interface Mailman {
  /** May be called again. Resolves when what it has brought is done with and its place is written down. */
  stop(): Promise<void>;
}

/** The actor it comes to. */
export interface Addressed extends Pick<ActorRef, 'address' | 'behaviour'> {
  take(envelope: Envelope): void;
  /** It will never be brought anything. */
  failed(error: unknown): void;
}

/** Instances of a durable actor that handle something at once. */
const CONCURRENCY = 64;
/** Documents that say since when an actor hears its patterns. */
const ACTORS = 'actors';

const working = new WeakMap<Actors, Map<string, Mailman>>();

/**
 * Brings a durable actor what is stored for it; done when `receive` has returned and its events are stored. Where one of
 * its name has just ended, it begins when all that was brought to that one is done with. Throws `INVALID_OPTION` where a
 * consumer of the program has its name.
 */
export function bringStored(core: Core, actors: Actors, actor: Addressed): Mailman {
  let all = working.get(actors);
  if (!all) working.set(actors, (all = new Map<string, Mailman>()));
  const { address } = actor;
  const before = all.get(address);
  const waiting = { name: `actor ${address}`, load: 1, cut: () => ({ cut: 0, stillRunning: 0 }) };
  let consumer: Consumer | undefined;
  let stopping: Promise<void> | undefined;
  const begin = (): void => {
    core.life.working.delete(waiting);
    if (stopping === undefined && core.life.accepting === 'all') consumer = consumeFor(core, actors, actor);
  };
  const end = async (): Promise<void> => {
    await before?.stop();
    // A place that was not written down: it is brought again what it knows. Where the bus closes, `close` is told.
    await consumer?.stop().catch(() => undefined);
    if (all.get(address) === mailman) all.delete(address);
  };
  const mailman: Mailman = { stop: () => (stopping ??= runWithoutCause(end)) };
  if (!before) begin();
  else {
    core.life.working.add(waiting);
    void before
      .stop()
      .then(begin)
      .catch((error: unknown) => actor.failed(error));
  }
  all.set(address, mailman);
  return mailman;
}

function consumeFor(core: Core, { deliveries }: Actors, actor: Addressed): Consumer {
  const { behaviour, address } = actor;
  const told: Filter = { 'metadata.$to': address, 'metadata.$mail': true };
  const patterns = behaviour.on.map((type): Filter => ({ type, 'metadata.$to': { $ne: address } }));
  const isHeard = patterns.length > 0 ? heardSince(core, address) : undefined;
  return runConsumer(core, {
    name: `actor/${address}`,
    pattern: '**',
    where: { $or: [told, ...patterns] },
    // What it was told must not be missed where the process died before there was a checkpoint.
    from: 'earliest',
    handler: async (_, { envelope, signal }) => {
      if (envelope.event.metadata['$to'] !== address && !(await isHeard?.(envelope, signal))) return;
      await new Promise<void>((done, fail) => {
        const end = (settle: () => void) => () => {
          deliveries.delete(envelope);
          settle();
        };
        deliveries.set(envelope, { done: end(done), failed: (error) => end(() => fail(error))() });
        runWithCause(envelope, () => actor.take(envelope), undefined);
      });
    },
    // An event without a key fails in the actor, which has a letter for it.
    key:
      behaviour.keyOf &&
      ((event) => {
        const key = instanceFor(actor, event);
        return typeof key === 'string' ? key : '';
      }),
    keyText: behaviour.keyOf ? '(actor)' : undefined,
    concurrency: behaviour.keyOf ? CONCURRENCY : 1,
    group: false,
    retry: undefined,
    onFailure: 'pause',
    batch: undefined,
    target: undefined,
    onReset: undefined,
  });
}

interface FirstStart {
  readonly position: number;
  readonly at: number;
}

type Hears = (envelope: Envelope, signal: AbortSignal) => Promise<boolean>;

/** What was stored before its first start is not for an actor that only heard it. */
function heardSince(core: Core, address: string): Hears {
  const { clock } = core.options;
  const store = core.options.store!;
  const at = clock.now();
  const known = new Lazy<FirstStart>();
  // What is stored from now on is heard, also where the process dies at once: its first start is written down before.
  // Only a store that does not take it now does not keep the bus waiting.
  const clear = core.writer?.obstruct();
  const look = async (signal: AbortSignal): Promise<FirstStart> => {
    const read = <T>(fn: () => Promise<T>): Promise<T> => retryRead(fn, { clock, signal, unavailable: clear });
    const { position } = await read(() => store.head());
    for (;;) {
      const document = await read(() => store.document(ACTORS, address));
      if (document) return document.value as FirstStart;
      try {
        await read(() => store.putDocument(ACTORS, address, { position, at }, { position, etag: null }));
        return { position, at };
      } catch (error) {
        // Somebody else has started it, or the store did not say that it has taken it.
        if (!isTelltaleError(error, 'DOCUMENT_CONFLICT')) throw error;
      }
    }
  };
  // Kept once it is known: a failure is that of one event, which is brought again.
  const first = (signal: AbortSignal): Promise<FirstStart> => known.get(() => look(signal));
  // What it fails of now, the first event that is brought fails of.
  void first(new AbortController().signal)
    .catch(() => undefined)
    .finally(clear);
  return async ({ event }, signal) => {
    const { position, storedAt } = event as StoredEvent;
    const since = await first(signal);
    return position > since.position || storedAt >= since.at;
  };
}
