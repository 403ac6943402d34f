import { TelltaleError, decide, decideCommit, lookingUp, toError } from '../../lib/plugin.ts';
import type {
  Commit,
  Durability,
  Head,
  LookUps,
  PendingAppend,
  PreparedAppends,
  StoredEvent,
} from '../../lib/plugin.ts';
import { commitRows } from './commit-rows.ts';
import type { CommitRows } from './commit-rows.ts';
import type { Connections, Session } from './connections.ts';
import { lockHead, positionOf, readHead, withoutCounter } from './counter.ts';
import { isOfData, isTaken, lacksPartition, sqlState } from './failures.ts';
import type { Names } from './names.ts';
import type { Partitions } from './partitions.ts';

export interface AppenderPort {
  readonly connections: Connections;
  readonly names: Names;
  readonly partitions: Partitions;
  readonly now: () => number;
  readonly durability: () => Durability;
  /** The log as a session sees it. */
  readonly lookUps: (session: Session) => LookUps;
}

/** What the log answered to a group commit. */
interface Written {
  readonly status: string;
  readonly first: number;
  readonly storedAt: number;
  readonly bases: readonly number[];
}

/** How often a commit makes room for itself while nobody else takes it. */
const ATTEMPTS = 5;
/** The function that appends found no counter. */
const NO_ROW = 'P0002';

/**
 * Group commits. Nearly all of them are one call: the function checks, under the lock of the counter, that what the
 * commit takes for granted holds, and writes all of it. Where it does not hold, and where an append has a condition,
 * the commit is decided in a transaction that holds the same lock, by `decideCommit` as everywhere.
 *
 * Order: the counter's lock is the order of all writers' commits, and of positions.
 * Failure: a call that broke off may have been carried out; its ids say so when it is tried again.
 */
export class Appender {
  readonly #port: AppenderPort;
  readonly #call: string;

  constructor(port: AppenderPort) {
    this.#port = port;
    const numbers = Array.from({ length: 18 }, (_, i) => `$${i + 1}`);
    this.#call = `SELECT status, first, stored, bases FROM ${port.names.append}(${numbers.join(', ')})`;
  }

  async commit(prepared: PreparedAppends): Promise<Commit> {
    try {
      return await this.#carryOut(prepared);
    } catch (error) {
      if (!isOfData(error)) throw error;
      return prepared.appends.length > 1 ? this.#oneByOne(prepared) : this.#refused(prepared, error);
    }
  }

