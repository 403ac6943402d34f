import { setTimeout as wait } from 'node:timers/promises';
import { expected, toError } from '../../lib/plugin.ts';
import type { Clock } from '../../lib/plugin.ts';
import type { Connections, Session } from './connections.ts';
import type { WantedIndex } from './ddl.ts';
import type { PgSingleClient } from './driver.ts';
import { isHeld, isRefusal, sqlState } from './failures.ts';
import type { Names } from './names.ts';
import { WholeIndexes } from './whole-indexes.ts';

export interface IndexBuilderPort {
  readonly connections: Connections;
  readonly names: Names;
  readonly clock: Clock;
  readonly wanted: readonly WantedIndex[];
  /** Those that are to go. */
  readonly unwanted: readonly WantedIndex[];
  readonly readOnly: boolean;
  /** Told of the paths that have their index in every partition. */
  readonly ready: (paths: ReadonlySet<string>) => void;
}

/** A partition that has no part of an index. */
interface Gap {
  readonly index: string;
  readonly partition: string;
  /** What its part is called. */
  readonly part: string;
  /**
   * What there is of it: that of a `whole` one is to be attached. `later`: there is nothing to attach it to yet. `taken`:
   * another program has something of that name.
   */
  readonly state: 'later' | 'none' | 'broken' | 'whole' | 'taken';
}

interface Line {
  readonly client: PgSingleClient;
  pid?: string;
}

/** Building a part takes as long as it takes. */
const BUILDING_MS = 86_400_000;
/** How long a table may be waited for: whoever comes meanwhile waits as well. */
const LOCK_MS = 250;
const PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 30_000;
const CANCEL_MS = 50;

/**
 * Brings the indexes of a log that is there already to what is wanted. The index of the whole, which new partitions take
 * part in, is made or dropped with the opening if nobody uses the table just then. All else goes on in the background:
 * each older partition gets its part by `CREATE INDEX CONCURRENTLY`, for which nobody waits, and then it is attached.
 *
 * Crash: what is there and what lacks is read from the catalogue; a part that was broken off is dropped and built anew
 * by whoever comes next.
 * Several processes: one at a time, under a lock that the server keeps for its connection, because those who build wait
 * for each other otherwise. The others look again later.
 * Failure: tried again later, and told in `notices`; queries do without the index until it is there.
 */
export class IndexBuilder {
  readonly #port: IndexBuilderPort;
  readonly #whole: WholeIndexes;
  #line: Line | undefined;
  #running: Promise<void> | undefined;
  #isStopped = false;
  #endPause: (() => void) | undefined;
  #gaps: readonly Gap[] = [];
  #leftovers: readonly WantedIndex[] = [];
  #failure: unknown;

  constructor(port: IndexBuilderPort) {
    this.#port = port;
    this.#whole = new WholeIndexes(port);
  }

