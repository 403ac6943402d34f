import { runWithCause, TRIES_AGAIN } from '../context.ts';
import { isTelltaleError } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import { invoke, type Failure } from '../invoke/invoke.ts';
import type { Recipient, RecipientParts } from './recipient.ts';

/** As much of another bus as a replay into it needs. */
export interface OtherBus {
  publish(type: string, payload: unknown, options: object): Promise<{ duplicate: boolean; dropped?: string }>;
}

/** Publishes under way at once. */
const IN_FLIGHT = 256;
/** The other bus takes nothing any more, whatever it is offered. */
const FINAL: ReadonlySet<string> = new Set(['BUS_CLOSED', 'STORE_FAILED', 'STORE_CLOSED', 'STORE_READ_ONLY']);

interface Offer {
  attempt: number;
  /** What no further attempt would change. */
  refusal?: { readonly error: unknown };
}

/**
 * Publishes the events to another bus as they are stored here, ids, times and causes kept. Ordering: as told; with
 * `retry`, an event that is refused holds back those behind it until it is taken or given up, and leaves a letter there
 * only then. What the other bus has already is a duplicate there and counts as skipped, so that the same replay may be
 * run again.
 */
export function intoBus(bus: OtherBus, { desk, parsed, clock, signal }: RecipientParts): Recipient {
  let inFlight = 0;
  let wake: (() => void) | undefined;
  const retried = new Set<Offer>();
  const { retry: policy } = parsed;
  const publish = async (event: StoredEvent, offer: Offer): Promise<void> => {
    try {
      const { duplicate, dropped } = await publishOnce(bus, event, offer.attempt < (policy?.attempts ?? 1));
      if (duplicate || dropped !== undefined) desk.skipped();
      else desk.delivered();
    } catch (error) {
      if (isTelltaleError(error) && (FINAL.has(error.code) || error.code === 'EVENT_CONFLICT'))
        offer.refusal = { error };
      else {
        retried.add(offer);
        throw error;
      }
    }
  };
  const ended = (event: StoredEvent, offer: Offer, failure: Failure | undefined): void => {
    inFlight--;
    retried.delete(offer);
    const failed = failure ?? offer.refusal;
    if (failed !== undefined) {
      desk.failed(event, failed.error, offer.attempt);
      if (isTelltaleError(failed.error) && FINAL.has(failed.error.code)) desk.stop(failed.error);
    }
    wake?.();
  };
  const until = (condition: () => boolean): Promise<void> | undefined => {
    if (condition()) return undefined;
    return new Promise((resolve) => (wake = () => condition() && resolve()));
  };
  const rest = (): Promise<void> | undefined => until(() => inFlight === 0);
  const room = (): Promise<void> | undefined => until(() => inFlight < IN_FLIGHT && retried.size === 0);
  return {
    tell(event) {
      inFlight++;
      const offer: Offer = { attempt: 1 };
      const outcome = invoke(publish, event, offer, policy && { policy, clock, signal });
      void (outcome as Promise<Failure | undefined>).then((failure) => ended(event, offer, failure));
      return policy === undefined ? room() : admitted().then(room);
    },
    stop: rest,
    rest,
    running: () => inFlight,
  };
}

function publishOnce(bus: OtherBus, event: StoredEvent, triesAgain: boolean): ReturnType<OtherBus['publish']> {
  const publish = (): ReturnType<OtherBus['publish']> => bus.publish(event.type, event.payload, optionsOf(event));
  return triesAgain ? runWithCause(TRIES_AGAIN, publish, undefined) : publish();
}

/** Resolves when it is known whether the other bus has refused at the door: a few microtasks behind the call. */
async function admitted(): Promise<void> {
  for (let i = 0; i < 8; i++) await Promise.resolve();
}

function optionsOf(event: StoredEvent): object {
  const { id, time, source, entity, correlationId, causationId, schemaVersion } = event;
  // Keys of the bus belong to the bus that set them.
  const own = Object.entries(event.metadata).filter(([key]) => !key.startsWith('$'));
  const about = { id, time, source, correlationId, schemaVersion, metadata: Object.fromEntries(own) };
  return { ...about, ...(entity !== undefined && { entity }), ...(causationId !== undefined && { causationId }) };
}
