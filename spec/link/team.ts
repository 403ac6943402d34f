import { createVirtualClock, type VirtualClock } from '../../lib/clock.ts';
import { createBus, memory, type Bus, type BusOptions } from '../../lib/index.ts';
import { Pool } from '../../lib/link/pool.ts';
import { connectBus, linkPortOf, parsePool, type ConnectOptions, type PoolOptions } from '../../lib/plugin.ts';
import { createChannel, type MemoryEnd } from './memory-transport.ts';

/** What a worker does, called with its bus each time one is started. */
export type Script = (bus: Bus, place: number) => unknown;

export interface TeamOptions extends PoolOptions {
  readonly bus?: BusOptions;
  readonly worker?: ConnectOptions & Record<string, unknown>;
  /** Called with the two ends of each channel before anything is sent. */
  readonly prepare?: (parent: MemoryEnd, worker: MemoryEnd) => void;
}

/** A bus and a pool of workers in one thread: everything but the threads. */
export interface Team {
  readonly bus: Bus;
  readonly pool: Pool;
  readonly clock: VirtualClock;
  /** The bus of the current worker at a place; undefined until it is connected. */
  worker(place?: number): Bus;
  end(place?: number): MemoryEnd;
  /** The worker at a place dies. */
  kill(place?: number, reason?: string): void;
  starts(): number;
  /** Closes the bus, whatever still hangs. */
  close(): Promise<void>;
}

export async function startTeam(script: Script, options: TeamOptions = {}): Promise<Team> {
  const { bus: given, worker: connect, prepare, ...poolOptions } = options;
  const clock = createVirtualClock();
  const bus = await createBus({ source: 'main', store: memory(), clock, ...given });
  const buses = new Map<number, Bus>();
  const ends = new Map<number, MemoryEnd>();
  let starts = 0;
  const port = linkPortOf(bus);
  const start = (place: number) => {
    starts++;
    const [parentEnd, workerEnd] = createChannel();
    prepare?.(parentEnd, workerEnd);
    buses.delete(place);
    ends.set(place, parentEnd);
    connectBus(workerEnd, { clock, ...connect })
      .then((own) => {
        buses.set(place, own);
        return script(own, place);
      })
      // As a script that throws at its top level ends its thread.
      .catch((error: Error) => parentEnd.lose(error.message));
    return { transport: parentEnd, kill: () => parentEnd.lose('was terminated') };
  };
  const parsed = parsePool(poolOptions, { name: 'team', bus: port }, { of: 'startTeam', own: [] });
  const pool = new Pool(port, { ...parsed, what: 'the script', start });
  return {
    bus,
    pool,
    clock,
    worker: (place = 0) => buses.get(place)!,
    end: (place = 0) => ends.get(place)!,
    kill: (place = 0, reason = 'it was killed') => ends.get(place)!.lose(reason),
    starts: () => starts,
    async close() {
      if (bus.health().status === 'closed') return;
      // What is cut here is meant to be.
      bus.on('$bus.handler.failed', () => undefined);
      const close = { status: 'closing' };
      void bus
        .close()
        .catch(() => undefined)
        .then(() => (close.status = 'closed'));
      for (await rest(); close.status === 'closing'; await rest()) await clock.advance(1_000);
    },
  };
}

/** As many turns of the event loop as frames need to go to and fro a few times. */
export async function rest(): Promise<void> {
  for (let i = 0; i < 24; i++) await new Promise((resolve) => setImmediate(resolve));
}