  get notices(): readonly string[] {
    const failure = this.#failure === undefined ? '' : `; the last attempt failed: ${toError(this.#failure).message}`;
    const lacking = this.#port.wanted.flatMap(({ name, of }) => {
      const { length } = this.#gaps.filter(({ index }) => index === name);
      return length === 0 ? [] : [`queries have no index of ${of} yet: ${length} partitions lack it${failure}`];
    });
    return [...lacking, ...this.#leftovers.map(({ of }) => `the index of ${of} is still to be dropped${failure}`)];
  }

  /**
   * Resolves when it is known which paths have their index; the rest goes on in the background. Rejects where no further
   * attempt would make an index, and then nothing goes on.
   */
  async start(): Promise<void> {
    await this.#shape();
    await this.#look();
    if (!this.#isDone) this.#running = this.#run();
  }

  async idle(): Promise<void> {
    await this.#running;
  }

  /** What is being built is broken off; a server that says nothing is not waited for. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#endPause?.();
    void this.#cancel();
    const stopped = this.#running ?? Promise.resolve();
    await this.#port.connections.within(stopped, 'an index to be broken off').catch(() => this.#cut());
  }

  get #isDone(): boolean {
    return this.#gaps.length + this.#leftovers.length === 0;
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    for (let pauses = 0; !this.#isDone && !this.#isStopped;) {
      if (await this.#advance()) pauses = 0;
      else if (!this.#isStopped) await this.#pause(Math.min(LONGEST_PAUSE_MS, PAUSE_MS * 2 ** pauses++));
    }
  }

  /** Answers whether anything was done. */
  async #advance(): Promise<boolean> {
    const before = this.#gaps.length;
    try {
      this.#failure = undefined;
      await this.#shape();
      await this.#look();
      if (this.#gaps.some(({ state }) => state !== 'later') && (await this.#enter())) {
        await this.#fill();
        await this.#look();
      }
    } catch (error) {
      this.#failure ??= error;
    } finally {
      await this.#hangUp();
    }
    return this.#gaps.length < before;
  }

  async #shape(): Promise<void> {
    if (this.#port.readOnly) return;
    for (const change of [() => this.#whole.drop(LOCK_MS), () => this.#whole.make(LOCK_MS)])
      await change().catch((error: unknown) => {
        if (!isElsewhere(error)) throw error;
      });
  }

  async #fill(): Promise<void> {
    for (const gap of this.#gaps) {
      if (this.#isStopped || this.#line === undefined) return;
      try {
        await this.#close(gap);
      } catch (error) {
        if (!isElsewhere(error)) this.#failure = error;
      }
    }
  }

  async #close(gap: Gap): Promise<void> {
    const { names } = this.#port;
    const [index, part] = [names.inSchema(gap.index), names.inSchema(gap.part)];
    if (gap.state === 'taken')
      throw expected('STORE_PATH', part, `no relation but an index of ${gap.partition}`, "another program's");
    if (gap.state === 'broken') await this.#dropBroken(gap);
    if (gap.state !== 'whole') await this.#create(gap);
    await this.#briefly((session) => session.query(`ALTER INDEX ${index} ATTACH PARTITION ${part}`));
  }

  async #create(gap: Gap): Promise<void> {
    const { connections, names, wanted } = this.#port;
    const { index, partition, part } = gap;
    const { definition } = wanted.find(({ name }) => name === index)!;
    const session = connections.sessionOn(this.#line!.client, BUILDING_MS);
    try {
      await session.query(`CREATE INDEX CONCURRENTLY "${part}" ON ${names.inSchema(partition)} ${definition}`);
    } catch (error) {
      // Else it would be kept up to date for nobody until somebody comes to build it.
      if (isRefusal(error)) await this.#dropBroken(gap).catch(() => undefined);
      else await this.#hangUp();
      throw error;
    }
  }

  /** What has that name may have come from elsewhere meanwhile. */
  async #dropBroken({ partition, part }: Gap): Promise<void> {
    const { names } = this.#port;
    const index = names.inSchema(part);
    await this.#briefly(async (session) => {
      const { rows } = await session.query(
        `SELECT 1 FROM pg_index WHERE indexrelid = to_regclass($1) AND indrelid = to_regclass($2) AND NOT indisvalid`,
        [index, names.inSchema(partition)],
      );
      if (rows.length > 0) await session.query(`DROP INDEX ${index}`);
    });
  }

  async #briefly(work: (session: Session) => Promise<unknown>): Promise<void> {
    await this.#port.connections.transaction(async (session) => {
      await session.query(`SET LOCAL lock_timeout = ${LOCK_MS}`);
      await work(session);
    });
  }

  async #look(): Promise<void> {
    const { connections, wanted, ready, readOnly } = this.#port;
    this.#gaps = await this.#find(connections);
    this.#leftovers = readOnly ? [] : await this.#whole.leftovers(connections);
    const lacking = new Set(this.#gaps.map(({ index }) => index));
    ready(new Set(wanted.filter(({ name }) => !lacking.has(name)).map(({ of }) => of)));
  }

  async #find(session: Pick<Session, 'query'>): Promise<Gap[]> {
    const { names, wanted, readOnly } = this.#port;
    const { rows } = await session.query(
      `SELECT w.name, t.relname, w.part || substr(t.relname, $3::int), CASE
         WHEN $4::bool OR i.oid IS NULL THEN 'later'
         WHEN own.oid IS NULL THEN 'none'
         WHEN x.indexrelid IS NULL THEN 'taken'
         WHEN NOT x.indisvalid THEN 'broken'
         ELSE 'whole'
       END
       FROM unnest($1::text[], $2::text[]) w (name, part)
       JOIN pg_inherits h ON h.inhparent = $5::regclass
       JOIN pg_class t ON t.oid = h.inhrelid
       LEFT JOIN pg_class i ON i.relname = w.name AND i.relnamespace = t.relnamespace
       LEFT JOIN pg_class own ON own.relname = w.part || substr(t.relname, $3::int) AND own.relnamespace = t.relnamespace
       LEFT JOIN pg_index x ON x.indexrelid = own.oid AND x.indrelid = t.oid
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
    return rows.map(([index, partition, part, state]) => ({
      index: index!,
      partition: partition!,
      part: part!,
      state: state as Gap['state'],
    }));
  }

  /** Answers whether nobody else builds, and nobody will as long as the line is there. */
  async #enter(): Promise<boolean> {
    const { connections, names } = this.#port;
    const line: Line = { client: await connections.single() };
    this.#line = line;
    const session = connections.sessionOn(line.client);
    await session.query(`SET statement_timeout = ${BUILDING_MS}; SET lock_timeout = 0`);
    const { rows } = await session.query('SELECT pg_backend_pid(), pg_try_advisory_lock($1::bigint)', [
      names.indexerKey,
    ]);
    line.pid = rows[0]![0]!;
    return rows[0]![1] === 't';
  }

  /** The server forgets a cancel that comes just before the statement. Never rejects. */
  async #cancel(): Promise<void> {
    while (this.#line !== undefined) {
      const { pid } = this.#line;
      if (pid !== undefined)
        await this.#port.connections.query('SELECT pg_cancel_backend($1)', [pid]).catch(() => this.#cut());
      await wait(CANCEL_MS);
    }
  }

  async #hangUp(): Promise<void> {
    const line = this.#line;
    this.#line = undefined;
    if (line !== undefined) await this.#port.connections.end(line.client);
  }

  #cut(): void {
    if (this.#line !== undefined) this.#port.connections.cut(this.#line.client);
    this.#line = undefined;
  }

  /** Not all at the same time: several processes may have begun together. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#port.clock.after(ms * (0.5 + Math.random()), resolve);
      this.#endPause = () => {
        cancel();
        resolve();
      };
    });
  }
}

/** Somebody uses the table, or builds as well and waits for us. */
function isElsewhere(error: unknown): boolean {
  return isHeld(error) || sqlState(error) === '40P01';
}
