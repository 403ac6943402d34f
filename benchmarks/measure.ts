/** One way of doing the operation that is compared. Only `run` is timed. */
export interface Contender {
  readonly name: string;
  /** Brings everything into place for a round of `count` operations. */
  before?(count: number): void | Promise<void>;
  /** Does `count` operations; a promise only where the operation itself is asynchronous. */
  run(count: number): void | Promise<void>;
  /** How many operations the last round really did, counted where they end up. */
  done(): number | Promise<number>;
  /** Takes the round's traces away. */
  after?(): void | Promise<void>;
  close?(): unknown;
}

/** What the first contender, ours, must reach against a rival: at least `ratio` times as fast. */
export interface Target {
  readonly rival: string;
  readonly ratio: number;
  /** Agreed, and not yet due: a miss is shown and not counted. */
  readonly later?: boolean;
}

/** One table: the first contender is ours, the others are what it is measured against. */
export interface Comparison {
  readonly title: string;
  /** What one operation is, for the unit of the figures: `ns per emit`. */
  readonly operation: string;
  readonly contenders: readonly Contender[];
  readonly targets: readonly Target[];
  /** The same number of operations for everybody; otherwise as many as fill a round. */
  readonly count?: number;
}

export interface Pace {
  readonly rounds: number;
  readonly roundMs: number;
}

export const FULL: Pace = { rounds: 9, roundMs: 120 };
export const QUICK: Pace = { rounds: 3, roundMs: 30 };

export interface Figure {
  readonly name: string;
  readonly samplesNs: readonly number[];
  readonly medianNs: number;
  /** Half of the distance between the fastest and the slowest round, as a part of the median. */
  readonly spread: number;
  /** How many times as fast ours is: the median over rounds of this contender's time by ours. 1 for ours. */
  readonly ratio: number;
}

export interface Outcome {
  readonly title: string;
  readonly operation: string;
  readonly figures: readonly Figure[];
  readonly targets: readonly (Target & { readonly reached: number; readonly held: boolean })[];
}

/**
 * Times all contenders in alternating rounds, each round beginning with another one.
 * Throws when a contender did not do the work it was timed for.
 */
export async function compare(comparison: Comparison, pace: Pace): Promise<Outcome> {
  const { contenders, targets, title, operation } = comparison;
  const counts = await countOperations(comparison, pace);
  const samples = new Map<Contender, number[]>(contenders.map((contender) => [contender, []]));
  for (let round = 0; round < pace.rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const contender = contenders[(round + turn) % contenders.length]!;
      samples.get(contender)!.push(await timeRound(contender, counts.get(contender)!));
    }
  }
  for (const contender of contenders) await contender.close?.();
  const ours = samples.get(contenders[0]!)!;
  const figures = contenders.map(({ name }, at) => figure(name, samples.get(contenders[at]!)!, ours));
  return { title, operation, figures, targets: targets.map((target) => judge(target, figures)) };
}

// Twice: the first time warms the code up, and by the second it is as fast as it will be.
async function countOperations({ contenders, count }: Comparison, { roundMs }: Pace): Promise<Map<Contender, number>> {
  const counts = new Map<Contender, number>();
  for (const contender of [...contenders, ...contenders]) {
    if (count !== undefined && counts.has(contender)) continue;
    counts.set(contender, count ?? (await calibrate(contender, roundMs)));
  }
  return counts;
}

// Doubles until a round takes its time.
async function calibrate(contender: Contender, roundMs: number): Promise<number> {
  for (let count = 16; ; count *= 2) {
    const tookMs = ((await timeRound(contender, count)) * count) / 1e6;
    if (tookMs >= roundMs) return Math.max(1, Math.round((count * roundMs) / tookMs));
  }
}

/** ns per operation. */
async function timeRound(contender: Contender, count: number): Promise<number> {
  await contender.before?.(count);
  const start = process.hrtime.bigint();
  const running = contender.run(count);
  if (running !== undefined) await running;
  const tookNs = Number(process.hrtime.bigint() - start);
  const done = await contender.done();
  await contender.after?.();
  if (done !== count) throw new Error(`${contender.name} did ${done} of ${count} operations`);
  return tookNs / count;
}

function figure(name: string, samplesNs: readonly number[], ours: readonly number[]): Figure {
  const medianNs = median(samplesNs);
  const spread = (Math.max(...samplesNs) - Math.min(...samplesNs)) / 2 / medianNs;
  return { name, samplesNs, medianNs, spread, ratio: median(samplesNs.map((sample, round) => sample / ours[round]!)) };
}

function judge(target: Target, figures: readonly Figure[]): Outcome['targets'][number] {
  const rival = figures.find(({ name }) => name === target.rival);
  if (rival === undefined) throw new Error(`no contender is named ${target.rival}`);
  return { ...target, reached: rival.ratio, held: rival.ratio >= target.ratio };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
