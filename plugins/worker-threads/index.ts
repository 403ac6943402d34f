export { connectToParent } from './connect-to-parent.ts';
export { connectWorker, connectWorkers } from './connect-workers.ts';
export type { ConnectWorkerOptions, ConnectWorkersOptions } from './connect-workers.ts';
export type { ConnectOptions, PoolOptions, RestartOptions, WorkerFigures, WorkerPool } from '../../lib/plugin.ts';
