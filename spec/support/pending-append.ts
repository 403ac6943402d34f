import type { PendingAppend, TelltaleEvent } from '../../lib/plugin.ts';

const ignore = (): void => undefined;

/** An append as the writer of a bus hands it over, of whose end nobody is told. */
export function pendingAppend(events: readonly TelltaleEvent[], fresh = true): PendingAppend {
  return { events, bytes: 300, fresh, admitted: true, acknowledged: ignore, failed: ignore };
}
