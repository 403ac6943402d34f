import { expect } from 'chai';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Bus } from '../../lib/index.ts';
import { expectBalanced } from '../support/balance.ts';
import type { Fault } from './faults.ts';
import { MAX_QUEUED, SCENARIOS, type ScenarioName } from './scenarios.ts';

interface Moment {
  /** As the flooding program counted. */
  readonly seen: Readonly<
    Record<'offered' | 'refusals' | 'calls' | 'failures' | 'read' | 'lagged' | 'letters' | 'heldBack', number>
  >;
  readonly metrics: ReturnType<Bus['metrics']>;
}

export interface Outcome {
  readonly p99Ms: number;
  readonly grownMiB: number;
  /** What was in use after each slice of the time, garbage collected. */
  readonly levels: readonly number[];
  readonly during: Moment;
  readonly atRest: Moment;
}

const FLOOD = fileURLToPath(new URL('flood.js', import.meta.url));
/** What other work on the machine spoils is tried again. */
const ATTEMPTS = 4;
const RESPONSIVE_MS = 20;

/** A process of its own that floods buses, one after the other. */
export class Flooder {
  readonly #child = fork(FLOOD, { execArgv: ['--expose-gc'] });

  /** Floods a bus for so long. */
  flood(name: ScenarioName, runMs: number, fault?: Fault): Promise<Outcome> {
    const child = this.#child;
    return new Promise((resolve, reject) => {
      const failed = (code: number | null): void => reject(new Error(`the flooding program ended with ${code}`));
      child.once('exit', failed);
      child.once('message', (outcome) => {
        child.off('exit', failed);
        resolve(outcome as Outcome);
      });
      child.send({ name, runMs, fault });
    });
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    this.#child.disconnect();
    await once(this.#child, 'exit');
  }
}

/** Everything that is promised of a bus that is flooded. */
export async function expectBounded(flooder: Flooder, name: ScenarioName, runMs: number): Promise<void> {
  let outcome: Outcome;
  let attempt = 0;
  do {
    outcome = await flooder.flood(name, runMs);
    expectFlat(outcome);
    expectBooks(name, outcome);
    expectOverflow(name, outcome);
  } while (outcome.p99Ms > RESPONSIVE_MS && ++attempt < ATTEMPTS);
  expectResponsive(outcome);
}

/** At most 50 MiB more than at the beginning, and no more in use at the end than in the middle. */
export function expectFlat({ grownMiB, levels }: Outcome): void {
  expect(grownMiB, 'MiB grown').to.be.at.most(50);
  const third = levels.length / 3;
  const rise = median(levels.slice(-third)) - median(levels.slice(0, third));
  expect(rise, `MiB by which the level rose: ${levels.map((level) => level.toFixed(1)).join(' ')}`).to.be.at.most(2);
}

export function expectResponsive({ p99Ms }: Outcome): void {
  expect(p99Ms, 'p99 of a turn, ms').to.be.at.most(RESPONSIVE_MS);
}

/** The books add up, and they say what the program saw: while events came and when all of them had an end. */
export function expectBooks(scenario: ScenarioName, { during, atRest }: Outcome): void {
  for (const { seen, metrics } of [during, atRest]) {
    const { offered, accepted, refused, stored, waiting, transient, unstored } = metrics;
    expect(offered).to.equal(accepted + refused);
    expect(accepted).to.equal(stored + waiting + transient + unstored);
    expect(refused).to.equal(seen.refusals);
    for (const subscription of metrics.subscriptions) {
      expectBalanced(subscription);
      expect(subscription.queued).to.be.at.most(MAX_QUEUED);
    }
  }
  // What has been called in a worker meanwhile, it has not said yet.
  if (!scenario.includes('worker')) expectSeen(scenario, during);
  expectSeen(scenario, atRest);
  const { seen, metrics } = atRest;
  expect(metrics.waiting).to.equal(0);
  expect(metrics.offered).to.equal(seen.offered + seen.letters);
  expect(sum(atRest, 'routed')).to.equal(seen.offered - seen.refusals);
  expect(sum(atRest, 'running') + sum(atRest, 'queued')).to.equal(0);
}

/** Without this the books of a flood would be those of a trickle. */
function expectOverflow(scenario: ScenarioName, { during }: Outcome): void {
  const { overflows } = SCENARIOS[scenario];
  if (overflows === 'dropped') expect(sum(during, 'dropped')).to.be.above(0);
  else if (overflows === 'held back') expect(during.seen.heldBack).to.be.above(MAX_QUEUED);
  else expect(during.seen[overflows]).to.be.above(0);
}

function expectSeen(scenario: ScenarioName, moment: Moment): void {
  const { seen } = moment;
  if (scenario === 'lag') {
    // One event may be in the reader's hands, and gaps are told of when the reader comes to them.
    if (sum(moment, 'queued') === 0) expect(seen.lagged).to.equal(sum(moment, 'dropped'));
    expect(seen.read).to.be.within(sum(moment, 'handled') - 1, sum(moment, 'handled'));
    return;
  }
  expect(seen.calls).to.equal(sum(moment, 'handled') + sum(moment, 'failed') + sum(moment, 'running'));
  expect(sum(moment, 'failed')).to.equal(seen.failures);
}

function sum({ metrics }: Moment, figure: 'routed' | 'handled' | 'failed' | 'running' | 'queued' | 'dropped'): number {
  const own = metrics.subscriptions.filter(({ pattern }) => pattern === 'flood.came');
  return own.reduce((all, subscription) => all + subscription[figure], 0);
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
