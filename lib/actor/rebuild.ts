import type { Clock } from '../clock.ts';
import { describeError } from '../event/describe-error.ts';
import { expected, TelltaleError } from '../errors.ts';
import { admit } from '../event/admission.ts';
import type { StoredEvent, TelltaleEvent } from '../event/event.ts';
import { isReserved } from '../event/type-name.ts';
import { invoke, isThenable, letGo, type Failure } from '../invoke/invoke.ts';
import type { Store } from '../store/port.ts';
import { retryRead } from '../store/read/retry-read.ts';
import { Slice } from '../store/slice.ts';
import type { Behaviour } from './behaviour.ts';
import { readSnapshot } from './snapshot-document.ts';
import { ALL_SAVED, countedBytes, paceOf, type Unsaved } from './snapshots.ts';

/** Where an entity stands: its state after the event of this revision, and what no snapshot has yet. */
export interface Standing extends Unsaved {
  readonly state: unknown;
  /** 0 before its first event. */
  readonly revision: number;
  /** Of the event of this revision. */
  readonly position: number;
  /** That event; undefined where it is not known. */
  readonly eventId?: string | undefined;
}

export interface RebuildTerms {
  readonly store: Store;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Brings an old event up to date. */
  readonly present: (event: StoredEvent) => StoredEvent;
  /** Told why a snapshot that is there is not used. */
  readonly ignored?: (reason: TelltaleError) => void;
}

/** A whole state as it is stored where an actor has no `apply`. */
export const STATE_STORED = '$actor.state';

const PAGE_EVENTS = 500;
/** Events between two looks at the clock. */
const CHECKED_EVENTS = 32;
const MAX_STATE_BYTES = 8 * 1024 * 1024;

/** Whose state. */
export interface Whose {
  readonly entity: string;
  readonly key: string;
  readonly behaviour: Persisted;
}

type Persisted = Pick<Behaviour, 'initial' | 'apply' | 'schemaVersion' | 'persist' | 'snapshot'>;

/**
 * The state of an entity from its last snapshot and the events behind it; runs `apply` and nothing else. Rejects with
 * `REBUILD_FAILED` where `apply` throws, position and event in its `details`; `EVENTS_REMOVED` where events are gone that
 * no snapshot covers. A store that does not answer is asked again.
 */
export async function rebuild({ entity, key, behaviour }: Whose, terms: RebuildTerms): Promise<Standing> {
  const { store, clock } = terms;
  const { schemaVersion } = behaviour;
  const began = { at: clock.monotonic(), disturbed: false };
  const unavailable = (): boolean => (began.disturbed = true);
  const read = <T>(fn: () => Promise<T>): Promise<T> => retryRead(fn, { ...terms, unavailable });
  const blank = { ...ALL_SAVED, state: behaviour.initial(key), revision: 0, position: 0 };
  // Before the events: what is stored since is read with them, what is not read was removed.
  const revision = await read(() => store.revision(entity));
  if (revision === 0) return blank;
  if (behaviour.persist === 'state') return { ...blank, ...(await newestState(entity, revision, behaviour, terms)) };
  const snapshot = await read(() => readSnapshot(store, { entity, schemaVersion, ignored: terms.ignored }));
  const start = { ...blank, ...snapshot };
  const { position: through } = await read(() => store.head());
  let standing: Standing = start;
  const slice = new Slice();
  for (let after = start.position; ;) {
    const query = { entity, after, through, descending: false, limit: PAGE_EVENTS };
    const page = await read(() => store.page(query));
    for (const event of page.events) {
      standing = applyStored(standing, event, behaviour, terms);
      if (standing.unsaved % CHECKED_EVENTS === 0 && slice.isOver) await slice.rest();
    }
    if (page.done) break;
    after = page.looked;
  }
  if (standing.revision < revision) throw removed(entity, standing.revision + 1, revision);
  // How long a store was away says nothing of how long a rebuild takes.
  const tookMs = began.disturbed ? 0 : clock.monotonic() - began.at;
  return { ...standing, pace: paceOf(behaviour.snapshot, standing.unsaved, tookMs) };
}

/** The next state. Throws what `apply` throws, and `INVALID_OPTION` where it answers with nothing or a Promise. */
export function applyFact(apply: NonNullable<Behaviour['apply']>, state: unknown, event: TelltaleEvent): unknown {
  const next = apply(state, event);
  if (next !== undefined && !isThenable(next)) return next;
  letGo(next);
  throw expected('INVALID_OPTION', `the answer of \`apply\` for \`${event.type}\``, 'the next state', next);
}

/** A state as the payload of an event. Throws `PAYLOAD_*`. */
export const statePayload = (state: unknown, schemaVersion: number): object => ({
  state: admit(state, 'state', MAX_STATE_BYTES).value,
  schemaVersion,
});

function applyStored(
  standing: Standing,
  event: StoredEvent,
  { apply, snapshot }: Persisted,
  { present }: RebuildTerms,
): Standing {
  const { state, revision, unsaved, unsavedBytes, unsavedSince } = standing;
  if (event.revision > revision + 1) throw removed(event.entity!, revision + 1, event.revision - 1);
  let next = state;
  if (!isReserved(event.type)) {
    const failure = invoke(() => void (next = applyFact(apply!, state, present(event))), event, { attempt: 1 });
    // What answers with nothing is not waited for, so there is no Promise here.
    if (failure !== undefined) throw failed(event, (failure as Failure).error);
  }
  return {
    state: next,
    revision: event.revision,
    position: event.position,
    eventId: event.id,
    unsaved: unsaved + 1,
    unsavedBytes: unsavedBytes + countedBytes(snapshot, event.payload),
    unsavedSince: unsavedSince || event.storedAt,
    pace: standing.pace,
  };
}

async function newestState(
  entity: string,
  revision: number,
  { schemaVersion }: Persisted,
  { store, ...terms }: RebuildTerms,
): Promise<Partial<Standing>> {
  const { position: head } = await retryRead(() => store.head(), terms);
  const at = { revision, oldest: revision + 1 };
  for (let after = head + 1; ;) {
    const query = { entity, after: 0, through: after - 1, descending: true, limit: 16 };
    const page = await retryRead(() => store.page(query), terms);
    for (const event of page.events) {
      at.revision = Math.max(at.revision, event.revision);
      if (event.type === STATE_STORED)
        return { ...whole(event, schemaVersion), revision: at.revision, position: event.position };
      at.oldest = event.revision;
    }
    if (page.done && at.oldest > 1) throw removed(entity, 1, at.oldest - 1);
    if (page.done) return { revision: at.revision };
    after = page.looked;
  }
}

// A state of another version is as good as none.
function whole(event: StoredEvent | undefined, schemaVersion: number): Partial<Standing> {
  const kept = event?.payload as { readonly state: unknown; readonly schemaVersion: number } | undefined;
  return kept?.schemaVersion === schemaVersion ? { state: structuredClone(kept.state) } : {};
}

function failed({ position, id, type, entity, revision }: StoredEvent, error: unknown): TelltaleError {
  const text = `\`apply\` of ${entity} failed on \`${type}\` ${id} at position ${position}: ${describeError(error).message}`;
  const details = { entity, position, revision, eventId: id, type };
  return new TelltaleError('REBUILD_FAILED', text, { cause: error, details });
}

function removed(entity: string, from: number, to: number): TelltaleError {
  const text = `revisions ${from} to ${to} of ${entity} were removed and no snapshot covers them: its state cannot be rebuilt`;
  return new TelltaleError('EVENTS_REMOVED', text, { details: { entity, from, to } });
}
