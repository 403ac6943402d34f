import { setTimeout as sleep } from 'node:timers/promises';
import { workerData } from 'node:worker_threads';
import type { SubscribeOptions } from 'telltale';
import { connectToParent } from 'telltale/plugins/worker-threads';

export interface WorkerTerms {
  readonly on: SubscribeOptions;
  /** Handlers that end in one millisecond. */
  readonly perTurn: number;
  /** In its only place: handlers that were called. */
  readonly calls: SharedArrayBuffer;
}

/** A worker that is too slow for a flood. */
const { on, perTurn, calls } = workerData as WorkerTerms;
const called = new Int32Array(calls);
const bus = await connectToParent();
let own = 0;
const handle = async (): Promise<void> => {
  Atomics.add(called, 0, 1);
  if (++own % perTurn === 0) await sleep(1);
};
bus.on('flood.came', handle, on);
