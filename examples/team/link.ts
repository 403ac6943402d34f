import { Worker } from 'node:worker_threads';
import type { TelltaleEvent } from 'telltale';

/**
 * A first, plain link from a bus to a pool of worker threads.
 *
 * Order: none across workers; a worker handles what it was given one by one. Capacity: every worker has `credits`, so
 * at most `workers × credits` events are on the way, whatever the speed; the rest waits here. Each event goes to
 * exactly one worker and counts as handled when that worker has acknowledged it. Failure: a worker's death gives what
 * it had not acknowledged to a worker that has nothing else, so that an event which kills again is known and fails instead.
 * Closing: lets the workers finish what they have, then stops them.
 */
export interface Link {
  /** Hands the event to the worker with most free credits; resolves when it was handled or failed there. */
  deliver(event: TelltaleEvent): Promise<Outcome>;
  readonly names: readonly string[];
  /** How many workers died and were replaced. */
  readonly deaths: number;
  close(): Promise<void>;
  /** Ends the workers at once; what they had not acknowledged fails. */
  stop(): Promise<void>;
}

/** How an event ended in a worker. */
export interface Outcome {
  readonly worker: string;
  /** What the handler emitted there, with ids, correlation, cause and source as the worker's bus made them. */
  readonly emitted: readonly TelltaleEvent[];
  /** Why it failed, as plain data: `{ name, message, code … }`. */
  readonly error?: FailureRecord;
}

export interface FailureRecord {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
}

export interface LinkOptions {
  readonly script: URL;
  /** One worker for each name. */
  readonly names: readonly string[];
  /** Events a worker may have at once. */
  readonly credits: number;
  /** What every worker finds in its `workerData`, beside its `name`. */
  readonly data?: object;
}

/** What goes over the wire, towards the worker and back. */
export type ToWorker = { readonly events: readonly TelltaleEvent[] } | { readonly close: true };
export interface FromWorker {
  readonly settled: readonly { readonly id: string; readonly outcome: Outcome }[];
}

interface Job {
  readonly event: TelltaleEvent;
  readonly resolve: (outcome: Outcome) => void;
  deaths: number;
}

interface Seat {
  readonly name: string;
  worker: Worker | undefined;
  /** Given and not acknowledged yet, in the order given. */
  readonly inFlight: Map<string, Job>;
  /** Collected in this turn, posted together at its end. */
  batch: Job[];
  /** The first thing that went wrong in this worker. */
  cause: string | undefined;
}

const MAX_DEATHS_OF_ONE_EVENT = 2;

export function createLink(options: LinkOptions): Link {
  return new WorkerLink(options);
}

