import type { Clock } from '../clock.ts';
import { expected, TelltaleError } from '../errors.ts';
import { Serial } from '../serial.ts';
import { Lease } from '../store/leases.ts';
import type { Fence, Store } from '../store/port.ts';
import { Archive } from './archive.ts';
import { clear, type ClearOptions, type ClearReport } from './clear.ts';
import { ClockWatch } from './clock-watch.ts';
import { enforcePlan, joinReports, type EnforcePort, type EnforceReport } from './enforce.ts';
import type { ParsedRetention } from './options.ts';
import { Pacer } from './pacer.ts';
import { makePlan, PLAN_EVENTS, type MadePlan, type RetentionPlan } from './preview.ts';
import { parsePreview, type PreviewOptions } from './preview-options.ts';
import { endProgress, readProgress, writeProgress } from './progress.ts';
import { readProtections, type Protections } from './protections.ts';
import type { ParsedRule } from './rules.ts';
import { RetentionStats, type SweepReport } from './stats.ts';
import type { HeldByFloor } from './tally.ts';

export interface RetentionPort {
  readonly store: Store;
  readonly clock: Clock;
  /** Who this is, for others who ask who holds the lease. */
  readonly owner: string;
  readonly options: ParsedRetention;
  /** Everything accepted so far is in the log, as far as the store takes it. */
  written(): Promise<unknown>;
  /** Is there foreground work that should go first? */
  isBusy(): boolean;
  /** Events one plan decides about. @default 1,048,576 */
  readonly maxEvents?: number;
}

interface PlanTerms {
  readonly rules: readonly ParsedRule[];
  readonly signal?: AbortSignal;
  readonly at?: number;
  readonly head?: number;
  readonly after?: number;
}

type Renew = () => Promise<Fence | undefined>;

const OWN_PLAN = 'a plan of `retention.preview` of this bus, as it came';
const MOST_JUMP_MS = 60_000;
const LEASE = 'retention';
const LEASE_MS = 30_000;

/**
 * What is kept of one log, and what goes. Plans may be made at any time; what changes the log runs one at a time,
 * and, where processes share a store, in one process at a time.
 */
export class Retention {
  readonly stats = new RetentionStats();
  readonly #port: RetentionPort;
  readonly #watch: ClockWatch;
  /** What changes the log goes behind what does so already. */
  readonly #turns = new Serial();
  /** The share of the log the next sweep may remove. */
  #share: number;
  #floors: readonly HeldByFloor[] = [];
  readonly #archive: Archive | undefined;
  /** Plans of this log, each with how often something had been removed before. */
  readonly #made = new WeakMap<object, number>();
  #removals = 0;
  readonly #unlisten: () => void;
  #lease: Lease | undefined;
  readonly #closing = new AbortController();

  constructor(port: RetentionPort) {
    this.#port = port;
    this.#watch = new ClockWatch(port.clock);
    this.#share = port.options.firstSweepAtMost;
    this.#archive = port.options.archive && new Archive(port.options.archive, port.clock);
    this.#unlisten = port.store.onRemove(() => void this.#removals++);
  }

  /** Consumers that held something back when the last plan was made. */
  get floors(): readonly HeldByFloor[] {
    return this.#floors;
  }

  async preview(options?: PreviewOptions): Promise<RetentionPlan> {
    const terms = parsePreview(options, this.#port.options.rules);
    await this.#port.written();
    return this.#plan(terms);
  }

  async enforce(given?: RetentionPlan): Promise<EnforceReport> {
    this.#mustWrite();
    if (given !== undefined && !this.#isOwn(given))
      throw expected('INVALID_OPTION', 'the argument of `retention.enforce`', OWN_PLAN, given);
    await this.#port.written();
    return this.#turns.run(() =>
      this.#leased(async (fence) => {
        const { signal } = this.#closing;
        const carryOut = (plan: MadePlan): Promise<EnforceReport> =>
          enforcePlan(this.#enforcePort(), plan, { fence, signal, outdated: this.#isOutdated(plan) });
        const report = given
          ? await carryOut(given)
          : await this.#inParts({ rules: this.#port.options.rules }, carryOut);
        this.stats.noteRemoved(report);
        return report;
      }),
    );
  }

