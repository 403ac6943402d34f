import { parseRetention } from '../../lib/retention/options.ts';
import { Retention } from '../../lib/retention/retention.ts';
import type { RetentionOptions } from '../../lib/retention/options.ts';
import type { Clock, Store, StoredEvent, TelltaleEvent } from '../../lib/plugin.ts';
import { memory } from '../../plugins/memory/index.ts';
import { buildEvent } from '../support/event-builder.ts';

export const START = Date.UTC(2026, 0, 1);
export const HOUR = 3_600_000;

/** A clock that is set, and never calls anybody. */
export function createSetClock(): Clock & { at: number } {
  const clock = { at: START, now: () => clock.at, monotonic: () => clock.at, after: never, wait: never };
  return clock;
}

const nothing = (): void => undefined;
const never = (): (() => void) => nothing;

export interface Entry extends Partial<Omit<TelltaleEvent, 'metadata'>> {
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Hours that pass before it is stored. */
  readonly hours?: number;
}

/** A store with these events, stored one by one, and its retention. */
export async function openLog(entries: readonly Entry[], options: RetentionOptions = {}, given?: Partial<LogTerms>) {
  const { clock = createSetClock(), store = memory(), maxEvents } = given ?? {};
  await store.open({ clock });
  await fill(store, clock, entries);
  const retention = new Retention({
    store,
    clock,
    owner: 'spec',
    options: parseRetention(options),
    written: async () => undefined,
    isBusy: () => false,
    ...(maxEvents !== undefined && { maxEvents }),
  });
  return { store, clock, retention };
}

interface LogTerms {
  readonly clock: Clock & { at: number };
  readonly store: Store;
  readonly maxEvents: number;
}

/** Stores events; those between which no time passes in one append. */
export async function fill(store: Store, clock: { at: number }, entries: readonly Entry[]): Promise<void> {
  let together: TelltaleEvent[] = [];
  const append = async (): Promise<void> => {
    if (together.length > 0) await store.append(together);
    together = [];
  };
  for (const { hours = 0, ...event } of entries) {
    if (hours > 0) await append();
    clock.at += hours * HOUR;
    together.push(buildEvent({ time: clock.at, ...event }));
  }
  await append();
}

export async function positionsOf(store: Store, after = 0): Promise<number[]> {
  return (await eventsOf(store, after)).map(({ position }) => position);
}

export async function eventsOf(store: Store, after = 0): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.read({ after })) events.push(event);
  return events;
}
