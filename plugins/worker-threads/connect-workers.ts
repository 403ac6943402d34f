import { MessageChannel, Worker, type ResourceLimits } from 'node:worker_threads';
import {
  expected,
  linkPortOf,
  openPool,
  parsePool,
  scriptName,
  type LinkedBus,
  type PoolOptions,
  type Started,
  type WorkerPool,
} from '../../lib/plugin.ts';
import { linkWorker, type Handshake, type WorkerLink } from './transport.ts';

/** What `connectWorkers` takes. */
export interface ConnectWorkersOptions extends PoolOptions {
  /** The worker's module: a `file:` URL, or an absolute path. */
  readonly script: URL | string;
  /** What the script finds in `workerData`. @default undefined */
  readonly workerData?: unknown;
  /** Of each thread, see node:worker_threads. @default Node's */
  readonly resourceLimits?: ResourceLimits;
}

/**
 * Starts worker threads that take part in a bus: what they subscribe is handed to them, what they emit is emitted here.
 * The script calls `connectToParent`. Throws `INVALID_OPTION`, `INVALID_DURATION`, `BUS_CLOSED`.
 */
export function connectWorkers(bus: LinkedBus, options: ConnectWorkersOptions): WorkerPool {
  const port = linkPortOf(bus);
  const own = ['script', 'workerData', 'resourceLimits'];
  const parsed = parsePool(
    options,
    { name: scriptName(options?.script, 'connectWorkers'), bus: port },
    { of: 'connectWorkers', own },
  );
  const { script, workerData, resourceLimits } = options;
  const start = (_: number, name: string): Started => {
    const worker = new Worker(script, { name, workerData, ...(resourceLimits && { resourceLimits }) });
    return { transport: link(worker, true).transport, kill: () => void worker.terminate() };
  };
  return openPool(port, { ...parsed, what: String(script), start });
}

/** What `connectWorker` takes. */
export type ConnectWorkerOptions = Omit<PoolOptions, 'size' | 'restart' | 'deliver'>;

/**
 * Links a worker that is there already. It is not started again when it dies, and not ended when the link is. Throws
 * as `connectWorkers`.
 */
export function connectWorker(bus: LinkedBus, worker: Worker, options: ConnectWorkerOptions = {}): WorkerPool {
  const port = linkPortOf(bus);
  if (!(worker instanceof Worker))
    throw expected('INVALID_OPTION', '`worker`', 'a Worker of node:worker_threads', worker);
  const name = `worker-${worker.threadId}`;
  const parsed = parsePool(options, { name, bus: port }, { of: 'connectWorker', own: [] });
  const start = (): Started => {
    const linked = link(worker, false);
    return { transport: linked.transport, kill: () => linked.lose(new Error('its link was ended')) };
  };
  return openPool(port, { ...parsed, restart: undefined, what: 'a worker', start });
}

// A channel of its own, so that users may go on talking to their worker.
function link(worker: Worker, isOwn: boolean): WorkerLink {
  const { port1, port2 } = new MessageChannel();
  const linked = linkWorker(port1, worker, isOwn);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread has no origin
  worker.postMessage({ 'telltale:link': port2 } satisfies Handshake, [port2]);
  return linked;
}
