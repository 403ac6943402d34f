import { TelltaleError, expected } from '../errors.ts';
import { contentHash } from '../event/content-hash.ts';
import type { StoredEvent, TelltaleEvent } from '../event/event.ts';
import type { Commit, Outcome } from './append-queue.ts';
import type { AppendReceipt, Durability, Head, KnownId, PendingAppend } from './port.ts';

/** What the log says about a query expectation, looked up before the commit. */
export interface QueryCondition {
  readonly matches: (event: StoredEvent) => boolean;
  /** Position of an event stored after the expected position that matches; 0 for none. */
  readonly found: number;
}

/** What a decision needs to know about the log. Missing ids are unknown, missing entities never written. */
export interface CommitFacts {
  readonly head: Head;
  /** Wall clock; `storedAt` never falls behind the head's all the same. */
  readonly now: number;
  readonly durability: Durability;
  readonly known: ReadonlyMap<string, KnownId>;
  readonly revisions: ReadonlyMap<string, number>;
  /** One for each append with a query expectation; an error where the query itself is wrong. */
  readonly conditions: ReadonlyMap<PendingAppend, QueryCondition | TelltaleError>;
  /** Appends that were refused before they reached the log. */
  readonly refused: ReadonlyMap<PendingAppend, TelltaleError>;
}

/** A commit that is still to be written: all of its records together, in this order. */
export interface Decision extends Commit {
  /** How many records each append has, in order: an append is stored whole or not at all. */
  readonly sizes: readonly number[];
}

/**
 * Decides a group commit for a store with one writer. Pure: it reads facts and writes nothing. Later appends see the
 * ids, revisions and events of earlier ones of the same commit; a refusal fails that append alone.
 */
export function decideCommit(appends: readonly PendingAppend[], facts: CommitFacts): Decision {
  const draft = new Draft(facts, appends.some(asksForIds));
  const outcomes: Outcome[] = [];
  for (const append of appends) outcomes.push(draft.decide(append));
  return { records: draft.records, sizes: draft.sizes, outcomes, head: draft.head() };
}

function asksForIds(append: PendingAppend): boolean {
  return !append.fresh;
}

class Draft {
  readonly records: StoredEvent[] = [];
  readonly sizes: number[] = [];
  readonly #facts: CommitFacts;
  readonly #storedAt: number;
  readonly #revisions = new Map<string, number>();
  /** Ids of this commit; kept only when some append asks for ids. */
  readonly #written: Map<string, StoredEvent> | undefined;
  #position: number;

  constructor(facts: CommitFacts, tracksIds: boolean) {
    this.#facts = facts;
    this.#storedAt = Math.max(facts.now, facts.head.storedAt);
    this.#position = facts.head.position;
    this.#written = tracksIds ? new Map() : undefined;
  }

  head(): Head {
    if (this.records.length === 0) return this.#facts.head;
    return { position: this.#position, storedAt: this.#storedAt };
  }

  decide(append: PendingAppend): Outcome {
    const error = this.#facts.refused.get(append) ?? refuseShape(append);
    if (error !== undefined) return error;
    const known = append.fresh ? undefined : this.#compareIds(append);
    if (known !== undefined) return known;
    return this.#checkExpectation(append) ?? this.#write(append);
  }

  /** The id check comes before `expect`: a retry of a stored append is a success, whatever has happened since. */
  #compareIds(append: PendingAppend): Outcome | undefined {
    const found = append.events.map((event) => this.#find(event.id));
    const count = found.filter((known) => known !== undefined).length;
    if (count === 0) return undefined;
    const ids = found as readonly KnownId[];
    if (count < found.length) return partlyKnown(append, found);
    const changed = append.events.findIndex((event, i) => contentHash(event) !== ids[i]!.hash);
    if (changed >= 0) return otherContent(append.events[changed]!, ids[changed]!);
    const first = ids[0]!;
    if (ids.some((known, i) => known.position !== first.position + i)) return scattered(ids);
    return this.#receipt(
      first.position,
      ids.map((known) => known.revision),
      first.storedAt,
      true,
    );
  }

