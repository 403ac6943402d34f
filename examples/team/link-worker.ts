import { parentPort } from 'node:worker_threads';
import type { TelltaleEvent } from 'telltale';
import type { TeamBus, TeamEvents } from './events.ts';
import type { FailureRecord, FromWorker, Outcome, ToWorker } from './link.ts';

/** What a worker does about each type; of other types it hears nothing. */
export type Duties = {
  readonly [T in keyof TeamEvents]?: (event: TelltaleEvent<T, TeamEvents[T]>) => Promise<void> | void;
};

export interface ServeOptions {
  /** `inherit`: what is emitted is caused by the event that is handled. `new`: it begins a chain of its own. @default 'inherit' */
  readonly chain?: 'inherit' | 'new';
}

/**
 * The worker's end of a link: does its duty for one event after the other, inside that event's context, so that what
 * is emitted on `bus` carries the right correlation and cause. What was emitted goes back with the acknowledgement, and
 * only then: of an event that was not finished nothing is left behind.
 */
export function serveLink(bus: TeamBus, duties: Duties, { chain = 'inherit' }: ServeOptions = {}): void {
  const port = parentPort;
  const worker = bus.source;
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
      if (chain === 'new') await dutyOf(event)?.(event);
      else await bus.withContext(causeOf(event), () => dutyOf(event)?.(event));
      return { worker, emitted };
    } catch (error) {
      return { worker, emitted, error: toRecord(error) };
    }
  }

  function dutyOf({ type }: TelltaleEvent): ((event: TelltaleEvent) => Promise<void> | void) | undefined {
    return duties[type as keyof TeamEvents] as ((event: TelltaleEvent) => Promise<void> | void) | undefined;
  }

  // A transient event is written nowhere, so nothing names it as its cause.
  function causeOf({ id, type, correlationId }: TelltaleEvent): { correlationId: string; causationId?: string } {
    return bus.schemas.isTransient(type) ? { correlationId } : { correlationId, causationId: id };
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
