export { connectToParent } from './connect-to-parent.ts';
export { connectWorker, connectWorkers } from './connect-workers.ts';
export type { ConnectWorkerOptions, ConnectWorkersOptions, WorkerPool } from './connect-workers.ts';
export type { ConnectOptions, PoolOptions, RestartOptions, WorkerFigures } from '../../lib/plugin.ts';