  #find(id: string): KnownId | undefined {
    const event = this.#written?.get(id);
    if (event === undefined) return this.#facts.known.get(id);
    const { position, revision, storedAt } = event;
    return { id, position, revision, storedAt, hash: contentHash(event) };
  }

  #checkExpectation(append: PendingAppend): TelltaleError | undefined {
    const { expect } = append;
    if (expect === undefined || expect === 'any') return undefined;
    if (typeof expect === 'object') return this.#checkQuery(append, expect.after);
    const entity = append.events[0]!.entity;
    if (entity === undefined)
      return expected('INVALID_OPTION', 'the first event of an append that expects a revision', 'about an entity', '');
    const actual = this.#revision(entity);
    if (actual === (expect === 'none' ? 0 : expect)) return undefined;
    return expectationFailed(`\`${entity}\` to be at revision ${expect}`, `revision ${actual}`, {
      expected: expect,
      actual,
      entity,
    });
  }

  #checkQuery(append: PendingAppend, after: number): TelltaleError | undefined {
    const condition = this.#facts.conditions.get(append)!;
    if (condition instanceof TelltaleError) return condition;
    const own = this.records.find((record) => record.position > after && condition.matches(record));
    const actual = condition.found || (own?.position ?? 0);
    if (actual === 0) return undefined;
    return expectationFailed(
      `nothing that matches to be stored after position ${after}`,
      `an event at position ${actual}`,
      {
        expected: after,
        actual,
      },
    );
  }

  #revision(entity: string): number {
    return this.#revisions.get(entity) ?? this.#facts.revisions.get(entity) ?? 0;
  }

  #write(append: PendingAppend): AppendReceipt {
    const { events } = append;
    const first = this.#position + 1;
    const revisions: number[] = [];
    for (const event of events) revisions.push(this.#record(event));
    this.sizes.push(events.length);
    return this.#receipt(first, revisions, this.#storedAt, false);
  }

  #record(event: TelltaleEvent): number {
    const { entity } = event;
    let revision = 0;
    if (entity !== undefined) {
      revision = this.#revision(entity) + 1;
      this.#revisions.set(entity, revision);
    }
    const record = toRecord(event, ++this.#position, revision, this.#storedAt);
    this.records.push(record);
    this.#written?.set(event.id, record);
    return revision;
  }

  #receipt(position: number, revisions: readonly number[], storedAt: number, duplicate: boolean): AppendReceipt {
    return { position, revisions, storedAt, durability: this.#facts.durability, duplicate };
  }
}

// Written out, because a record made by spreading a frozen event costs three times as much.
function toRecord(event: TelltaleEvent, position: number, revision: number, storedAt: number): StoredEvent {
  const { id, type, source, time, entity, correlationId, causationId, schemaVersion, payload, metadata } = event;
  if (entity === undefined) {
    return Object.freeze(
      causationId === undefined
        ? { id, type, source, time, correlationId, schemaVersion, payload, metadata, position, revision, storedAt }
        : {
            id,
            type,
            source,
            time,
            correlationId,
            causationId,
            schemaVersion,
            payload,
            metadata,
            position,
            revision,
            storedAt,
          },
    );
  }
  return Object.freeze(
    causationId === undefined
      ? {
          id,
          type,
          source,
          time,
          entity,
          correlationId,
          schemaVersion,
          payload,
          metadata,
          position,
          revision,
          storedAt,
        }
      : {
          id,
          type,
          source,
          time,
          entity,
          correlationId,
          causationId,
          schemaVersion,
          payload,
          metadata,
          position,
          revision,
          storedAt,
        },
  );
}

/** What cannot be stored in any log: an id twice in one append would make its own retry ambiguous. */
function refuseShape({ events, expect }: PendingAppend): TelltaleError | undefined {
  if (events.length === 0) return expected('INVALID_OPTION', '`events`', 'at least one event', events);
  if (typeof expect === 'number' && !(Number.isSafeInteger(expect) && expect >= 0))
    return expected('INVALID_OPTION', '`expect`', 'a revision from 0, "none", "any" or { query, after }', expect);
  if (events.length === 1) return undefined;
  const ids = new Set<string>();
  for (const { id } of events) {
    if (ids.has(id))
      return new TelltaleError('EVENT_CONFLICT', `id ${id} occurs twice within one batch`, { details: { id } });
    ids.add(id);
  }
  return undefined;
}

function partlyKnown(append: PendingAppend, found: readonly (KnownId | undefined)[]): TelltaleError {
  const at = found.findIndex((known) => known !== undefined);
  const { id } = append.events[at]!;
  const { position } = found[at]!;
  return new TelltaleError(
    'EVENT_CONFLICT',
    `expected all or none of the ${found.length} ids of a batch to be stored, but ${id} is at position ${position} and others are new`,
    { details: { id, position } },
  );
}

function otherContent(event: TelltaleEvent, known: KnownId): TelltaleError {
  return new TelltaleError(
    'EVENT_CONFLICT',
    `id ${event.id} is already stored at position ${known.position} with other content`,
    {
      details: { id: event.id, position: known.position, revision: known.revision },
    },
  );
}

function scattered(ids: readonly KnownId[]): TelltaleError {
  const positions = ids.map((known) => known.position);
  return new TelltaleError(
    'EVENT_CONFLICT',
    `expected a batch that is stored already to be at consecutive positions, found ${positions.slice(0, 10).join(', ')}`,
    { details: { id: ids[0]!.id, position: positions[0]! } },
  );
}

function expectationFailed(thing: string, found: string, details: Record<string, unknown>): TelltaleError {
  return new TelltaleError('EXPECTATION_FAILED', `expected ${thing}, found ${found}`, { details });
}
