import { createBus, memory, type Bus } from '../../lib/index.ts';
import type { HandlerContext, TelltaleEvent } from '../../lib/index.ts';
import { connectWorkers } from '../../plugins/worker-threads/index.ts';
import { busyMs } from '../support/loop-hold.ts';
import { turn } from '../support/turn.ts';
import type { Outcome } from './checks.ts';
import { FAULTS, type Fault } from './faults.ts';
import { CALLS, MAX_QUEUED, OVER, SCENARIOS, TURNS, type Scenario, type ScenarioName } from './scenarios.ts';
import type { WorkerTerms } from './worker.ts';

/** What a flood is to be. */
export interface FloodTerms {
  readonly name: ScenarioName;
  readonly runMs: number;
  readonly fault?: Fault | undefined;
}

const KEYS = 50;
const SLICES = 6;
/** They fill every mailbox and the ingress; the turns are many and small, so that none is long where the machine is slow. */
const LEAST_TURNS = 250;
const PAYLOAD = { text: 'x'.repeat(200), list: [1, 2, 3] };

/** Ten events for each that the handlers of a bus can take, of which every one takes a turn of the event loop, for some time. */
class Flood {
  readonly #scenario: Scenario;
  readonly #bus: Bus;
  /** What happened as the program itself saw it; the bus's books are compared with it. */
  readonly #seen = { offered: 0, refusals: 0, calls: 0, failures: 0, read: 0, lagged: 0, letters: 0, heldBack: 0 };
  /** Shared with the workers: how often their handlers were called, and how often this program has turned. */
  readonly #marks = new Int32Array(new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT));
  readonly #offering = new AbortController();

  constructor(scenario: Scenario, bus: Bus) {
    this.#scenario = scenario;
    this.#bus = bus;
  }

  async run(runMs: number): Promise<Outcome> {
    await this.#subscribe();
    await this.#offer(runMs / 2);
    globalThis.gc?.();
    const before = process.memoryUsage().rss;
    const levels: number[] = [];
    const holds: number[] = [];
    let peak = 0;
    for (let slice = 0; slice < SLICES; slice++) {
      const one = await this.#offer(runMs / SLICES);
      holds.push(...one.holds);
      peak = Math.max(peak, one.peak);
      globalThis.gc?.();
      const { heapUsed, external } = process.memoryUsage();
      levels.push((heapUsed + external) / 2 ** 20);
    }
    const during = { seen: { ...this.#seen }, metrics: this.#bus.metrics() };
    this.#offering.abort();
    Atomics.store(this.#marks, TURNS, OVER);
    await this.#untilRest();
    const p99Ms = holds.toSorted((a, b) => a - b)[Math.floor(holds.length * 0.99)]!;
    const grownMiB = (peak - before) / 2 ** 20;
    return { p99Ms, grownMiB, levels, during, atRest: { seen: { ...this.#seen }, metrics: this.#bus.metrics() } };
  }

  async #subscribe(): Promise<void> {
    const { on, inWorkers, members = 1, publishers = 0 } = this.#scenario;
    this.#bus.on('$dead-letter.**', () => void this.#seen.letters++);
    if (inWorkers) await this.#startWorkers();
    else if (on) for (let member = 0; member < members; member++) this.#bus.on('flood.came', this.#createHandler(), on);
    else void this.#readSlowly();
    for (let i = 0; i < publishers; i++) void this.#publishOn(i);
  }

  // As long as that, and as many turns as a percentile needs.
  async #offer(ms: number): Promise<{ readonly peak: number; readonly holds: readonly number[] }> {
    const { members = 1, publishers } = this.#scenario;
    const offeredPerTurn = publishers === undefined ? 10 * members : 0;
    const holds: number[] = [];
    let peak = 0;
    const end = performance.now() + ms;
    for (let n = 0; n < LEAST_TURNS || performance.now() < end; n++) {
      const started = busyMs();
      for (let i = 0; i < offeredPerTurn; i++) this.#offerOne(i);
      await turn();
      Atomics.add(this.#marks, TURNS, 1);
      holds.push(busyMs() - started);
      if (n % 50 === 0) peak = Math.max(peak, process.memoryUsage().rss);
      this.#seen.heldBack = Math.max(this.#seen.heldBack, this.#bus.metrics().waiting);
    }
    return { peak, holds };
  }

  // A bus that is full says so by a typed error, and the program goes on.
  #offerOne(i: number, emit?: HandlerContext['emit']): void {
    this.#seen.offered++;
    try {
      const event = { ...PAYLOAD, key: i % KEYS };
      if (emit) emit('flood.came', event);
      else this.#bus.emit('flood.came', event);
    } catch (error) {
      if ((error as { code?: string }).code !== 'INGRESS_FULL') throw error;
      this.#seen.refusals++;
    }
  }

  async #publishOn(i: number): Promise<void> {
    while (!this.#offering.signal.aborted) {
      this.#seen.offered++;
      await this.#bus.publish('flood.came', { ...PAYLOAD, key: i % KEYS });
    }
  }

  #createHandler(): (event: TelltaleEvent, context: HandlerContext) => Promise<void> {
    const { offspring = 0, fails = false } = this.#scenario;
    return async (_, { emit }) => {
      this.#seen.calls++;
      if (!this.#offering.signal.aborted) for (let i = 0; i < offspring; i++) this.#offerOne(i, emit);
      await turn();
      if (!fails || this.#seen.calls % 3 !== 0) return;
      this.#seen.failures++;
      throw new Error('as it is meant to');
    };
  }

  async #readSlowly(): Promise<void> {
    const reader: AsyncIterable<TelltaleEvent> = this.#bus.iterate('flood.came', { mailbox: { max: MAX_QUEUED } });
    for await (const event of reader) {
      if (event.type === '$bus.lagged') this.#seen.lagged += (event.payload as { missed: number }).missed;
      else {
        this.#seen.read++;
        await turn();
      }
    }
  }

  async #startWorkers(): Promise<void> {
    const { on, members = 1 } = this.#scenario;
    const script = new URL('worker.js', import.meta.url);
    const workerData: WorkerTerms = { on: on!, marks: this.#marks };
    await connectWorkers(this.#bus, { script, size: members, workerData, credits: 64 }).ready;
  }

  async #untilRest(): Promise<void> {
    await this.#bus.settled();
    if (this.#scenario.inWorkers) this.#seen.calls = this.#marks[CALLS]!;
    await this.#bus.flush();
    while (this.#bus.metrics().subscriptions.some(({ queued, running }) => queued + running > 0)) await turn();
  }
}

async function flood({ name, runMs, fault }: FloodTerms): Promise<Outcome> {
  const scenario: Scenario = SCENARIOS[name];
  const mend = fault && FAULTS[fault]();
  const bus = await createBus({
    ...(scenario.stored && { store: memory({ capacity: 2_000, keepIds: 2_000 }) }),
    ingress: { max: MAX_QUEUED },
  });
  try {
    return await new Flood(scenario, bus).run(runMs);
  } finally {
    await bus.close();
    mend?.();
  }
}

// Failures are told about once; here they are meant.
process.removeAllListeners('warning');
// One flood after the other, as told; what fails ends the process, and that is told too.
process.on('message', (terms: FloodTerms) => void flood(terms).then((outcome) => process.send!(outcome)));
