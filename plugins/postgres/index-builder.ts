import { setTimeout as wait } from 'node:timers/promises';
import { toError } from '../../lib/plugin.ts';
import type { Clock } from '../../lib/plugin.ts';
import type { Connections, Session } from './connections.ts';
import type { WantedIndex } from './ddl.ts';
import type { PgSingleClient } from './driver.ts';
import { isHeld, sqlState } from './failures.ts';
import type { Names } from './names.ts';

export interface IndexBuilderPort {
  readonly connections: Connections;
  readonly names: Names;
  readonly clock: Clock;
  readonly wanted: readonly WantedIndex[];
  readonly readOnly: boolean;
  /** Told of the paths that have their index in every partition. */
  readonly ready: (paths: ReadonlySet<string>) => void;
}

/** What is to be done next where a partition has no part of an index. */
interface Step {
  readonly kind: 'wait' | 'create' | 'attach' | 'drop';
  readonly index: string;
  readonly partition: string;
  /** The partition's part of the index. */
  readonly part: string;
}

interface Line {
  readonly client: PgSingleClient;
  readonly session: Session;
  readonly pid: string;
}

/** Building a part takes as long as it takes. */
const BUILDING_MS = 86_400_000;
/** How long a table may be waited for: whoever comes meanwhile waits as well. */
const LOCK_MS = 250;
const PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;
const CANCEL_MS = 50;

/**
 * Builds, in the background, what an index on a log that is there already lacks. The opening has made the index of the
 * whole, which new partitions take part in; each older one gets its part by `CREATE INDEX CONCURRENTLY`, for which
 * nobody waits, and then it is attached.
 *
 * Crash: what is there and what lacks is read from the catalogue before each step; a part that was broken off is
 * dropped and built anew by whoever comes next.
 * Several processes: the server keeps a table for one builder at a time, and the others look again later.
 * Failure: tried again later, and told in `notices`; queries do without the index until it is there.
 */
export class IndexBuilder {
  readonly #port: IndexBuilderPort;
  #line: Line | undefined;
  #running: Promise<void> | undefined;
  #isStopped = false;
  #endPause: (() => void) | undefined;
  #left: readonly Step[] = [];
  #failure: unknown;

  constructor(port: IndexBuilderPort) {
    this.#port = port;
  }

