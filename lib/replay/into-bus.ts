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

/**
 * Publishes the events to another bus as they are stored here, ids, times and causes kept. What it has already is a
 * duplicate there and counts as skipped, so that the same replay may be run again.
 */
export function intoBus(bus: OtherBus, { desk, parsed, clock, signal }: RecipientParts): Recipient {
  let inFlight = 0;
  let wake: (() => void) | undefined;
  const retry = parsed.retry && { policy: parsed.retry, clock, signal };
  const publish = async (event: StoredEvent): Promise<void> => {
    const { type, payload } = event;
    const { duplicate, dropped } = await bus.publish(type, payload, optionsOf(event));
    if (duplicate || dropped !== undefined) desk.skipped();
    else desk.delivered();
  };
  const ended = (event: StoredEvent, failure: Failure | undefined): void => {
    inFlight--;
    if (failure !== undefined) {
      desk.failed(event, failure.error, failure.attempts);
      if (isTelltaleError(failure.error) && FINAL.has(failure.error.code)) desk.stop(failure.error);
    }
    wake?.();
  };
  const until = (condition: () => boolean): Promise<void> | undefined => {
    if (condition()) return undefined;
    return new Promise((resolve) => (wake = () => condition() && resolve()));
  };
  const rest = (): Promise<void> | undefined => until(() => inFlight === 0);
  return {
    tell(event) {
      inFlight++;
      const outcome = invoke(publish, event, { attempt: 1 }, retry) as Promise<Failure | undefined>;
      void outcome.then((failure) => ended(event, failure));
      return until(() => inFlight < IN_FLIGHT);
    },
    stop: rest,
    rest,
    running: () => inFlight,
  };
}

function optionsOf(event: StoredEvent): object {
  const { id, time, source, entity, correlationId, causationId, schemaVersion } = event;
  // Keys of the bus belong to the bus that set them.
  const own = Object.entries(event.metadata).filter(([key]) => !key.startsWith('$'));
  const about = { id, time, source, correlationId, schemaVersion, metadata: Object.fromEntries(own) };
  return { ...about, ...(entity !== undefined && { entity }), ...(causationId !== undefined && { causationId }) };
}
