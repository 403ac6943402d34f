import type { Clock } from '../../clock.ts';
import type { StoredEvent } from '../../event/event.ts';
import type { Store } from '../port.ts';
import { Slice } from '../slice.ts';
import { scan } from './scan.ts';
import type { ParsedSelection } from './selection.ts';
import { resolveWindow } from './window.ts';

const PAGE_EVENTS = 1_000;
/** Events between two looks at the clock. */
const STEP = 8;

/** Shows every event of a selection to `look`, in position order, once; the event loop turns in between. */
export async function lookThrough(
  store: Store,
  { where, withoutReserved, signal, ...places }: ParsedSelection,
  look: (event: StoredEvent) => void,
  clock?: Clock,
): Promise<void> {
  const window = await resolveWindow(places, store, clock);
  const slice = new Slice();
  for await (const page of scan(store, {
    where,
    withoutReserved,
    window,
    descending: false,
    pageEvents: PAGE_EVENTS,
    signal,
  }))
    await paced(page.events, look, slice);
}

/** Does `work` for every item; the event loop turns in between. */
export async function paced<Item>(
  items: Iterable<Item>,
  work: (item: Item) => void,
  slice = new Slice(),
): Promise<void> {
  let done = 0;
  for (const item of items) {
    work(item);
    if (++done % STEP === 0 && slice.isOver) await slice.rest();
  }
}