  get notices(): readonly string[] {
    const failure = this.#failure === undefined ? '' : `; the last attempt failed: ${toError(this.#failure).message}`;
    return this.#port.wanted.flatMap(({ name, of }) => {
      const { length } = this.#left.filter(({ index }) => index === name);
      return length === 0 ? [] : [`queries have no index of ${of} yet: ${length} partitions lack it${failure}`];
    });
  }

  /** Resolves when it is known which paths have their index; the rest goes on in the background. */
  async start(): Promise<void> {
    await this.#look();
    if (this.#left.length > 0) this.#running = this.#run();
  }

  async idle(): Promise<void> {
    await this.#running;
  }

  /** What is being built is broken off. */
  async stop(): Promise<void> {
    const { connections } = this.#port;
    this.#isStopped = true;
    this.#endPause?.();
    // The server forgets a cancel that comes just before the statement.
    for (const end = performance.now() + connections.timeoutMs; this.#line !== undefined;) {
      const asked = connections.query('SELECT pg_cancel_backend($1)', [this.#line.pid]);
      const isAway = await asked.then(
        () => performance.now() > end,
        () => true,
      );
      if (isAway) await this.#hangUp();
      else await wait(CANCEL_MS);
    }
    await this.#running;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    for (let pauses = 0; this.#left.length > 0 && !this.#isStopped;) {
      if (await this.#advance()) pauses = 0;
      else if (!this.#isStopped) await this.#pause(Math.min(LONGEST_PAUSE_MS, PAUSE_MS * 2 ** pauses++));
    }
    await this.#hangUp();
  }

  /** Answers whether anything was done. */
  async #advance(): Promise<boolean> {
    let isDone = false;
    try {
      await this.#look();
      this.#failure = undefined;
    } catch (error) {
      this.#failure = error;
      return false;
    }
    for (const step of this.#left) {
      if (this.#isStopped || step.kind === 'wait') continue;
      try {
        await this.#take(step);
        isDone = true;
      } catch (error) {
        if (!isElsewhere(error)) this.#failure = error;
      }
    }
    if (isDone) await this.#look().catch((error: unknown) => (this.#failure = error));
    return isDone;
  }

  #take(step: Step): Promise<void> {
    if (step.kind === 'create') return this.#create(step);
    return this.#port.connections.transaction(async (session) => {
      await session.query(`SET LOCAL lock_timeout = ${LOCK_MS}`);
      if (step.kind === 'attach') await this.#attach(session, step);
      else await this.#drop(session, step);
    });
  }

  async #create({ index, partition, part }: Step): Promise<void> {
    const { names, wanted } = this.#port;
    const { definition } = wanted.find(({ name }) => name === index)!;
    const { session } = (this.#line ??= await this.#connect());
    if (this.#isStopped) return;
    try {
      await session.query(`CREATE INDEX CONCURRENTLY "${part}" ON ${names.inSchema(partition)} ${definition}`);
    } catch (error) {
      await this.#hangUp();
      // Else it would be kept up to date for nobody until somebody comes to build it.
      await this.#take({ kind: 'drop', index, partition, part }).catch(() => undefined);
      throw error;
    }
  }

  async #attach(session: Session, { index, part }: Step): Promise<void> {
    const { names } = this.#port;
    await session.query(`ALTER INDEX ${names.inSchema(index)} ATTACH PARTITION ${names.inSchema(part)}`);
  }

  /** Whoever builds a part keeps the lock of its table all the while. */
  async #drop(session: Session, { partition, part }: Step): Promise<void> {
    const { names } = this.#port;
    await session.query(`LOCK TABLE ${names.inSchema(partition)} IN SHARE UPDATE EXCLUSIVE MODE NOWAIT`);
    const steps = await this.#steps(session);
    if (steps.some((step) => step.kind === 'drop' && step.part === part))
      await session.query(`DROP INDEX ${names.inSchema(part)}`);
  }

  async #look(): Promise<void> {
    const { connections, wanted, ready } = this.#port;
    this.#left = await this.#steps(connections);
    const lacking = new Set(this.#left.map(({ index }) => index));
    ready(new Set(wanted.filter(({ name }) => !lacking.has(name)).map(({ of }) => of)));
  }

  /** One for every partition that has no part of an index that is wanted. */
  async #steps(session: Pick<Session, 'query'>): Promise<Step[]> {
    const { names, wanted, readOnly } = this.#port;
    const { rows } = await session.query(
      `SELECT w.name, t.relname, w.part || substr(t.relname, $3::int), CASE
         WHEN $4::bool THEN 'wait'
         WHEN own.oid IS NULL THEN CASE WHEN i.oid IS NULL THEN 'wait' ELSE 'create' END
         WHEN i.oid IS NULL OR NOT x.indisvalid THEN 'drop'
         ELSE 'attach' END
       FROM unnest($1::text[], $2::text[]) w (name, part)
       JOIN pg_inherits h ON h.inhparent = $5::regclass
       JOIN pg_class t ON t.oid = h.inhrelid
       LEFT JOIN pg_class i ON i.relname = w.name AND i.relnamespace = t.relnamespace
       LEFT JOIN pg_class own ON own.relname = w.part || substr(t.relname, $3::int) AND own.relnamespace = t.relnamespace
       LEFT JOIN pg_index x ON x.indexrelid = own.oid
       WHERE NOT EXISTS (
         SELECT FROM pg_inherits a JOIN pg_index p ON p.indexrelid = a.inhrelid
         WHERE a.inhparent = i.oid AND p.indrelid = t.oid AND p.indisvalid)
       ORDER BY t.oid`,
      [
        wanted.map(({ name }) => name),
        wanted.map(({ part }) => part),
        names.plain('events').length + 1,
        readOnly,
        names.of('events'),
      ],
    );
    return rows.map(([index, partition, part, kind]) => ({
      kind: kind as Step['kind'],
      index: index!,
      partition: partition!,
      part: part!,
    }));
  }

  async #connect(): Promise<Line> {
    const { connections } = this.#port;
    const client = await connections.single();
    try {
      const session = connections.sessionOn(client, BUILDING_MS);
      await session.query(`SET statement_timeout = ${BUILDING_MS}; SET lock_timeout = 0`);
      const { rows } = await connections.sessionOn(client).query('SELECT pg_backend_pid()');
      return { client, session, pid: rows[0]![0]! };
    } catch (error) {
      await connections.end(client);
      throw error;
    }
  }

  async #hangUp(): Promise<void> {
    const line = this.#line;
    this.#line = undefined;
    if (line !== undefined) await this.#port.connections.end(line.client);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#port.clock.after(ms, resolve);
      this.#endPause = () => {
        cancel();
        resolve();
      };
    });
  }
}

/** Another process builds this part, or somebody uses the table. */
function isElsewhere(error: unknown): boolean {
  return isHeld(error) || sqlState(error) === '42P07';
}
