import type { TelltaleEvent } from '../../lib/plugin.ts';

let serial = 0;

/** A valid event with an id of its own; `overrides` replaces fields, and takes one out where it is `undefined`. */
export function buildEvent(
  overrides: { [K in keyof TelltaleEvent]?: TelltaleEvent[K] | undefined } = {},
): TelltaleEvent {
  const id = overrides.id ?? `event-${(++serial).toString().padStart(8, '0')}`;
  const event: Record<string, unknown> = {
    id,
    type: 'task.created',
    source: 'contract',
    time: Date.UTC(2026, 0, 1),
    correlationId: id,
    schemaVersion: 1,
    payload: { title: 'write the contract' },
    metadata: {},
    ...overrides,
  };
  for (const key of Object.keys(event)) if (event[key] === undefined) delete event[key];
  return event as unknown as TelltaleEvent;
}

/** `count` events, built alike. */
export function buildEvents(count: number, overrides: Parameters<typeof buildEvent>[0] = {}): TelltaleEvent[] {
  return Array.from({ length: count }, () => buildEvent(overrides));
}