  /** One of them holds what the database does not take, which must not keep the others out. */
  async #oneByOne({ appends, refused }: PreparedAppends): Promise<Commit> {
    const commits: Commit[] = [];
    for (const append of appends) commits.push(await this.commit({ appends: [append], refused }));
    return {
      outcomes: commits.flatMap(({ outcomes }) => outcomes),
      records: leadingRun(commits.flatMap(({ records }) => records)),
      head: commits.findLast(({ records }) => records.length > 0)?.head ?? commits.at(-1)!.head,
    };
  }

  async #refused({ appends }: PreparedAppends, thrown: unknown): Promise<Commit> {
    const cause = toError(thrown);
    const text = `the database does not take event ${appends[0]!.events[0]?.id}: ${cause.message}`;
    const { connections, names } = this.#port;
    const outcomes = [new TelltaleError('STORE_REFUSED', text, { cause })];
    return { outcomes, records: [], head: await readHead(connections, names) };
  }

  async #carryOut(prepared: PreparedAppends): Promise<Commit> {
    const rows = prepared.refused.size === 0 ? commitRows(prepared.appends) : undefined;
    if (rows !== undefined) {
      const commit = await this.#withRoom(prepared, () => this.#atOnce(prepared.appends, rows));
      if (commit !== undefined) return commit;
    }
    const { connections, names } = this.#port;
    return this.#withRoom(prepared, () =>
      connections.transaction(async (session) => this.#decide(session, prepared, await lockHead(session, names))),
    );
  }

  /**
   * Decides and writes a commit in a transaction that is somebody else's to commit, at READ COMMITTED. From here until
   * it ends, every other writer waits.
   */
  async decideWithin(session: Session, prepared: PreparedAppends): Promise<Commit> {
    const { names, partitions } = this.#port;
    const head = await lockHead(session, names);
    // On another connection: a statement that fails for want of room would take the whole transaction with it.
    await partitions.upTo(head.position + countEvents(prepared));
    return this.#decide(session, prepared, head);
  }

  /** Under the lock everything is looked up: an id that seemed fresh may be the reason for being here. */
  async #decide(session: Session, prepared: PreparedAppends, head: Head): Promise<Commit> {
    const { lookUps, now, durability } = this.#port;
    const at = { head, now: now(), durability: durability() };
    const decision = await decide(lookingUp(prepared), at, lookUps(session));
    if (decision.records.length === 0) return decision;
    await this.#write(session, decision);
    return decision;
  }

  /** `undefined` where something does not hold. */
  async #atOnce(appends: readonly PendingAppend[], rows: CommitRows): Promise<Commit | undefined> {
    const { connections, durability, now } = this.#port;
    let written: Written;
    try {
      written = await this.#ask(connections, rows, now());
    } catch (error) {
      if (isTaken(error)) return undefined;
      throw error;
    }
    if (written.status !== 'stored') return undefined;
    const { first, storedAt, bases } = written;
    const revisions = new Map(rows.streams.map((entity, i) => [entity, bases[i]!]));
    const head = { position: first - 1, storedAt };
    const facts = { head, now: storedAt, durability: durability(), known: NONE, conditions: NONE, refused: NONE };
    return decideCommit(appends, { ...facts, revisions });
  }

  async #write(session: Session, { records, head }: Commit): Promise<void> {
    const appends = [{ events: records, bytes: 0, fresh: true, admitted: true, acknowledged: ignore, failed: ignore }];
    const { status, first } = await this.#ask(session, commitRows(appends)!, head.storedAt);
    if (status === 'stored' && first === records[0]!.position) return;
    throw new TelltaleError('STORE_UNAVAILABLE', `the log did not take a commit at ${records[0]!.position}: ${status}`);
  }

  async #ask(session: Pick<Session, 'query'>, { parameters }: CommitRows, now: number): Promise<Written> {
    const { rows } = await session.query(this.#call, [...parameters, now]).catch((error: unknown) => {
      throw sqlState(error) === NO_ROW ? withoutCounter(this.#port.names) : error;
    });
    const [status, first, stored, bases] = rows[0]!;
    const list = bases === null || bases === '{}' ? [] : bases!.slice(1, -1).split(',').map(Number);
    return { status: status!, first: Number(first), storedAt: Number(stored), bases: list };
  }

  /**
   * What is made for this commit, others may take first. So there is made for them as well, twice what they took since
   * the last time, and no attempt counts before which they took any: however many write, each commit finds its room.
   */
  async #withRoom<T>(prepared: PreparedAppends, write: () => Promise<T>): Promise<T> {
    const { partitions, connections, names } = this.#port;
    let [attempts, taken, before] = [0, 0, Infinity];
    for (;;) {
      try {
        return await write();
      } catch (error) {
        if (!lacksPartition(error)) throw error;
        const position = await positionOf(connections, names);
        if (position > before) taken = Math.max(taken, position - before);
        else if (++attempts === ATTEMPTS) throw error;
        before = position;
        await partitions.upTo(position + countEvents(prepared) + 2 * taken, { anew: true });
      }
    }
  }
}

const NONE: ReadonlyMap<never, never> = new Map<never, never>();
const ignore = (): void => undefined;

function countEvents({ appends }: PreparedAppends): number {
  return appends.reduce((sum, { events }) => sum + events.length, 0);
}

/** Whoever listens reads what lies behind another process's events; only what follows at once may go by without. */
function leadingRun(records: readonly StoredEvent[]): readonly StoredEvent[] {
  const end = records.findIndex(({ position }, i) => position !== records[0]!.position + i);
  return end < 0 ? records : records.slice(0, end);
}
