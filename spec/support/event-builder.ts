import type { StoredEvent, TelltaleEvent } from '../../lib/plugin.ts';
import { buildEvent } from '../../plugins/contract/build-event.ts';

export { buildEvent, buildEvents } from '../../plugins/contract/build-event.ts';

/** An event as the log has it, at a position of your choice. */
export function buildStored(
  position: number,
  overrides: Partial<TelltaleEvent> & { revision?: number } = {},
): StoredEvent {
  const { revision, ...event } = overrides;
  return {
    ...buildEvent(event),
    position,
    revision: revision ?? (event.entity === undefined ? 0 : 1),
    storedAt: 1_000 + position,
  };
}
