import type { StoredEvent } from '../event/event.ts';
import type { Store } from '../store/port.ts';
import { mergeRanges, subtractRanges, type Range } from '../store/ranges.ts';
import { readPages } from './facts.ts';
import { codeOf, goesBy, type Run, type Why } from './fates.ts';
import { HeldSince } from './held-since.ts';
import type { Pacer } from './pacer.ts';
import type { MadePlan } from './preview.ts';
import { firstFrom, processedThrough, type Protections } from './protections.ts';

/** What of a run goes all the same, and why the rest of it stays. */
export interface Checked {
  readonly goes: readonly Range[];
  readonly left: readonly { readonly range: Range; readonly why: Why }[];
}

export interface RecheckPort {
  readonly store: Pick<Store, 'page' | 'head'>;
  readonly pacer: Pacer;
  protections(): Promise<Protections>;
}

const DUE = codeOf('due');

/**
 * Finds what has come under protection since a plan was made: new floors, or some that went back; new open letters;
 * new snapshots; and what was to go as a whole, where its correlation has gone on or one of its events stays by now.
 */
export class Recheck {
  readonly #port: RecheckPort;
  readonly #plan: MadePlan;
  /** Where a rule looks at whole correlations. */
  readonly #held: HeldSince | undefined;
  #now: Protections;
  #otherSnapshots = false;

  constructor(port: RecheckPort, plan: MadePlan) {
    this.#port = port;
    this.#plan = plan;
    this.#now = plan.protections;
    if (plan.rules.some(({ chainAtMost }) => chainAtMost > 0)) this.#held = new HeldSince(port, plan);
  }

  /** Looks at what is so now. */
  async refresh(): Promise<void> {
    this.#now = await this.#port.protections();
    this.#otherSnapshots = isOther(this.#now.snapshots, this.#plan.protections.snapshots);
    await this.#held?.refresh(this.#now);
  }

  async check(run: Run): Promise<Checked> {
    const left: Checked['left'][number][] = [];
    let goes: readonly Range[] = [{ from: run.from, to: run.to }];
    const leave = (ranges: readonly Range[], why: Why): void => {
      for (const range of ranges) left.push({ range, why });
      goes = subtractRanges(goes, mergeRanges(ranges));
    };
    leave(above(this.#now.floors[0]?.position ?? Infinity, goes), 'consumer');
    const rule = this.#plan.rules[run.rule];
    if (rule) leave(above(processedThrough(rule, this.#now), goes), 'keepUntilProcessedBy');
    leave(among(this.#now.letters, goes), 'dead letter');
    leave(among(this.#now.schedules, goes), 'schedule');
    const chain = run.why === DUE && rule !== undefined && rule.chainAtMost > 0 && this.#held!.size > 0;
    if (!chain && !this.#otherSnapshots) return { goes, left };
    for (const [why, ranges] of await this.#look(goes, chain)) leave(ranges, why);
    return { goes, left };
  }

  /** What only the events themselves tell. */
  async #look(ranges: readonly Range[], chain: boolean): Promise<ReadonlyMap<Why, readonly Range[]>> {
    const found = new Map<Why, Range[]>([
      ['wholeCorrelations', []],
      ['snapshot', []],
    ]);
    for (const { from, to } of ranges)
      for await (const events of readPages(this.#port.store, from - 1, to)) {
        for (const event of events) {
          const why = this.#whyStays(event, chain);
          if (why) found.get(why)!.push({ from: event.position, to: event.position });
        }
        if (this.#port.pacer.isOver) await this.#port.pacer.rest();
      }
    return found;
  }

  #whyStays({ entity, position, correlationId }: StoredEvent, chain: boolean): Why | undefined {
    if (chain && this.#held!.has(correlationId)) return 'wholeCorrelations';
    const snapshot = entity === undefined ? undefined : this.#now.snapshots.get(entity);
    return snapshot !== undefined && position > snapshot ? 'snapshot' : undefined;
  }
}

/** The runs of a plan that go, in order. */
export function* goingRuns({ runs }: Pick<MadePlan, 'runs'>): Generator<Run, void, undefined> {
  for (let index = 0; index < runs.count; index++) {
    const run = runs.at(index);
    if (goesBy(run.why)) yield run;
  }
}

/** Each of the rising positions that lies in a range, as a range of its own. */
function among(positions: readonly number[], ranges: readonly Range[]): Range[] {
  return ranges.flatMap(({ from, to }) =>
    positions.slice(firstFrom(positions, from), firstFrom(positions, to + 1)).map((at) => ({ from: at, to: at })),
  );
}

function above(position: number, ranges: readonly Range[]): Range[] {
  return ranges.filter(({ to }) => to > position).map(({ from, to }) => ({ from: Math.max(from, position + 1), to }));
}

function isOther(now: ReadonlyMap<string, number>, then: ReadonlyMap<string, number>): boolean {
  for (const [entity, position] of now) if (position < (then.get(entity) ?? Infinity)) return true;
  return false;
}