class WorkerLink implements Link {
  readonly #options: LinkOptions;
  readonly #seats: Seat[];
  readonly #waiting: Job[] = [];
  #status: 'open' | 'closing' | 'stopped' = 'open';
  #deaths = 0;
  // Workers that died without having acknowledged anything since: a script that cannot run must not restart for ever.
  #deathsInARow = 0;
  #givenUp: string | undefined;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#seats = options.names.map((name) => ({
      name,
      worker: undefined,
      inFlight: new Map(),
      batch: [],
      cause: undefined,
    }));
    for (const seat of this.#seats) this.#start(seat);
  }

  get names(): readonly string[] {
    return this.#options.names;
  }

  get deaths(): number {
    return this.#deaths;
  }

  deliver(event: TelltaleEvent): Promise<Outcome> {
    return new Promise((resolve) => {
      this.#waiting.push({ event, resolve, deaths: 0 });
      if (this.#givenUp === undefined) this.#assign();
      else this.#failWaiting(this.#givenUp);
    });
  }

  async close(): Promise<void> {
    this.#status = 'closing';
    await Promise.all(
      this.#seats.map(async ({ worker }) => {
        if (!worker) return;
        const exited = new Promise((resolve) => worker.once('exit', resolve));
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread has no origin
        worker.postMessage({ close: true } satisfies ToWorker);
        await exited;
      }),
    );
  }

  async stop(): Promise<void> {
    this.#status = 'stopped';
    this.#givenUp = 'the team was stopped';
    this.#failWaiting(this.#givenUp);
    await Promise.all(this.#seats.flatMap(({ worker }) => (worker ? [worker.terminate()] : [])));
  }

  #assign(): void {
    while (this.#waiting.length > 0) {
      const seat = this.#freest(this.#waiting[0]!);
      if (!seat) return;
      const job = this.#waiting.shift()!;
      seat.inFlight.set(job.event.id, job);
      seat.batch.push(job);
      if (seat.batch.length === 1) setImmediate(() => this.#post(seat));
    }
  }

  /** The living worker with most free credits; for an event that has killed one already, only an idle one. */
  #freest(job: Job): Seat | undefined {
    const alive = this.#seats.filter((seat) => seat.worker !== undefined);
    const [best] = alive.toSorted((a, b) => a.inFlight.size - b.inFlight.size);
    if (!best) return undefined;
    return best.inFlight.size < (job.deaths > 0 ? 1 : this.#options.credits) ? best : undefined;
  }

  #post(seat: Seat): void {
    const events = seat.batch.splice(0).map(({ event }) => event);
    // A worker that died in this turn has given its events back; posting to it would lose nothing but say nothing.
    if (events.length > 0) seat.worker?.postMessage({ events } satisfies ToWorker);
  }

  #start(seat: Seat): void {
    const worker = new Worker(this.#options.script, {
      workerData: { ...this.#options.data, name: seat.name },
      name: seat.name,
    });
    seat.worker = worker;
    seat.cause = undefined;
    worker.on('message', (message: FromWorker) => this.#settle(seat, message));
    worker.on('error', (error: unknown) => (seat.cause ??= error instanceof Error ? error.message : String(error)));
    // `exit` always comes, after `error` where there was one.
    worker.on('exit', (code) => this.#bury(seat, worker, code));
  }

  #settle(seat: Seat, { settled }: FromWorker): void {
    this.#deathsInARow = 0;
    for (const { id, outcome } of settled) {
      const job = seat.inFlight.get(id);
      seat.inFlight.delete(id);
      job?.resolve(outcome);
    }
    this.#assign();
  }

  #bury(seat: Seat, worker: Worker, code: number): void {
    if (seat.worker !== worker) return;
    seat.worker = undefined;
    const jobs = [...seat.inFlight.values()];
    seat.inFlight.clear();
    seat.batch = [];
    if (this.#status === 'closing' && jobs.length === 0) return;
    if (this.#status === 'stopped')
      return jobs.forEach((job) => job.resolve(died(seat.name, `${seat.name} was stopped`)));
    this.#deaths++;
    this.#deathsInARow++;
    const reason = `${seat.name} died: ${seat.cause ?? `exit code ${code}`}`;
    for (const job of jobs) job.deaths++;
    const lost = jobs.filter((job) => job.deaths >= MAX_DEATHS_OF_ONE_EVENT);
    this.#waiting.unshift(...jobs.filter((job) => !lost.includes(job)));
    for (const job of lost) job.resolve(died(seat.name, `${reason} (it killed ${job.deaths} workers)`));
    if (this.#deathsInARow <= 3 * this.#seats.length) this.#start(seat);
    else if (this.#seats.every(({ worker: left }) => left === undefined)) {
      this.#givenUp = `no worker left; ${reason}`;
      return this.#failWaiting(this.#givenUp);
    }
    this.#assign();
  }

  #failWaiting(reason: string): void {
    for (const job of this.#waiting.splice(0)) job.resolve(died(this.#options.names[0] ?? 'worker', reason));
  }
}

function died(worker: string, message: string): Outcome {
  return { worker, emitted: [], error: { name: 'WorkerDied', code: 'WORKER_DIED', message } };
}