  async clear(options: ClearOptions): Promise<ClearReport> {
    this.#mustWrite();
    const { store, clock } = this.#port;
    await this.#port.written();
    const port = { store, clock, pacer: this.#pacer(), closing: this.#closing.signal };
    return this.#turns.run(() => this.#leased((fence) => clear({ ...port, fence }, options)));
  }

  /** One sweep of the background; what it reports is also in `stats`. */
  async sweep(signal: AbortSignal): Promise<SweepReport> {
    const jumpMs = this.#watch.jumpMs();
    const report = await this.#turns.run(() => this.#sweep(jumpMs, signal));
    this.stats.noteSweep(report);
    return report;
  }

  /** What is under way ends behind its slice. Rejects with what the archive says. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#archive?.hurry();
    await this.#turns.idle();
    this.#unlisten();
    await this.#archive?.close();
  }

  async #sweep(jumpMs: number, signal: AbortSignal): Promise<SweepReport> {
    const at = this.#port.clock.now();
    if (Math.abs(jumpMs) > MOST_JUMP_MS) {
      this.#share = this.#port.options.firstSweepAtMost;
      return { at, skipped: 'clock', jumpMs };
    }
    try {
      return await this.#leased(async (fence) => this.#sweepNow(at, fence, signal));
    } catch (error) {
      if (error instanceof TelltaleError && error.code === 'LEASE_LOST') return { at, skipped: 'lease' };
      if (signal.aborted) return { at, skipped: 'stopped' };
      throw error;
    }
  }

  async #sweepNow(at: number, fence: Renew, signal: AbortSignal): Promise<SweepReport> {
    const { store, options } = this.#port;
    await this.#port.written();
    const { cut, ahead } = await readProgress(store, options.key, at);
    const share = this.#share;
    let budget: number | undefined;
    if (ahead !== undefined) await endProgress(store);
    let marked = cut !== undefined;
    const terms = { rules: options.rules, signal, ...(cut && { at: cut.at, head: cut.head }) };
    const report = await this.#inParts(terms, async (plan) => {
      const mark = async (position: number): Promise<void> => {
        marked = true;
        const progress = { at: plan.at, head: plan.head, rules: options.key, position };
        await writeProgress(store, progress, await fence());
      };
      if (plan.removes.events > 0 && !marked) await mark(0);
      budget ??= share < 1 ? Math.floor((plan.keeps.events + plan.removes.events) * share) : Infinity;
      const sweepTerms = { atMost: budget, signal, fence, done: mark, outdated: this.#isOutdated(plan) };
      const part = await enforcePlan(this.#enforcePort(), plan, sweepTerms);
      budget -= part.removed.events;
      return part;
    });
    if (marked) await endProgress(store);
    // The cap is for one sweep, and one that was stopped is none.
    if (!signal.aborted) this.#share = 1;
    this.stats.noteRemoved(report);
    const capped = !report.complete && !signal.aborted;
    return {
      at,
      ...report,
      ...(cut && { resumed: true as const }),
      ...(ahead !== undefined && { ignored: ahead }),
      ...(capped && { capped: true as const }),
    };
  }

  /** Plans as many times as the log is longer than one plan holds, all for one moment and head. */
  async #inParts(terms: PlanTerms, carryOut: (plan: MadePlan) => Promise<EnforceReport>): Promise<EnforceReport> {
    let plan = await this.#plan(terms);
    let report = await carryOut(plan);
    while (plan.through < plan.head && report.complete) {
      plan = await this.#plan({ ...terms, at: plan.at, head: plan.head, after: plan.through });
      report = joinReports(report, await carryOut(plan));
    }
    return report;
  }

  async #plan(terms: PlanTerms): Promise<MadePlan> {
    const { store, clock, maxEvents = PLAN_EVENTS } = this.#port;
    const removals = this.#removals;
    const protections = await this.#protections();
    const { position } = await store.head();
    const { at = clock.now(), head = position, after = 0 } = terms;
    const plan = await makePlan({ ...terms, store, protections, at, head, after, maxEvents, pacer: this.#pacer() });
    this.#floors = plan.heldBack.floors;
    this.#made.set(plan, removals);
    return plan;
  }

  #isOwn(plan: RetentionPlan): plan is MadePlan {
    return typeof plan === 'object' && plan !== null && this.#made.has(plan);
  }

  #isOutdated(plan: MadePlan): boolean {
    return this.#made.get(plan) !== this.#removals;
  }

  #protections(): Promise<Protections> {
    const { store, clock, options } = this.#port;
    return readProtections(store, { now: clock.now(), consumerTtlMs: options.consumerTtlMs });
  }

  #pacer(): Pacer {
    return new Pacer(() => this.#port.isBusy());
  }

  #enforcePort(): EnforcePort {
    const { store, clock } = this.#port;
    return {
      store,
      pacer: this.#pacer(),
      monotonic: () => clock.monotonic(),
      archive: this.#archive,
      protections: () => this.#protections(),
    };
  }

  #mustWrite(): void {
    const { store } = this.#port;
    if (store.supports.readOnly)
      throw new TelltaleError(
        'STORE_READ_ONLY',
        `store ${store.name} was opened for reading only; nothing can be removed`,
      );
  }

  /** On a shared store, with the lease; rejects with `LEASE_LOST` where another process has it. */
  async #leased<T>(work: (fence: Renew) => Promise<T>): Promise<T> {
    const { store, clock, owner } = this.#port;
    if (!store.supports.shared) return work(async () => undefined);
    // Kept: how long another's lease has stood still is counted from the first look at it.
    const lease = (this.#lease ??= new Lease(store, LEASE, { owner, ttlMs: LEASE_MS, clock }));
    const renew = async (): Promise<Fence> => {
      const fence = await lease.attempt();
      if (fence) return fence;
      throw new TelltaleError('LEASE_LOST', `another process clears ${store.name} away at the moment`);
    };
    await renew();
    try {
      return await work(renew);
    } finally {
      await lease.release();
    }
  }
}
