export { connectCluster, connectProcess, connectProcesses } from './connect-processes.ts';
export type { ConnectClusterOptions, ConnectProcessOptions, ConnectProcessesOptions } from './connect-processes.ts';
export { connectToParent } from './connect-to-parent.ts';
export type { ConnectToParentOptions } from './connect-to-parent.ts';
export type { PoolOptions, RestartOptions, WorkerFigures, WorkerPool } from '../../lib/plugin.ts';
