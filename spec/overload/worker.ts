import { setTimeout as sleep } from 'node:timers/promises';
import { workerData } from 'node:worker_threads';
import type { SubscribeOptions } from 'telltale';
import { connectToParent } from 'telltale/plugins/worker-threads';
import { CALLS, OVER, TURNS } from './scenarios.ts';

export interface WorkerTerms {
  readonly on: SubscribeOptions;
  readonly marks: Int32Array;
}

const HANDLED_PER_TURN = 5;

/** A worker that is too slow for a flood, however slow the flooding program is: it takes half of what that offers in a turn. */
const { on, marks } = workerData as WorkerTerms;
const bus = await connectToParent();
const isStill = (turn: number): boolean => turn !== OVER && Atomics.load(marks, TURNS) === turn;
let own = 0;
const handle = async (): Promise<void> => {
  Atomics.add(marks, CALLS, 1);
  if (++own % HANDLED_PER_TURN !== 0) return;
  const turn = Atomics.load(marks, TURNS);
  while (isStill(turn)) await sleep(1);
};
bus.on('flood.came', handle, on);
