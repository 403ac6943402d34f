import { Slice, mergeRanges, metadataText, payloadText, subtractRanges } from '../../lib/plugin.ts';
import type { Between, Fence, Range, StoredEvent } from '../../lib/plugin.ts';
import { bigintArray, textArray } from './arrays.ts';
import type { ChangeLog } from './change-log.ts';
import type { Connections, Session } from './connections.ts';
import { checkFence } from './documents.ts';
import { isHeld, tookTooLong } from './failures.ts';
import type { Names } from './names.ts';
import type { Partition, Partitions } from './partitions.ts';
import { insertRemoved, readRemoved } from './removals.ts';
import { forgetRange } from './search.ts';

export interface ChangePort {
  readonly connections: Connections;
  readonly names: Names;
  readonly partitions: Partitions;
  readonly log: ChangeLog;
}

/** Positions, and ranges, of one step: a transaction of some milliseconds. */
const STEP_POSITIONS = 2_000;
const STEP_RANGES = 500;
const STEP_REWRITES = 200;
/** How long a partition may be waited for: whoever comes meanwhile waits as well. */
const LOCK_MS = 250;
const DROP_ATTEMPTS = 3;

/** Why events go, when, and by whom. */
interface Why {
  readonly reason: string;
  readonly at: number;
  readonly fence: Fence | undefined;
}

/** One step of a removal: some ranges, or the whole of a partition. */
interface Step {
  readonly ranges: readonly Range[];
  readonly partition?: Partition;
}

/** Removals and rewrites, each step of which is one transaction: what goes and the record that it went. */
export class Changes {
  readonly #port: ChangePort;

  constructor(port: ChangePort) {
    this.#port = port;
  }

  /** Partitions of which nothing stays are dropped as a whole; the rest goes in steps. */
  async remove(ranges: readonly Range[], why: Why, between: Between): Promise<number> {
    let count = 0;
    for (const { ranges: part, partition } of await this.#plan(ranges)) {
      const dropped = partition && (await this.#tryDrop(partition, part, why, between));
      if (dropped !== undefined) count += dropped;
      // Somebody reads it all the time: its events go, and the empty partition stays.
      else for (const some of stepsOf(part)) count += await between(() => this.#delete(some, why));
    }
    return count;
  }

  async rewrite(events: readonly StoredEvent[], between: Between, fence: Fence | undefined): Promise<void> {
    const { connections, log } = this.#port;
    for (let start = 0; start < events.length; start += STEP_REWRITES) {
      const some = events.slice(start, start + STEP_REWRITES);
      await between(() =>
        connections.transaction(async (session) => {
          await this.#begin(session, fence);
          await this.#update(session, some);
          await log.note(session, mergeRanges(some.map(({ position }) => ({ from: position, to: position }))));
        }),
      );
    }
  }

  async #update(session: Session, events: readonly StoredEvent[]): Promise<void> {
    await session.query(
      `UPDATE ${this.#port.names.of('events')} e
       SET payload = r.payload, metadata = r.metadata, schema_version = r.version
       FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[]) r (position, payload, metadata, version)
       WHERE e.position = r.position AND e.position BETWEEN $5 AND $6`,
      [
        bigintArray(events.map(({ position }) => position)),
        textArray(events.map(({ payload }) => payloadText(payload))),
        textArray(events.map(({ metadata }) => metadataText(metadata))),
        bigintArray(events.map(({ schemaVersion }) => schemaVersion)),
        ...spanOf(events.map(({ position }) => ({ from: position, to: position }))),
      ],
    );
  }

  /** In the order of positions, so that what goes together is recorded together. */
  async #plan(ranges: readonly Range[]): Promise<Step[]> {
    const { connections, names, partitions } = this.#port;
    const [first, last] = spanOf(ranges);
    const touched = (await partitions.list(connections)).filter(({ from, end }) => from <= last && end > first);
    const reach = { from: touched[0]?.from ?? 1, to: touched.at(-1)?.end ?? 1 };
    const gone = await readRemoved(connections, names, reach);
    const empty = mergeRanges([...gone, ...ranges]);
    const whole = touched.filter(({ from, end }) => {
      const all = { from, to: end - 1 };
      // One that lies between two ranges and is empty already stays.
      return intersection(ranges, all).length > 0 && subtractRanges([all], empty).length === 0;
    });
    const dropped = whole.map(({ from, end }) => ({ from, to: end - 1 }));
    const steps: Step[] = whole.map((partition, i) => ({ partition, ranges: intersection(ranges, dropped[i]!) }));
    const slice = new Slice();
    for (const between of groupedBy(dropped, subtractRanges(ranges, dropped))) {
      for (const part of stepsOf(between)) {
        steps.push({ ranges: part });
        if (slice.isOver) await slice.rest();
      }
    }
    return steps.toSorted((a, b) => a.ranges[0]!.from - b.ranges[0]!.from);
  }

