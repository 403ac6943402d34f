import { expect } from 'chai';
import type { Worker } from 'node:worker_threads';
import { createBus, memory, type Bus } from '../../lib/index.ts';
import { connectWorkers } from '../../plugins/worker-threads/index.ts';
import { expectBalanced } from '../support/balance.ts';
import { createHurriedClock, UNRESPONSIVE } from '../support/hurried-clock.ts';
import { EVENTS, SENT, STRUCK, type Ordeal } from './faults.ts';

export const CREDITS = 64;
const SCRIPT = new URL('worker.js', import.meta.url);
const numbers = Array.from({ length: EVENTS }, (_, n) => n);

/** What has become of a thousand events. */
interface Found {
  /** Acknowledged by the worker, and not done by it; or to the worker, and not in the log. */
  readonly lost: readonly number[];
  /** Neither done, nor kept as a dead letter, nor sent again. */
  readonly missing: readonly number[];
  /** Stored more than once. */
  readonly doubled: readonly number[];
  readonly letters: readonly number[];
  /** How often an event was done again. */
  readonly repeated: number;
}

export interface Outcome extends Found {
  readonly struck: readonly number[];
  readonly deaths: number;
  readonly restarts: number;
}

/** Sends a thousand events through a worker that goes at some of them, and looks at what has become of all of them. */
export async function endure(ordeal: Ordeal): Promise<Outcome> {
  const { direction, strikes } = ordeal;
  const marks = new Int32Array(new SharedArrayBuffer((STRUCK + strikes.length) * Int32Array.BYTES_PER_ELEMENT));
  const clock = createHurriedClock();
  const bus = await createBus({ store: memory(), closeTimeout: '5s', clock });
  let deaths = 0;
  bus.on('$worker.died', () => void deaths++);
  bus.on('$bus.handler.failed', () => undefined);
  const serve = (worker: Worker): void => {
    worker.on('message', (message) => {
      if (message === 'terminate') void worker.terminate();
      if (message === 'loop') clock.hurry();
    });
  };
  process.on('worker', serve);
  const pool = connectWorkers(bus, {
    script: SCRIPT,
    workerData: { ordeal, ledger: marks.buffer },
    credits: CREDITS,
    restart: { delay: 1, maxDelay: 5, limit: 20 },
    unresponsive: UNRESPONSIVE,
    resourceLimits: { maxOldGenerationSizeMb: 32 },
  });
  try {
    if (direction === 'up') while (Atomics.load(marks, SENT) === 0) await bus.once('facts.sent', { timeout: '60s' });
    else {
      await pool.ready;
      for (const n of numbers) bus.emit('job.given', n);
    }
    await bus.settled();
    await bus.flush();
    for (const figures of bus.metrics().subscriptions) expectBalanced(figures);
    const found = await (direction === 'up' ? findFacts(bus, marks) : findJobs(bus, marks));
    const { restarts } = pool.workers()[0]!;
    return { ...found, struck: [...marks.subarray(STRUCK)], deaths, restarts };
  } finally {
    process.off('worker', serve);
    await bus.close();
  }
}

/** The promises of a link, whatever becomes of its worker. */
export function expectKept({ strikes }: Ordeal, outcome: Outcome): void {
  const { lost, missing, doubled, letters, repeated, struck, deaths, restarts } = outcome;
  expect({ lost, missing, doubled }).to.deep.equal({ lost: [], missing: [], doubled: [] });
  // Two that strike at almost the same moment may be one death, and one may come too late for another.
  strikes.forEach(({ times = 1 }, i) => expect(struck[i]).to.be.at.most(times));
  expect(deaths).to.be.at.most(sum(struck));
  // One that died behind the last event may not have been started again yet.
  expect(restarts).to.be.within(deaths - 1, deaths);
  expect(repeated).to.be.at.most(CREDITS * deaths);
  expect(letters.length).to.be.at.most(CREDITS * Math.max(0, deaths - 1));
}

/** Each has struck as often as it should, and each was a death. */
export function expectStruck({ strikes }: Ordeal, { struck, deaths }: Outcome): void {
  expect(struck).to.deep.equal(strikes.map(({ times = 1 }) => times));
  // One that is terminated goes on until it ends, and may reach its next strike: then two are one death.
  const terminated = strikes.filter(({ way }) => way === 'terminate').length;
  expect(deaths).to.be.within(sum(struck) - terminated, sum(struck));
}

const sum = (counts: readonly number[]): number => counts.reduce((all, count) => all + count, 0);

async function findJobs(bus: Bus, marks: Int32Array): Promise<Found> {
  const letters: number[] = [];
  for (const { position } of await bus.deadLetters.list({ limit: EVENTS })) letters.push(position! - 1);
  const done = new Set(await payloads(bus, 'job.done'));
  const others = numbers.filter((n) => !letters.includes(n));
  return {
    // An event without a letter was acknowledged: then it was done, and what it brought about is in the log.
    lost: others.filter((n) => !done.has(n)),
    missing: others.filter((n) => marks[n] === 0),
    doubled: [],
    letters,
    repeated: numbers.reduce((all, n) => all + Math.max(0, marks[n]! - 1), 0),
  };
}

async function findFacts(bus: Bus, marks: Int32Array): Promise<Found> {
  const stored = await payloads(bus, 'fact.found');
  const isStored = new Set(stored);
  return {
    lost: numbers.filter((n) => marks[n]! > 0 && !isStored.has(n)),
    missing: numbers.filter((n) => !isStored.has(n)),
    doubled: stored.filter((n, i) => stored.indexOf(n) !== i),
    letters: [],
    repeated: 0,
  };
}

async function payloads(bus: Bus, type: string): Promise<readonly number[]> {
  const found: number[] = [];
  for await (const { payload } of bus.query({ where: { type } })) found.push(payload as number);
  return found;
}
