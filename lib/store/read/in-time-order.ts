import type { StoredEvent } from '../../event/event.ts';
import type { Store } from '../port.ts';
import { Best } from './best.ts';
import { scan, type ScanOptions } from './scan.ts';
import { byTime, byTimeBackward } from './time-order.ts';

/** What one pass over the window keeps: the bound on memory, at the price of a pass for every so many events. */
const PASS_EVENTS = 10_000;

/** The events of a window by their own `time`, then by position; the last first when `backward`. */
export async function* inTimeOrder(
  store: Store,
  { window, ...terms }: Pick<ScanOptions, 'where' | 'window' | 'signal' | 'withoutReserved'>,
  backward = false,
): AsyncGenerator<StoredEvent, void, undefined> {
  const order = backward ? byTimeBackward : byTime;
  let last: StoredEvent | undefined;
  for (;;) {
    const top = new Best<StoredEvent>(PASS_EVENTS, order);
    const bound = last && (backward ? { timeTo: last.time } : { timeFrom: last.time });
    const rest = { ...window, ...bound };
    for await (const page of scan(store, { ...terms, window: rest, descending: false, pageEvents: 1_000 }))
      for (const event of page.events) if (last === undefined || order(event, last) > 0) top.add(event);
    const events = top.take();
    yield* events;
    if (events.length < PASS_EVENTS) return;
    last = events.at(-1);
  }
}
