import { ChildProcess, fork } from 'node:child_process';
import cluster from 'node:cluster';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import {
  TelltaleError,
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
import { linkOther, linkOwn } from './link-process.ts';

/** What `connectProcesses` takes. */
export interface ConnectProcessesOptions extends PoolOptions {
  /** The module of a child process: a `file:` URL, or an absolute path. */
  readonly script: URL | string;
  /** What the script finds in `process.argv`, behind Node and itself. @default [] */
  readonly args?: readonly string[];
  /** Options of Node in each process. @default those of this process */
  readonly execArgv?: readonly string[];
  /** What the script finds in `process.env`. @default that of this process */
  readonly env?: NodeJS.ProcessEnv;
  /** @default that of this process */
  readonly cwd?: string;
}

/** What `connectCluster` takes. */
export type ConnectClusterOptions = ConnectProcessesOptions;

const OWN = ['script', 'args', 'execArgv', 'env', 'cwd'];

/**
 * Starts child processes that take part in a bus: what they subscribe is handed to them, what they emit is emitted
 * here. The script calls `connectToParent`. Throws `INVALID_OPTION`, `INVALID_DURATION`, `BUS_CLOSED`.
 */
export function connectProcesses(bus: LinkedBus, options: ConnectProcessesOptions): WorkerPool {
  return connectScripts(bus, options, 'connectProcesses', (path) => {
    const { args = [], execArgv, env, cwd } = options;
    const about = { ...(execArgv && { execArgv: [...execArgv] }), ...(env && { env }), ...(cwd && { cwd }) };
    return linkOwn(fork(path, args, { ...about, serialization: 'advanced' }));
  });
}

/**
 * As `connectProcesses`, for workers of node:cluster, which share the ports they listen on. Sets the settings of this
 * process's cluster. Throws as `connectProcesses`, and `NOT_SUPPORTED` anywhere but in the cluster's primary.
 */
export function connectCluster(bus: LinkedBus, options: ConnectClusterOptions): WorkerPool {
  if (!cluster.isPrimary) throw new TelltaleError('NOT_SUPPORTED', 'connectCluster is for the primary of a cluster');
  return connectScripts(bus, options, 'connectCluster', (exec) => {
    const { args = [], execArgv, env, cwd } = options;
    const about = { ...(execArgv && { execArgv: [...execArgv] }), ...(cwd && { cwd }) };
    cluster.setupPrimary({ ...about, exec, args: [...args], serialization: 'advanced' });
    const worker = cluster.fork(env);
    return linkOwn(worker.process, () => worker.disconnect());
  });
}

/** What `connectProcess` takes. */
export type ConnectProcessOptions = Omit<PoolOptions, 'size' | 'restart' | 'deliver'>;

/**
 * Links a child process that is there already; one forked with `serialization: 'advanced'` is faster. It is not
 * started again when it dies, and not ended when the link is. Throws as `connectProcesses`.
 */
export function connectProcess(bus: LinkedBus, child: ChildProcess, options: ConnectProcessOptions = {}): WorkerPool {
  const port = linkPortOf(bus);
  if (!(child instanceof ChildProcess) || !child.connected)
    throw expected('INVALID_OPTION', '`child`', 'a connected child process, made by fork of node:child_process', child);
  const parsed = parsePool(options, { name: `process-${child.pid}`, bus: port }, { of: 'connectProcess', own: [] });
  return openPool(port, { ...parsed, restart: undefined, what: 'a process', start: () => linkOther(child) });
}

function connectScripts(
  bus: LinkedBus,
  options: ConnectProcessesOptions,
  of: string,
  start: (path: string) => Started,
): WorkerPool {
  const port = linkPortOf(bus);
  const name = scriptName(options?.script, of);
  const parsed = parsePool(options, { name, bus: port }, { of, own: OWN });
  const { script } = options;
  return openPool(port, { ...parsed, what: String(script), start: () => start(existing(script)) });
}

// Node says so on the child's stderr only.
function existing(script: URL | string): string {
  const path = script instanceof URL ? fileURLToPath(script) : script;
  if (existsSync(path)) return path;
  throw new Error(`there is no file ${path}`);
}
