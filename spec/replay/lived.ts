import type { Bus, StoredEvent } from '../../lib/index.ts';
import { memory } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { createTestBus, type TestBus } from '../../lib/testing.ts';
import type { AnyEvents, BusOptions } from '../../lib/index.ts';
import { logged } from '../support/logged.ts';

export interface Lived extends TestBus<AnyEvents> {
  readonly store: Store;
  /** All that is in the log, letters too. */
  readonly log: () => Promise<readonly StoredEvent[]>;
}

/** A bus with a memory store at hand. */
export async function createLived(options: Omit<BusOptions, 'clock' | 'store'> = {}): Promise<Lived> {
  const store = memory();
  const test = await createTestBus({ ...options, store });
  return { ...test, store, log: () => logged(store, true) };
}

/** Publishes `step.taken` with `{ n }` for each number, at these times of their own. */
export async function takeSteps(bus: Bus, times: readonly number[], more: object = {}): Promise<void> {
  for (const [i, time] of times.entries()) await bus.publish('step.taken', { n: i + 1 }, { time, ...more });
}

/** A handler that notes the `n` of what it is told. */
export function noting(): { readonly into: (event: StoredEvent) => void; readonly seen: number[] } {
  const seen: number[] = [];
  return { seen, into: (event) => void seen.push((event.payload as { readonly n: number }).n) };
}
