import { toError } from '../../lib/plugin.ts';
import type { Clock } from '../../lib/plugin.ts';
import type { Connections, Session } from './connections.ts';
import type { PgSingleClient } from './driver.ts';

export interface WatcherPort {
  readonly connections: Connections;
  readonly channel: string;
  readonly clock: Clock;
  readonly pollMs: number;
  readonly timeoutMs: number;
}

/** Notifications of one process are this far apart at least: each costs the server a commit and every listener a look. */
const GAP_MS = 5;
const RETRY_MS = 100;
/** Removals and rewrites, which are looked for only where they are told. */
const CHANGES = 'changes';
const LONGEST_RETRY_MS = 5_000;

interface Line {
  readonly client: PgSingleClient;
  readonly session: Session;
  readonly pid: number;
}

/**
 * Tells other processes of commits, and hears of theirs.
 *
 * Told on a connection of its own, never within an append, where it would make all commits wait for one another; many
 * commits are told at once, and nothing but what kind they were. A connection that breaks is made anew, and everything is looked at again;
 * where no notification comes, a look every `pollMs` does.
 */
export class Watcher {
  readonly #port: WatcherPort;
  readonly #wake: (what: 'commits' | 'all') => void;
  #line: Line | undefined;
  #connecting: Promise<void> | undefined;
  #stopped = false;
  #attempts = 0;
  #isTold = true;
  /** The gap behind the last notification is not over. */
  #isResting = false;
  #hasChanged = false;
  #telling: Promise<void> | undefined;
  /** Why there is no line, where it could not be had. */
  #failure: unknown;
  readonly #cancels = new Set<() => void>();

  constructor(port: WatcherPort, wake: (what: 'commits' | 'all') => void) {
    this.#port = port;
    this.#wake = wake;
    this.#listen();
    this.#poll();
  }

  get notices(): readonly string[] {
    if (this.#failure === undefined) return [];
    const why = toError(this.#failure).message;
    return [`no notifications are heard or sent (${why}): what others write is found after ${this.#port.pollMs} ms`];
  }

  /** Something was committed here: events, or a change of events that were there before. */
  notify(what: 'commits' | 'changes' = 'commits'): void {
    this.#isTold = false;
    if (what === 'changes') this.#hasChanged = true;
    if (!this.#stopped && !this.#isResting) this.#telling ??= this.#tell().finally(() => (this.#telling = undefined));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
    await this.#connecting;
    await this.#telling;
    const line = this.#line;
    this.#line = undefined;
    if (line !== undefined) await this.#port.connections.end(line.client);
  }

  /** Never rejects: who is not told looks by himself. */
  async #tell(): Promise<void> {
    const line = this.#line;
    if (line === undefined) return;
    const what = this.#hasChanged ? `, '${CHANGES}'` : '';
    this.#isTold = true;
    this.#hasChanged = false;
    this.#isResting = true;
    await line.session.query(`NOTIFY ${this.#port.channel}${what}`).catch(() => this.#lost(line));
    this.#after(GAP_MS, () => {
      this.#isResting = false;
      if (!this.#isTold) this.notify();
    });
  }

  #listen(): void {
    if (!this.#stopped) this.#connecting ??= this.#connect().finally(() => (this.#connecting = undefined));
  }

  /** Never rejects. */
  async #connect(): Promise<void> {
    const { connections, channel } = this.#port;
    let client: PgSingleClient | undefined;
    try {
      client = await connections.single();
      const session = connections.sessionOn(client);
      const { rows } = await session.query('SELECT pg_backend_pid()');
      const line = { client, session, pid: Number(rows[0]![0]) };
      client.on('notification', ({ processId, payload }) => {
        if (processId !== line.pid) this.#wake(payload === CHANGES ? 'all' : 'commits');
      });
      client.on('end', () => this.#lost(line));
      // What is lost in a crash of the server is a notification that nobody is there to hear.
      await session.query('SET synchronous_commit = off');
      await session.query(`LISTEN ${channel}`);
      this.#line = line;
      this.#attempts = 0;
      this.#failure = undefined;
      // Whatever was told meanwhile was not heard.
      this.#wake('all');
      if (!this.#isTold) this.notify();
    } catch (error) {
      this.#failure = error;
      if (client !== undefined) void connections.end(client);
      this.#retry();
    }
  }

  #lost(line: Line): void {
    if (this.#line !== line) return;
    this.#line = undefined;
    void this.#port.connections.end(line.client);
    this.#retry();
  }

  #retry(): void {
    this.#after(Math.min(LONGEST_RETRY_MS, RETRY_MS * 2 ** this.#attempts++), () => this.#listen());
  }

  #poll(): void {
    this.#after(this.#port.pollMs, () => {
      this.#wake('all');
      this.#poll();
    });
  }

  #after(ms: number, action: () => void): void {
    if (this.#stopped) return;
    const cancel = this.#port.clock.after(ms, () => {
      this.#cancels.delete(cancel);
      action();
    });
    this.#cancels.add(cancel);
  }
}
