import type { Fence, Sink, Store } from '../store/port.ts';
import type { Range } from '../store/ranges.ts';
import { eventBytes } from './event-bytes.ts';
import { readPages } from './facts.ts';
import type { Run, Why } from './fates.ts';
import type { Pacer } from './pacer.ts';
import type { MadePlan } from './preview.ts';
import type { Protections } from './protections.ts';
import { goingRuns, Recheck, type Checked } from './recheck.ts';
import type { Amount } from './tally.ts';

/** What was carried out of a plan. */
export interface EnforceReport {
  /** What really went; bytes are estimated, as in the plan. */
  readonly removed: Amount & {
    /** Events by the name of the rule. */
    readonly byRule: Readonly<Record<string, number>>;
  };
  /** What the plan had let go and stays, because it has come under protection since: events at most, by reason. */
  readonly left: { readonly events: number; readonly why: Readonly<Record<string, number>> };
  /** Nothing of the plan is left to do. */
  readonly complete: boolean;
  readonly slices: number;
  readonly tookMs: number;
}

export interface EnforcePort {
  readonly store: Store;
  readonly pacer: Pacer;
  readonly monotonic: () => number;
  /** Gets the events before they are removed; when it fails nothing of the slice is. */
  readonly archive: Pick<Sink, 'write'> | undefined;
  protections(): Promise<Protections>;
}

export interface EnforceTerms {
  /** Removes no more than so many events, the oldest first. */
  readonly atMost?: number;
  /** Proof of a lease, asked for before each slice; rejects when it was lost. */
  readonly fence?: () => Promise<Fence | undefined>;
  /** Called behind each slice with the last position that is done. */
  readonly done?: (position: number) => Promise<void>;
  readonly signal?: AbortSignal;
  /** Something else has been removed since the plan was made, so that its figures may be wrong. */
  readonly outdated?: boolean;
}

/** A slice removes at most so many events: few enough to stop soon, enough to rewrite a segment of a file only once or twice. */
const SLICE_EVENTS = 65_536;
/** A quarter of it costs a store half as much again; with all at once json-file was seen to hold the event loop over 20 ms. */
const SLICE_RANGES = 16_384;
const REASON = 'retention';

/**
 * Removes what a plan lets go, slice by slice in position order, and leaves what is protected by now. Each slice is
 * archived, then removed; a crash between two slices leaves a log from which the same plan goes on.
 */
export async function enforcePlan(port: EnforcePort, plan: MadePlan, terms: EnforceTerms = {}): Promise<EnforceReport> {
  const start = port.monotonic();
  const sums = new Sums(plan);
  const recheck = new Recheck(port, plan);
  let budget = terms.atMost ?? Infinity;
  for (const slice of slicesOf(plan)) {
    if (budget <= 0 || terms.signal?.aborted) {
      sums.complete = false;
      break;
    }
    await recheck.refresh();
    const ranges: Range[] = [];
    for (const [at, run] of slice.entries()) {
      const { goes, left } = await recheck.check(run);
      const { taken, rest } = take(goes, run, budget);
      const amount = await amountOf(port, run, taken, terms.outdated === true);
      sums.note(run, amount, left);
      budget -= amount.events;
      ranges.push(...taken);
      if (rest || (budget <= 0 && at < slice.length - 1)) sums.complete = false;
      if (budget <= 0) break;
      if (port.pacer.isOver) await port.pacer.rest();
    }
    sums.settle(await removeSlice(port, ranges, await terms.fence?.()));
    await terms.done?.(ranges[ranges.length - 1]?.to ?? 0);
    await port.pacer.rest();
  }
  return sums.report(port.monotonic() - start);
}

/** What lies in these ranges of a run: what the plan says, or, where it cannot know, what is found there. */
async function amountOf(
  { store, pacer }: EnforcePort,
  run: Run,
  taken: readonly Range[],
  outdated: boolean,
): Promise<Amount> {
  const isWhole = taken.length === 1 && taken[0]!.from === run.from && taken[0]!.to === run.to;
  if (isWhole && !outdated) return run;
  const found = { events: 0, bytes: 0 };
  for (const { from, to } of taken)
    for await (const events of readPages(store, from - 1, to)) {
      found.events += events.length;
      for (const event of events) found.bytes += eventBytes(event);
      if (pacer.isOver) await pacer.rest();
    }
  return found;
}

async function removeSlice(
  { store, archive, pacer }: EnforcePort,
  ranges: readonly Range[],
  fence: Fence | undefined,
): Promise<number> {
  if (ranges.length === 0) return 0;
  if (archive)
    for (const { from, to } of ranges)
      for await (const events of readPages(store, from - 1, to)) {
        if (events.length > 0) await archive.write(events);
        if (pacer.isOver) await pacer.rest();
      }
  return store.remove(ranges, REASON, fence);
}

