import { basename } from 'node:path';
import { expected } from '../errors.ts';
import type { BusPort } from './bus-port.ts';
import { Pool, type PoolTerms, type WorkerFigures } from './pool.ts';

/** Workers that are linked to a bus. */
export interface WorkerPool extends AsyncDisposable {
  readonly name: string;
  /**
   * Resolves when every worker is connected and has subscribed what its script subscribes at first. Rejects with
   * `WORKER_FAILED` where one could not start, `SCHEMA_CONFLICT` where it declares a type otherwise than the bus.
   * Nobody has to await it.
   */
  readonly ready: Promise<void>;
  /** How each of them does. */
  workers(): readonly WorkerFigures[];
  /**
   * Ends a worker at once, as if it had died: it is started again, and what it had in its hands is handed on. False where
   * none of this name is at work. For workers that are known to be sick, and for tests.
   */
  kill(name: string): boolean;
  /** Lets the workers finish what they have, then ends them. A bus that closes does the same. */
  close(): Promise<void>;
}

/** Starts the workers of a pool. Throws `BUS_CLOSED`. */
export function openPool(bus: BusPort, terms: PoolTerms): WorkerPool {
  const pool = new Pool(bus, terms);
  return {
    name: pool.name,
    ready: pool.ready,
    workers: () => pool.workers(),
    kill: (name) => pool.kill(name),
    close: () => pool.close(),
    [Symbol.asyncDispose]: () => pool.close(),
  };
}

/** What a pool is called by default: its script, without folder and ending. Throws `INVALID_OPTION`. */
export function scriptName(script: unknown, of: string): string {
  if (!(script instanceof URL) && typeof script !== 'string')
    throw expected('INVALID_OPTION', `\`script\` of ${of}`, 'a file: URL or an absolute path', script);
  return basename(script instanceof URL ? script.pathname : script).replace(/\.\w+$/, '') || 'worker';
}
