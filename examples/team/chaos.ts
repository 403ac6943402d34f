import type { ConnectWorkersOptions, WorkerPool } from 'telltale/plugins/worker-threads';
import { nearestScript } from '../../plugins/cli/nearest.ts';
import type { TeamBus } from './events.ts';

/** The ways in which a reader is made to die; an order is the place of one in this list, 0 none. */
export const WAYS = ['none', 'terminate', 'exit before', 'exit after', 'throw before', 'throw after'] as const;
export type Way = Exclude<(typeof WAYS)[number], 'none'>;

/** What a reader of chaos finds in its `workerData`. */
export interface ChaosData {
  /** The order that the next reader to see it obeys. */
  readonly order: Int32Array;
}

/** How many readers have died, by what the bus says of their death. */
export interface Kills {
  terminated: number;
  exited: number;
  threw: number;
}

export interface ChaosOptions {
  /** Decides who dies, how, and after how many files. */
  readonly seed: number;
  /** Up to so many files lie between two deaths, and by and by some more. @default 16 */
  readonly every?: number;
  /** @default all */
  readonly ways?: readonly Way[];
  /** @default readers that may be made to die */
  readonly script?: URL;
}

export interface Chaos {
  /** For `connectWorkers`: readers that obey, and are started again however often they die. */
  readonly pool: Partial<ConnectWorkersOptions>;
  /** Kills readers while files are read, until it is called back. */
  unleash(bus: TeamBus, readers: WorkerPool): () => void;
  readonly kills: Readonly<Kills>;
}

/** What a reader throws that is told to. */
export const CHAOS = 'chaos';
const RESTART = { limit: 1_000_000, within: '1m', delay: '1ms', maxDelay: '10ms' } as const;
/** For so many files more that are done: starting a thread takes its time, and there is a lot to read. */
const SLOWER = 10;
/** A death comes up to so much later, at any point of whatever they do just then. */
const LATER_MS = 4;

/** Kills readers in the middle of their work, again and again: from outside, and by letting them exit or throw. */
export function createChaos(options: ChaosOptions): Chaos {
  const { seed, every = 16, ways = ALL, script = nearestScript('examples/team/chaos-reader') } = options;
  const order = new Int32Array(new SharedArrayBuffer(4));
  const kills: Kills = { terminated: 0, exited: 0, threw: 0 };
  const random = randomFrom(seed);
  let deck: Way[] = [];
  // Every way has its turn before one comes again.
  const draw = (): Way => {
    if (deck.length === 0) deck = [...ways];
    return deck.splice(Math.floor(random() * deck.length), 1)[0]!;
  };
  const strike = (readers: WorkerPool): void => {
    const way = draw();
    if (way !== 'terminate') return void Atomics.compareExchange(order, 0, 0, WAYS.indexOf(way));
    const alive = readers.workers().filter(({ status }) => status === 'ready');
    const victim = alive[Math.floor(random() * alive.length)];
    if (victim) readers.kill(victim.name);
  };
  return {
    pool: { script, workerData: { order } satisfies ChaosData, restart: RESTART },
    unleash(bus, readers) {
      bus.on('$worker.died', ({ payload }) => void kills[causeOf(payload as { readonly message: string })]++);
      // A small folder may be read before the first outcome is heard.
      const undoFirst = bus.on('file.found', () => {
        undoFirst();
        strike(readers);
      });
      let done = 0;
      let next = 1;
      const timers: NodeJS.Timeout[] = [];
      const undo = bus.on('file.*', ({ type }) => {
        if ((type !== 'file.parsed' && type !== 'file.failed') || ++done < next) return;
        next = done + 1 + Math.floor(random() * (every + done / SLOWER));
        timers.push(setTimeout(strike, random() * LATER_MS, readers));
      });
      return () => {
        undoFirst();
        undo();
        timers.forEach(clearTimeout);
      };
    },
    kills,
  };
}

function causeOf({ message }: { readonly message: string }): keyof Kills {
  if (message.includes('was killed')) return 'terminated';
  return message.includes(CHAOS) ? 'threw' : 'exited';
}

const ALL = WAYS.slice(1) as Way[];

/** Mulberry32: numbers from 0 to 1, always the same of a seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
