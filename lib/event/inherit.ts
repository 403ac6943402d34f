import type { Metadata } from './event.ts';

/** What goes down a chain by itself, beside correlation and cause. */
const INHERITED = ['conversationId', 'requestId', 'sessionId', 'userId', 'traceparent'] as const;

export const NO_METADATA: Metadata = Object.freeze({});

/** The part of an event's metadata that what it causes has too; undefined where there is none. */
export function inheritedOf(metadata: Metadata): Readonly<Record<string, unknown>> | undefined {
  if (metadata === NO_METADATA) return undefined;
  let found: Record<string, unknown> | undefined;
  for (const key of INHERITED) if (metadata[key] !== undefined) (found ??= {})[key] = metadata[key];
  return found;
}
