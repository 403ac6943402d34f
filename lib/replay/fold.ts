import type { Clock } from '../clock.ts';
import { expected, messageOf, TelltaleError } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import type { Place } from '../event/place.ts';
import { invoke, isThenable, letGo } from '../invoke/invoke.ts';
import { mustKnow } from '../parse-options.ts';
import type { Store } from '../store/port.ts';
import { lookThrough } from '../store/read/look-through.ts';
import { checkPlace, resolvePlace } from '../store/read/resolve-place.ts';
import { parseSelection, SELECTION, type ParsedSelection, type Selection } from '../store/read/selection.ts';

/** Which events a state is made of. */
export interface FoldOptions extends Omit<Selection, 'to'> {
  /** The state as it was here, inclusive; a time is compared with the event's own `time`. @default the newest event */
  readonly until?: Place;
}

/** A fold that has been checked. */
export interface ParsedFold {
  readonly initial: unknown;
  readonly reducer: (state: unknown, event: StoredEvent) => unknown;
  readonly selection: ParsedSelection;
  readonly until: Place | undefined;
}

const KNOWN = SELECTION.map((key) => (key === 'to' ? 'until' : key));

/** Throws `INVALID_OPTION` for the reducer, and what `parseSelection` throws. */
export function parseFold(initial: unknown, reducer: unknown, options: FoldOptions = {}): ParsedFold {
  if (typeof reducer !== 'function') throw expected('INVALID_OPTION', 'the reducer of `fold`', 'a function', reducer);
  mustKnow(options, KNOWN, 'fold', 'INVALID_QUERY');
  const { until, ...selection } = options;
  if (until !== undefined) checkPlace(until, 'until');
  return { initial, reducer: reducer as ParsedFold['reducer'], selection: parseSelection(selection, 'fold'), until };
}

/**
 * The state a reducer makes of events in position order. Memory: the state and one page. The event loop has its turns in
 * between. Rejects with `HANDLER_FAILED` where the reducer throws (position and event in its `details`),
 * `INVALID_OPTION` where it answers with a Promise, `ABORTED`, `INVALID_PLACE`, `INVALID_QUERY`.
 */
export async function fold(
  store: Store,
  { initial, reducer, selection, until }: ParsedFold,
  clock: Clock,
): Promise<unknown> {
  const to = until === undefined ? undefined : await settle(until, store, clock);
  let state: unknown = typeof initial === 'function' ? (initial as () => unknown)() : initial;
  const reduce = (event: StoredEvent): void => void (state = mustBeThere(reducer(state, event)));
  const look = (event: StoredEvent): void => {
    const failure = invoke(reduce, event, { attempt: 1 });
    // A reducer that answers is not waited for, so there is no Promise here.
    if (failure !== undefined) throw failed(event, (failure as { readonly error: unknown }).error);
  };
  await lookThrough(store, { ...selection, to }, look, clock);
  return state;
}

// Looked up here, so that an error names `until`.
async function settle(until: Place, store: Store, clock: Clock): Promise<Place> {
  if (until === 'latest') return until;
  const { position: head } = await store.head();
  return resolvePlace(until, 'until', { store, clock, head });
}

function mustBeThere(state: unknown): unknown {
  if (!isThenable(state)) return state;
  letGo(state);
  throw expected('INVALID_OPTION', 'the answer of the reducer', 'a state that is there at once', state);
}

function failed(event: StoredEvent, error: unknown): TelltaleError {
  if (error instanceof TelltaleError && error.code === 'INVALID_OPTION') return error;
  const { position, id, type } = event;
  const text = `the reducer of \`fold\` failed on \`${type}\` ${id} at position ${position}`;
  return new TelltaleError('HANDLER_FAILED', `${text}: ${messageOf(error)}`, {
    cause: error,
    details: { position, eventId: id, type },
  });
}
