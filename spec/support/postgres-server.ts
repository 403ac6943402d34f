import type { Context } from 'mocha';
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Interface } from 'node:readline';
import pg from 'pg';
import { root } from './root.ts';
import { skip } from './skip.ts';

/** A server that a spec may use. */
export interface TestServer {
  readonly url: string;
  /** Where its data lie; absent for the server of `DATABASE_URL`, which is not ours to restart. */
  readonly folder?: string;
}

const KEEPER = join(import.meta.dirname, 'postgres-keeper.js');
const PATIENCE_MS = 180_000;
const PORTS = 5;

interface Answer {
  readonly id: number;
  readonly failed?: string;
  readonly url: string;
  readonly folder: string;
}

let line: Promise<Line> | undefined;
let serial = 0;

/** The server that all spec files of all mocha processes share; `DATABASE_URL` if it is set. Skips where none can be had. */
export function sharedServer(test: Context): Promise<TestServer> {
  const url = process.env['DATABASE_URL'];
  return url === undefined ? obtain(test, 'shared') : Promise.resolve({ url });
}

/** A server of one's own, to be restarted; it goes with this process. */
export function ownServer(test: Context): Promise<Required<TestServer>> {
  return obtain(test, 'own');
}

/** Breaks every connection, as a crash of the server does, and starts it again. */
export async function restartServer(server: Required<TestServer>): Promise<void> {
  await mustBeOurs(server);
  await (await line!).ask({ do: 'restart', folder: server.folder });
}

/** A name for a schema that nobody else uses. */
export function schemaName(): string {
  return `telltale_test_${process.pid}_${++serial}_${Date.now().toString(36)}`;
}

/** The url of a log in this schema. */
export function urlIn({ url }: TestServer, schema: string): string {
  return `${url}${url.includes('?') ? '&' : '?'}schema=${schema}`;
}

/** One that no other begins with, and short enough for `verify` to make others beside it. */
export function shortSchemaName(): string {
  return `verify_${process.pid}_${Date.now().toString(36)}`;
}

/** Asks the server something beside the store. */
export async function ask<Row = Record<string, unknown>>(
  { url }: TestServer,
  text: string,
  values: readonly unknown[] = [],
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(text, [...values])).rows as Row[];
  } finally {
    await client.end();
  }
}

/** Only what `schemaName` has named is ever dropped. */
export async function dropSchema(server: TestServer, schema: string): Promise<void> {
  if (!schema.startsWith('telltale_test_')) throw new Error(`${schema} is not a schema of these specs`);
  await ask(server, `DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
}

/** Whoever answers under the url must be the server that was started here. */
async function mustBeOurs(server: Required<TestServer>): Promise<void> {
  const [row] = await ask<{ data_directory: string }>(server, 'SHOW data_directory');
  if (row?.data_directory !== server.folder)
    throw new Error(`expected the server of ${server.folder}, found that of ${row?.data_directory}`);
}

async function obtain(test: Context, what: 'shared' | 'own'): Promise<Required<TestServer>> {
  test.timeout(PATIENCE_MS);
  try {
    const { url, folder } = await (await (line ??= callKeeper())).ask({ do: what });
    const server = { url, folder };
    await mustBeOurs(server);
    return server;
  } catch (error) {
    return skip(test, `PostgreSQL: ${(error as Error).message}; set DATABASE_URL to use another server`);
  }
}

/** A line to the keeper; while it is open, the keeper keeps its servers. */
class Line {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #asked = 0;

  constructor(socket: Socket, lines: Interface) {
    this.#socket = socket;
    lines.on('line', (text) => this.#answered(JSON.parse(text) as Answer));
    lines.on('close', () => {
      for (const id of this.#waiting.keys()) this.#answered({ id, url: '', folder: '', failed: 'the keeper is gone' });
    });
  }

  async ask(request: { readonly do: string; readonly folder?: string }): Promise<Answer> {
    const id = ++this.#asked;
    // While an answer is awaited, the process lives.
    this.#socket.ref();
    const answered = new Promise<Answer>((resolve) => this.#waiting.set(id, resolve));
    this.#socket.write(`${JSON.stringify({ id, ...request })}\n`);
    const answer = await answered;
    if (this.#waiting.size === 0) this.#socket.unref();
    if (answer.failed !== undefined) throw new Error(answer.failed);
    return answer;
  }

  #answered(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    waiting?.(answer);
  }
}

async function callKeeper(): Promise<Line> {
  const key = createHash('sha256').update(`${root}\n${KEEPER}`).digest();
  const greeting = `telltale-postgres-${key.toString('hex').slice(0, 16)}`;
  const first = 21_000 + (key.readUInt16BE(0) % 8_000);
  const end = performance.now() + PATIENCE_MS / 2;
  for (let attempt = 0; performance.now() < end; attempt++) {
    for (let port = first; port < first + PORTS; port++) {
      const called = await call(port, greeting);
      if (called instanceof Line) return called;
      if (called === 'nobody') {
        if (attempt % 20 === 0) startKeeper(port, greeting);
        break;
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the keeper of the servers did not start');
}

function startKeeper(port: number, greeting: string): void {
  const keeper = spawn(process.execPath, [KEEPER, String(port), greeting], { detached: true, stdio: 'ignore' });
  keeper.on('error', () => undefined);
  keeper.unref();
}

function call(port: number, greeting: string): Promise<Line | 'nobody' | 'somebody else'> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const lines = createInterface({ input: socket });
    const refuse = (): void => {
      socket.destroy();
      resolve('somebody else');
    };
    const timer = setTimeout(refuse, 2_000);
    socket.on('error', () => {
      clearTimeout(timer);
      resolve('nobody');
    });
    lines.on('error', () => undefined);
    lines.once('line', (text) => {
      clearTimeout(timer);
      if (text === greeting) resolve(new Line(socket, lines));
      else refuse();
    });
  });
}