  /**
   * What is kept of the events is written before, in steps; then others wait for no more than the drop itself. Answers
   * nothing where it is held all the time.
   */
  async #tryDrop(
    partition: Partition,
    ranges: readonly Range[],
    why: Why,
    between: Between,
  ): Promise<number | undefined> {
    for (let attempt = 0; attempt < DROP_ATTEMPTS; attempt++) {
      const left = await this.#left(this.#port.connections, ranges);
      let count = 0;
      for (const some of stepsOf(left)) count += await between(() => this.#prepare(some, why.fence));
      if (left.length === 0 || (await between(() => this.#drop(partition, left, why)))) return count;
    }
    return undefined;
  }

  /** Keeps what must be known of events that are about to go; to be repeated where they stay. Answers how many they are. */
  async #prepare(ranges: readonly Range[], fence: Fence | undefined): Promise<number> {
    const { connections, names } = this.#port;
    const [first, last] = spanOf(ranges);
    return connections.transaction(async (session) => {
      await this.#begin(session, fence);
      await forgetRange(session, names, first, last);
      await this.#noteEntities(session, ranges);
      const { rows } = await session.query(
        `SELECT count(*) FROM ${names.of('events')} e, unnest($1::bigint[], $2::bigint[]) r (first, last)
         WHERE e.position BETWEEN r.first AND r.last AND e.position BETWEEN $3 AND $4`,
        [...arraysOf(ranges), first, last],
      );
      return Number(rows[0]![0]);
    });
  }

  /**
   * Answers whether it went: not where it is held, nor where another process has removed some of it since it was
   * prepared. Nothing else changes what was: no event comes there any more, and the newest of its entity stays noted.
   */
  async #drop({ name, from, end }: Partition, ranges: readonly Range[], why: Why): Promise<boolean> {
    const { connections, names } = this.#port;
    const table = names.inSchema(name);
    const dropping = connections.transaction(async (session) => {
      await this.#begin(session, why.fence);
      const { rows: there } = await session.query('SELECT to_regclass($1)', [table]);
      if (there[0]![0] === null || subtractRanges(ranges, await this.#left(session, ranges)).length > 0) return false;
      await forgetRange(session, names, from, end - 1);
      await this.#record(session, ranges, why);
      // Other changes of the log are waited for as long as they take.
      await session.query(`SET LOCAL lock_timeout = ${LOCK_MS}`);
      await session.query(`LOCK TABLE ${names.of('events')}, ${table} IN ACCESS EXCLUSIVE MODE`);
      await session.query(`DROP TABLE ${table}`);
      return true;
    });
    return dropping.catch((error: unknown) => {
      if (isHeld(error) || tookTooLong(error)) return false;
      throw error;
    });
  }

  async #delete(ranges: readonly Range[], why: Why): Promise<number> {
    const { connections, names } = this.#port;
    return connections.transaction(async (session) => {
      await this.#begin(session, why.fence);
      const left = await this.#left(session, ranges);
      if (left.length === 0) return 0;
      const [first, last] = spanOf(left);
      await this.#noteEntities(session, left);
      const { rowCount } = await session.query(
        `DELETE FROM ${names.of('events')} e USING unnest($1::bigint[], $2::bigint[]) r (first, last)
         WHERE e.position BETWEEN r.first AND r.last AND e.position BETWEEN $3 AND $4`,
        [...arraysOf(left), first, last],
      );
      await this.#record(session, left, why);
      return rowCount ?? 0;
    });
  }

  /** Another process may have removed some of it meanwhile. */
  async #left(session: Pick<Session, 'query'>, ranges: readonly Range[]): Promise<Range[]> {
    const [from, to] = spanOf(ranges);
    return subtractRanges(ranges, mergeRanges(await readRemoved(session, this.#port.names, { from, to })));
  }

  /** One change of the log at a time, whichever process makes it; none by whom another has taken the lease from. */
  async #begin(session: Session, fence: Fence | undefined): Promise<void> {
    const { names } = this.#port;
    await session.query(`SELECT 1 FROM ${names.of('meta')} FOR UPDATE`);
    await checkFence(session, names, fence);
  }

  /** Whose newest event goes is noted beside its id: revisions never restart, in a copy neither. */
  async #noteEntities(session: Session, ranges: readonly Range[]): Promise<void> {
    const { names } = this.#port;
    await session.query(
      `UPDATE ${names.of('event_ids')} i SET entity = e.entity
       FROM ${names.of('events')} e, ${names.of('streams')} s, unnest($1::bigint[], $2::bigint[]) r (first, last)
       WHERE e.position BETWEEN r.first AND r.last AND e.position BETWEEN $3 AND $4
         AND s.entity = e.entity AND s.revision = e.revision AND i.id = e.id AND i.entity IS NULL`,
      [...arraysOf(ranges), ...spanOf(ranges)],
    );
  }

  async #record(session: Session, ranges: readonly Range[], { reason, at }: Why): Promise<void> {
    if (ranges.length === 0) return;
    await this.#port.log.note(session, ranges);
    await insertRemoved(
      session,
      this.#port.names,
      mergeRanges(ranges).map((range) => ({ ...range, reason, at })),
    );
  }
}

function arraysOf(ranges: readonly Range[]): [Buffer, Buffer] {
  return [bigintArray(ranges.map(({ from }) => from)), bigintArray(ranges.map(({ to }) => to))];
}

function spanOf(ranges: readonly Range[]): [first: number, last: number] {
  return [ranges[0]!.from, ranges[ranges.length - 1]!.to];
}

function intersection(ranges: readonly Range[], { from, to }: Range): Range[] {
  return ranges
    .filter((range) => range.from <= to && range.to >= from)
    .map((range) => ({ from: Math.max(from, range.from), to: Math.min(to, range.to) }));
}

/** What lies before, between and behind the others; both are sorted. */
function groupedBy(others: readonly Range[], ranges: readonly Range[]): Range[][] {
  const groups: Range[][] = Array.from({ length: others.length + 1 }, () => []);
  let at = 0;
  for (const range of ranges) {
    while (at < others.length && others[at]!.from < range.from) at++;
    groups[at]!.push(range);
  }
  return groups;
}

/** Sorted ranges in pieces that each take one short transaction. */
function* stepsOf(ranges: readonly Range[]): Generator<Range[]> {
  let step: Range[] = [];
  let positions = 0;
  for (const range of ranges) {
    for (let { from } = range; from <= range.to;) {
      const to = Math.min(range.to, from + STEP_POSITIONS - positions - 1);
      step.push({ from, to });
      positions += to - from + 1;
      from = to + 1;
      if (positions < STEP_POSITIONS && step.length < STEP_RANGES) continue;
      yield step;
      step = [];
      positions = 0;
    }
  }
  if (step.length > 0) yield step;
}
