import { createBus, memory, type Bus } from '../../lib/index.ts';
import type { HandlerContext, TelltaleEvent } from '../../lib/index.ts';
import { connectWorkers } from '../../plugins/worker-threads/index.ts';
import { busyMs } from '../support/loop-hold.ts';
import { turn } from '../support/turn.ts';
import type { Outcome } from './checks.ts';
import { FAULTS, type Fault } from './faults.ts';
import type { WorkerTerms } from './worker.ts';
import { MAX_QUEUED, SCENARIOS, type Scenario, type ScenarioName } from './scenarios.ts';

/** What a flood is to be. */
export interface FloodTerms {
  readonly name: ScenarioName;
  readonly runMs: number;
  readonly fault?: Fault | undefined;
}

const HANDLED_PER_TURN = 5;
const KEYS = 50;
const SLICES = 6;
const LEAST_TURNS = 50;
const PAYLOAD = { text: 'x'.repeat(200), list: [1, 2, 3] };

/** Ten times as many events as the handlers of a bus can take, for some time. */
class Flood {
  readonly #scenario: Scenario;
  readonly #bus: Bus;
  /** What happened as the program itself saw it; the bus's books are compared with it. */
  readonly #seen = { offered: 0, refusals: 0, calls: 0, failures: 0, read: 0, lagged: 0, letters: 0, heldBack: 0 };
  /** How often handlers in workers were called. */
  readonly #calls = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
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
    const offeredPerTurn = publishers === undefined ? 10 * HANDLED_PER_TURN * members : 0;
    const holds: number[] = [];
    let peak = 0;
    const end = performance.now() + ms;
    for (let n = 0; n < LEAST_TURNS || performance.now() < end; n++) {
      const started = busyMs();
      for (let i = 0; i < offeredPerTurn; i++) this.#offerOne(i);
      await turn();
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
    let inTurn = 0;
    return async (_, { emit }) => {
      this.#seen.calls++;
      if (!this.#offering.signal.aborted) for (let i = 0; i < offspring; i++) this.#offerOne(i, emit);
      if (++inTurn % HANDLED_PER_TURN === 0) await turn();
      if (!fails || this.#seen.calls % 3 !== 0) return;
      this.#seen.failures++;
      throw new Error('as it is meant to');
    };
  }

  async #readSlowly(): Promise<void> {
    const reader: AsyncIterable<TelltaleEvent> = this.#bus.iterate('flood.came', { mailbox: { max: MAX_QUEUED } });
    for await (const event of reader) {
      if (event.type === '$bus.lagged') this.#seen.lagged += (event.payload as { missed: number }).missed;
      else if (++this.#seen.read % HANDLED_PER_TURN === 0) await turn();
    }
  }

  async #startWorkers(): Promise<void> {
    const { on, members = 1 } = this.#scenario;
    const script = new URL('worker.js', import.meta.url);
    const workerData: WorkerTerms = { on: on!, perTurn: HANDLED_PER_TURN, calls: this.#calls };
    await connectWorkers(this.#bus, { script, size: members, workerData, credits: 64 }).ready;
  }

  async #untilRest(): Promise<void> {
    await this.#bus.settled();
    if (this.#scenario.inWorkers) this.#seen.calls = new Int32Array(this.#calls)[0]!;
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
