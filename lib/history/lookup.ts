import type { StoredEvent } from '../event/event.ts';
import { checkId } from '../event/identity.ts';
import type { Store, TallyGroup } from '../store/port.ts';
import { tallyStored, type Tallied } from '../store/read/tally.ts';
import { scan } from '../store/read/scan.ts';
import { parseSelection, type Selection } from '../store/read/selection.ts';
import { resolveWindow } from '../store/read/window.ts';
import { fingerprintOf } from './query-options.ts';
import type { HistoryOptions } from './query.ts';

/** What is known of an event that was taken out. */
export interface Removal {
  readonly position: number;
  /** When it was removed, epoch ms. */
  readonly at: number;
  readonly reason: string;
}

/** An id that once was an event. */
export interface RemovedEvent {
  readonly id: string;
  readonly removed: Removal;
}

/** What became of an id. `found.removed` tells which of the two it is. */
export type Found = (StoredEvent & { readonly removed?: undefined }) | RemovedEvent;

const SCANNED_EVENTS = 500;

/** The event with this id; when and why it was removed; `undefined` for an id that was never stored. Rejects with `INVALID_ID`. */
export async function get(store: Store, id: string, { present }: HistoryOptions = {}): Promise<Found | undefined> {
  const known = (await store.find([checkId(id)])).get(id);
  if (known === undefined) return undefined;
  const { position } = known;
  const page = await store.page({ after: position - 1, through: position, descending: false, limit: 1 });
  const event = page.events[0];
  if (event !== undefined) return present ? present(event) : event;
  const removal = (await store.removed({ from: position, to: position }))[0];
  return removal && { id, removed: { position, at: removal.at, reason: removal.reason } };
}

const COUNT: Tallied = { by: [], numbers: [], limit: 1 };

/** How many stored events satisfy the selection. Rejects as `query` does. */
export async function count(
  store: Store,
  selection: Selection = {},
  { clock, cache }: HistoryOptions = {},
): Promise<number> {
  const { where, withoutReserved, signal, ...places } = parseSelection(selection, 'count');
  const window = await resolveWindow(places, store, clock);
  const read = async (): Promise<number> => {
    let counted = 0;
    const add = (group: TallyGroup): void => void (counted += group.count);
    if (await tallyStored(store, { where, withoutReserved, window, signal }, COUNT, add)) return counted;
    counted = 0;
    for await (const page of scan(store, {
      where,
      withoutReserved,
      window,
      descending: false,
      pageEvents: SCANNED_EVENTS,
      signal,
    }))
      counted += page.events.length;
    return counted;
  };
  return cache ? cache.through(['count', fingerprintOf({ where, withoutReserved }), window], window, read) : read();
}
