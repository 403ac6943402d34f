import type { Clock } from '../clock.ts';
import { expected, TelltaleError } from '../errors.ts';
import type { Fence, Store } from '../store/port.ts';
import { mergeRanges, type Range } from '../store/ranges.ts';
import { scan } from '../store/read/scan.ts';
import { parseSelection, type Selection } from '../store/read/selection.ts';
import { resolveWindow } from '../store/read/window.ts';
import type { Pacer } from './pacer.ts';

/** What is to be removed; without a selection, everything. */
export interface ClearOptions extends Selection {
  /** The name of the store, so that the wrong one is not cleared: `bus.health().store`. */
  readonly confirm: string;
}

export interface ClearReport {
  readonly removed: { readonly events: number };
  /** False where the bus has begun to close meanwhile: the rest is still there. */
  readonly complete: boolean;
}

export interface ClearPort {
  readonly store: Store;
  readonly clock: Clock;
  readonly pacer: Pacer;
  readonly fence: () => Promise<Fence | undefined>;
  /** Ends it with the slice under way. */
  readonly closing: AbortSignal;
}

const REASON = 'clear';
const PAGE_EVENTS = 500;
const SLICE_EVENTS = 65_536;

/**
 * Removes what is selected, whatever rules, floors and letters say. Positions, ids and revisions are not given again.
 * Throws `INVALID_OPTION` unless the store is named, and what selections throw.
 */
export async function clear(port: ClearPort, options: ClearOptions): Promise<ClearReport> {
  const { store, clock, pacer, fence, closing } = port;
  mustConfirm(store, options);
  const { confirm: _, ...selection } = options;
  const parsed = parseSelection(selection, 'retention.clear');
  const window = await resolveWindow(parsed, store, clock);
  let events = 0;
  let ranges: Range[] = [];
  let held = 0;
  let complete = true;
  const removeSlice = async (): Promise<void> => {
    if (ranges.length > 0) events += await store.remove(mergeRanges(ranges), REASON, await fence());
    ranges = [];
    held = 0;
  };
  const terms = { where: parsed.where, window, descending: false, pageEvents: PAGE_EVENTS, signal: parsed.signal };
  for await (const page of scan(store, terms)) {
    complete = !closing.aborted;
    if (!complete) break;
    for (const { position } of page.events) addTo(ranges, position);
    held += page.events.length;
    if (held >= SLICE_EVENTS) await removeSlice();
    if (pacer.isOver) await pacer.rest();
  }
  await removeSlice();
  return { removed: { events }, complete };
}

function mustConfirm({ name }: Store, options: unknown): void {
  if (typeof options !== 'object' || options === null)
    throw expected(
      'INVALID_OPTION',
      'the argument of `retention.clear`',
      `{ confirm: ${JSON.stringify(name)} }`,
      options,
    );
  const { confirm } = options as Partial<ClearOptions>;
  if (confirm === name) return;
  throw new TelltaleError(
    'INVALID_OPTION',
    `expected \`confirm\` to name the store that is to be cleared, ${JSON.stringify(name)}; nothing was removed`,
    { details: { expected: name, actual: confirm } },
  );
}

function addTo(ranges: Range[], position: number): void {
  const last = ranges[ranges.length - 1];
  if (last?.to === position - 1) ranges[ranges.length - 1] = { from: last.from, to: position };
  else ranges.push({ from: position, to: position });
}
