import type { BusOptions } from '../../lib/options.ts';
import type { Store } from '../../lib/store/port.ts';
import { createTestBus, type TestBus } from '../../lib/testing.ts';
import type { AnyEvents } from '../../lib/event/typed-patterns.ts';
import { memory } from '../../plugins/memory/index.ts';

/** A test bus whose reports somebody hears, so that no failure becomes a process warning; and its store. */
export async function quietBus(
  options: Omit<BusOptions, 'clock'> = {},
): Promise<TestBus<AnyEvents> & { readonly store: Store }> {
  const { store = memory() } = options;
  const test = await createTestBus({ ...options, store });
  test.bus.on('$bus.**', () => undefined);
  return { ...test, store };
}
