import { parentPort } from 'node:worker_threads';
import type { Bus, TelltaleEvent } from 'telltale';
import type { FailureRecord, FromWorker, Outcome, ToWorker } from './link.ts';

/**
 * The worker's end of a link: runs `handler` for one event after the other, inside that event's context, so that what
 * it emits on `bus` carries the right correlation and cause. What was emitted goes back with the acknowledgement, and
 * only then: of an event that was not finished nothing is left behind.
 */
export function serveLink(bus: Bus, worker: string, handler: (event: TelltaleEvent) => Promise<void> | void): void {
  const port = parentPort;
  if (!port) throw new Error('serveLink runs in a worker thread only');
  const queue: TelltaleEvent[] = [];
  let settled: { id: string; outcome: Outcome }[] = [];
  let emitted: TelltaleEvent[] = [];
  let status: 'idle' | 'working' | 'closing' = 'idle';
  bus.on('**', (event) => void emitted.push(event));

  port.on('message', (message: ToWorker) => {
    if ('close' in message) {
      if (status === 'idle') port.close();
      status = 'closing';
      return;
    }
    queue.push(...message.events);
    if (status === 'idle') void work();
  });

  async function work(): Promise<void> {
    status = 'working';
    for (let event = queue.shift(); event; event = queue.shift()) {
      // Awaited first: `settled` is another array once what it held has been posted.
      const outcome = await handle(event);
      settled.push({ id: event.id, outcome });
      if (settled.length === 1) setImmediate(post);
    }
    if ((status as string) === 'closing') setImmediate(() => port?.close());
    else status = 'idle';
  }

  async function handle(event: TelltaleEvent): Promise<Outcome> {
    emitted = [];
    try {
      await bus.withContext({ correlationId: event.correlationId, causationId: event.id }, () => handler(event));
      return { worker, emitted };
    } catch (error) {
      return { worker, emitted, error: toRecord(error) };
    }
  }

  function post(): void {
    port?.postMessage({ settled } satisfies FromWorker);
    settled = [];
  }
}

// Structured clone would drop an Error's name and code.
function toRecord(error: unknown): FailureRecord {
  const { name, message, code }: Error & { code?: unknown } = error instanceof Error ? error : new Error(String(error));
  return { name, message, ...(typeof code === 'string' && { code }) };
}
