import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { EmitRival } from './emit-rival.ts';

interface Envelope {
  readonly id: string;
  readonly correlationId: string;
}

const current = new AsyncLocalStorage<Envelope>();

/**
 * A rival that does by ordinary means what the bus does for every event: a snapshot of the payload, an envelope with
 * id, time, correlation and cause, the context in which listeners emit, and a listener that throws hurts nobody.
 */
export function withSameWork(rival: EmitRival): EmitRival & { failures(): number } {
  let failures = 0;
  return {
    ...rival,
    failures: () => failures,
    subscribe: (listener) =>
      rival.subscribe((message) => {
        try {
          listener(message);
        } catch {
          failures++;
        }
      }),
    emit(payload) {
      const cause = current.getStore();
      const id = randomUUID();
      const envelope = {
        id,
        type: 'task.created',
        source: 'benchmark',
        time: Date.now(),
        correlationId: cause?.correlationId ?? id,
        causationId: cause?.id,
        schemaVersion: 1,
        payload: structuredClone(payload),
        metadata: {},
      };
      return current.run(envelope, () => rival.emit(envelope));
    },
  };
}
