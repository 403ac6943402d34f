import type { EnforceReport } from './enforce.ts';
import type { Amount } from './tally.ts';

/** How one sweep of the background went. */
export type SweepReport =
  | (EnforceReport & {
      readonly at: number;
      /** It went on where one had been cut by the end of the process. */
      readonly resumed?: true;
      /** It began anew: the moment that a cut sweep had left lay ahead, epoch ms. The wall clock has been set back. */
      readonly ignored?: number;
      /** It removed as much as a first sweep may, of a small log nothing; the rest goes with the next one. */
      readonly capped?: true;
    })
  | {
      readonly at: number;
      /** `clock`: wall and monotonic clock disagree; `lease`: another process sweeps; `stopped`: the bus closes. */
      readonly skipped: 'clock' | 'lease' | 'stopped';
      /** By how much the wall clock jumped. */
      readonly jumpMs?: number;
    };

export interface RetentionFigures {
  /** Sweeps of the background since the bus was created, those that were skipped not counted. */
  readonly sweeps: number;
  readonly skipped: number;
  readonly failures: number;
  /** By sweeps and by calls of `enforce`. */
  readonly removed: Amount & { readonly byRule: Readonly<Record<string, number>> };
  readonly last?: SweepReport;
  /** When the next sweep is due, epoch ms; absent without a schedule and while one runs. */
  readonly nextAt?: number;
}

/** Counts what retention has done in the life of a bus. */
export class RetentionStats {
  #sweeps = 0;
  #skipped = 0;
  #failures = 0;
  #events = 0;
  #bytes = 0;
  readonly #byRule = new Map<string, number>();
  #last: SweepReport | undefined;

  noteSweep(report: SweepReport): void {
    this.#last = report;
    if ('skipped' in report) this.#skipped++;
    else this.#sweeps++;
  }

  noteFailure(): void {
    this.#failures++;
  }

  noteRemoved({ removed }: EnforceReport): void {
    this.#events += removed.events;
    this.#bytes += removed.bytes;
    for (const [name, events] of Object.entries(removed.byRule))
      this.#byRule.set(name, (this.#byRule.get(name) ?? 0) + events);
  }

  figures(nextAt: number | undefined): RetentionFigures {
    return {
      sweeps: this.#sweeps,
      skipped: this.#skipped,
      failures: this.#failures,
      removed: { events: this.#events, bytes: this.#bytes, byRule: Object.fromEntries(this.#byRule) },
      ...(this.#last && { last: this.#last }),
      ...(nextAt !== undefined && { nextAt }),
    };
  }
}
