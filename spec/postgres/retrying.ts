import { isTelltaleError } from '../../lib/plugin.ts';
import type { AppendOptions, AppendReceipt, Store, TelltaleEvent } from '../../lib/plugin.ts';

/** Appends until the log has said what became of it, as a bus does: the ids stay the same. */
export async function appendSurely(
  store: Store,
  events: readonly TelltaleEvent[],
  options: AppendOptions = {},
): Promise<AppendReceipt> {
  for (;;) {
    try {
      return await store.append(events, options);
    } catch (error) {
      if (!isTelltaleError(error, 'STORE_UNAVAILABLE')) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}
