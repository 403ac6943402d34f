import type { Bus } from './api.ts';
import { createBus } from './bus.ts';
import type { VirtualClock } from './clock.ts';
import { createVirtualClock } from './clock.ts';
import type { EventDeclarations, PayloadsOf } from './event/define-events.ts';
import type { TelltaleEvent } from './event/event.ts';
import type { AnyEvents } from './event/typed-patterns.ts';
import type { BusOptions } from './options.ts';
import { memory } from '../plugins/memory/index.ts';

export { createVirtualClock } from './clock.ts';
export type { VirtualClock } from './clock.ts';

/** A bus for tests: in memory, on a virtual clock, with everything it dispatched at hand. */
export interface TestBus<E> {
  readonly bus: Bus<E>;
  /** Moves only when told: `await clock.advance(5_000)`. */
  readonly clock: VirtualClock;
  /** Every event dispatched so far, in dispatch order; the bus's own (`$…`) left out. */
  readonly events: readonly TelltaleEvent[];
  /** The recorded events of a type. */
  readonly ofType: (type: string) => readonly TelltaleEvent[];
}

/** Opens a bus with a memory store and a virtual clock; takes every option of `createBus` but these two. */
export async function createTestBus<const D extends EventDeclarations>(
  options: Omit<BusOptions<D>, 'clock'> & { readonly events: D },
): Promise<TestBus<PayloadsOf<D>>>;
export async function createTestBus(options?: Omit<BusOptions, 'clock'>): Promise<TestBus<AnyEvents>>;
export async function createTestBus(options: Omit<BusOptions, 'clock'> = {}): Promise<TestBus<AnyEvents>> {
  const clock = createVirtualClock();
  const events: TelltaleEvent[] = [];
  const bus = await createBus({ store: memory(), ...options, clock });
  bus.on('**', (event) => void events.push(event));
  return { bus, clock, events, ofType: (type) => events.filter((event) => event.type === type) };
}
