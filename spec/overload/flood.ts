import { createBus, memory } from '../../lib/index.ts';
import type { HandlerContext, TelltaleEvent } from '../../lib/index.ts';
import { connectWorkers } from '../../plugins/worker-threads/index.ts';
import { busyMs } from '../support/loop-hold.ts';
import { FAULTS, type Fault } from './faults.ts';
import type { WorkerTerms } from './worker.ts';
import { MAX_QUEUED, SCENARIOS, type Scenario, type ScenarioName } from './scenarios.ts';

/** Ten times as many events as the handlers can take, for some seconds; prints one JSON line of what came of it. */
const scenario: Scenario = SCENARIOS[process.argv[2] as ScenarioName];
const runMs = Number(process.argv[3]);
if (process.argv[4]) FAULTS[process.argv[4] as Fault]();

const { on, members = 1, publishers, offspring = 0, fails = false } = scenario;
const HANDLED_PER_TURN = 5;
const OFFERED_PER_TURN = 10 * HANDLED_PER_TURN * members;
const KEYS = 50;
const SLICES = 6;
const LEAST_TURNS = 50;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
// Failures are told about once; here they are meant.
process.removeAllListeners('warning');

const bus = await createBus({
  ...(scenario.stored && { store: memory({ capacity: 2_000, keepIds: 2_000 }) }),
  ingress: { max: MAX_QUEUED },
});
/** What happened as the program itself saw it; the bus's books are compared with it. */
const seen = { offered: 0, refusals: 0, calls: 0, failures: 0, read: 0, lagged: 0, letters: 0, heldBack: 0 };
const calls = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
const payload = { text: 'x'.repeat(200), list: [1, 2, 3] };
const offering = new AbortController();

bus.on('$dead-letter.**', () => void seen.letters++);
if (scenario.inWorkers) await startWorkers();
else if (on) for (let member = 0; member < members; member++) bus.on('flood.came', createHandler(), on);
else void readSlowly();
for (let i = 0; i < (publishers ?? 0); i++) void publishOn(i);

await flood(runMs / 2);
globalThis.gc?.();
const before = process.memoryUsage().rss;
const levels: number[] = [];
const holds: number[] = [];
let peak = 0;
for (let slice = 0; slice < SLICES; slice++) {
  const one = await flood(runMs / SLICES);
  holds.push(...one.holds);
  peak = Math.max(peak, one.peak);
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  levels.push((heapUsed + external) / 2 ** 20);
}
const during = { seen: { ...seen }, metrics: bus.metrics() };
offering.abort();
await untilRest();
const p99Ms = holds.toSorted((a, b) => a - b)[Math.floor(holds.length * 0.99)];
const grownMiB = (peak - before) / 2 ** 20;
console.log(JSON.stringify({ p99Ms, grownMiB, levels, during, atRest: { seen, metrics: bus.metrics() } }));
process.exit(0);

// As long as that, and as many turns as a percentile needs.
async function flood(ms: number): Promise<{ readonly peak: number; readonly holds: readonly number[] }> {
  const taken: number[] = [];
  let highest = 0;
  const end = performance.now() + ms;
  for (let n = 0; n < LEAST_TURNS || performance.now() < end; n++) {
    const started = busyMs();
    if (publishers === undefined) for (let i = 0; i < OFFERED_PER_TURN; i++) offer(i);
    await turn();
    taken.push(busyMs() - started);
    if (n % 50 === 0) highest = Math.max(highest, process.memoryUsage().rss);
    seen.heldBack = Math.max(seen.heldBack, bus.metrics().waiting);
  }
  return { peak: highest, holds: taken };
}

// A bus that is full says so by a typed error, and the program goes on.
function offer(i: number, emit?: HandlerContext['emit']): void {
  seen.offered++;
  try {
    const event = { ...payload, key: i % KEYS };
    if (emit) emit('flood.came', event);
    else bus.emit('flood.came', event);
  } catch (error) {
    if ((error as { code?: string }).code !== 'INGRESS_FULL') throw error;
    seen.refusals++;
  }
}

async function publishOn(i: number): Promise<void> {
  while (!offering.signal.aborted) {
    seen.offered++;
    await bus.publish('flood.came', { ...payload, key: i % KEYS });
  }
}

function createHandler(): (event: TelltaleEvent, context: HandlerContext) => Promise<void> {
  let inTurn = 0;
  return async (_, { emit }) => {
    seen.calls++;
    if (!offering.signal.aborted) for (let i = 0; i < offspring; i++) offer(i, emit);
    if (++inTurn % HANDLED_PER_TURN === 0) await turn();
    if (!fails || seen.calls % 3 !== 0) return;
    seen.failures++;
    throw new Error('as it is meant to');
  };
}

async function readSlowly(): Promise<void> {
  const reader: AsyncIterable<TelltaleEvent> = bus.iterate('flood.came', { mailbox: { max: MAX_QUEUED } });
  for await (const event of reader) {
    if (event.type === '$bus.lagged') seen.lagged += (event.payload as { missed: number }).missed;
    else if (++seen.read % HANDLED_PER_TURN === 0) await turn();
  }
}

async function startWorkers(): Promise<void> {
  const script = new URL('worker.js', import.meta.url);
  const workerData: WorkerTerms = { on: on!, perTurn: HANDLED_PER_TURN, calls };
  await connectWorkers(bus, { script, size: members, workerData, credits: 64 }).ready;
}

async function untilRest(): Promise<void> {
  await bus.settled();
  if (scenario.inWorkers) seen.calls = new Int32Array(calls)[0]!;
  await bus.flush();
  while (bus.metrics().subscriptions.some(({ queued, running }) => queued + running > 0)) await turn();
}
