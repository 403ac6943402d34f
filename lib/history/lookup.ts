import type { StoredEvent } from '../event/event.ts';
import type { Store } from '../store/port.ts';
import { parseSelection, type Selection } from '../store/read/selection.ts';
import { MAX_LIMIT } from './query-options.ts';
import type { HistoryOptions } from './query.ts';
import { scan } from '../store/read/scan.ts';
import { resolveWindow } from '../store/read/window.ts';

/** The event with this id, `undefined` when there is none (any more). */
export async function get(
  store: Store,
  id: string,
  { present }: HistoryOptions = {},
): Promise<StoredEvent | undefined> {
  const known = (await store.find([id])).get(id);
  if (known === undefined) return undefined;
  const { position } = known;
  const page = await store.page({ after: position - 1, through: position, descending: false, limit: 1 });
  const event = page.events[0];
  return event && present ? present(event) : event;
}

/** How many stored events satisfy the selection. Rejects as `query` does. */
export async function count(store: Store, selection: Selection = {}, { clock }: HistoryOptions = {}): Promise<number> {
  const { where, signal, ...places } = parseSelection(selection, 'count');
  const window = await resolveWindow(places, store, clock);
  let counted = 0;
  for await (const page of scan(store, { where, window, descending: false, pageEvents: MAX_LIMIT, signal }))
    counted += page.events.length;
  return counted;
}