function* slicesOf(plan: MadePlan): Generator<readonly Run[], void, undefined> {
  let slice: Run[] = [];
  let events = 0;
  for (const run of goingRuns(plan))
    for (const part of partsOf(run)) {
      if (slice.length > 0 && (events + part.events > SLICE_EVENTS || slice.length === SLICE_RANGES)) {
        yield slice;
        slice = [];
        events = 0;
      }
      slice.push(part);
      events += part.events;
    }
  if (slice.length > 0) yield slice;
}

/** A long run in parts; what lies in each of them is estimated where the log has gaps. */
function* partsOf(run: Run): Generator<Run, void, undefined> {
  const span = run.to - run.from + 1;
  const step = Math.ceil(span / Math.max(1, Math.ceil(run.events / SLICE_EVENTS)));
  for (let { from } = run; from <= run.to; from += step) {
    const to = Math.min(run.to, from + step - 1);
    const share = (to - from + 1) / span;
    yield { ...run, from, to, events: run.events * share, bytes: run.bytes * share };
  }
}

/** The first so many events of some ranges. */
function take(
  ranges: readonly Range[],
  run: Run,
  budget: number,
): { readonly taken: readonly Range[]; readonly rest: boolean } {
  if (eventsIn(ranges, run) <= budget) return { taken: ranges, rest: false };
  const taken: Range[] = [];
  let left = Math.floor(budget);
  for (const { from, to } of ranges) {
    if (left <= 0) break;
    taken.push({ from, to: Math.min(to, from + left - 1) });
    left -= to - from + 1;
  }
  return { taken, rest: true };
}

/** No more than the run has, no more than there are positions. */
function eventsIn(ranges: readonly Range[], run: Run): number {
  return Math.min(
    run.events,
    ranges.reduce((positions, { from, to }) => positions + to - from + 1, 0),
  );
}

/** Sums up slice by slice; what a store says it has removed has the last word. */
class Sums {
  complete = true;
  readonly #plan: MadePlan;
  readonly #removed = { events: 0, bytes: 0 };
  readonly #byRule = new Map<string, number>();
  readonly #left = new Map<Why, number>();
  #slices = 0;
  /** Of the slice under way. */
  readonly #expected = new Map<string, number>();
  #expectedBytes = 0;

  constructor(plan: MadePlan) {
    this.#plan = plan;
  }

  note(run: Run, { events, bytes }: Amount, left: Checked['left']): void {
    const { name } = this.#plan.rules[run.rule]!;
    this.#expected.set(name, (this.#expected.get(name) ?? 0) + events);
    this.#expectedBytes += bytes;
    for (const { range, why } of left) this.#left.set(why, (this.#left.get(why) ?? 0) + eventsIn([range], run));
  }

  /** Ends a slice of which so many events went. Where others were quicker, each rule has its share of them. */
  settle(removed: number): void {
    const expected = sum([...this.#expected.values()]);
    const factor = expected === 0 ? 0 : removed / expected;
    let passed = 0;
    for (const [name, events] of this.#expected) {
      // Rounded as a running sum, so that the shares add up.
      const before = Math.round(passed * factor);
      passed += events;
      const share = Math.round(passed * factor) - before;
      if (share > 0) this.#byRule.set(name, (this.#byRule.get(name) ?? 0) + share);
    }
    this.#removed.events += removed;
    this.#removed.bytes += this.#expectedBytes * factor;
    this.#slices++;
    this.#expected.clear();
    this.#expectedBytes = 0;
  }

  report(tookMs: number): EnforceReport {
    const why = Object.fromEntries([...this.#left].map(([name, events]) => [name, Math.round(events)]));
    const { events, bytes } = this.#removed;
    return {
      removed: { events, bytes: Math.round(bytes), byRule: Object.fromEntries(this.#byRule) },
      left: { events: sum(Object.values(why)), why },
      complete: this.complete,
      slices: this.#slices,
      tookMs,
    };
  }
}

function sum(amounts: readonly number[]): number {
  return amounts.reduce((total, amount) => total + amount, 0);
}

/** Two parts of one sweep as one. */
export function joinReports(a: EnforceReport, b: EnforceReport): EnforceReport {
  const byRule = joinAmounts(a.removed.byRule, b.removed.byRule);
  const events = a.removed.events + b.removed.events;
  return {
    removed: { events, bytes: a.removed.bytes + b.removed.bytes, byRule },
    left: { events: a.left.events + b.left.events, why: joinAmounts(a.left.why, b.left.why) },
    complete: a.complete && b.complete,
    slices: a.slices + b.slices,
    tookMs: a.tookMs + b.tookMs,
  };
}

function joinAmounts(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): Record<string, number> {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return Object.fromEntries([...names].map((name) => [name, (a[name] ?? 0) + (b[name] ?? 0)]));
}
