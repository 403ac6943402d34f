import { parentPort, workerData } from 'node:worker_threads';
import { EVENTS, SENT, STRUCK, type Stage, type Way, type WorkerTerms } from './faults.ts';

/** A worker that goes at given events, and whose ledger says what it had done before. */
const { ordeal, ledger } = workerData as WorkerTerms;
const marks = new Int32Array(ledger);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

// What is broken is the inside of the library, which the package does not show.
const { connectToParent } = await (ordeal.broken
  ? import('./too-early.ts')
  : import('telltale/plugins/worker-threads'));
const bus = await connectToParent();
if (ordeal.direction === 'up') await send();
else bus.on('job.given', ({ payload }, { emit }) => work(payload as number, emit), { concurrency: 8 });

async function work(n: number, emit: (type: string, n: number) => unknown): Promise<void> {
  strike('before', n);
  if (n % 3 > 0) await turn();
  emit('job.done', n);
  strike('between', n);
  if (n % 3 > 1) await turn();
  Atomics.add(marks, n, 1);
  setImmediate(() => strike('after', n));
}

// What was acknowledged is never sent again: where it was lost, it stays lost.
async function send(): Promise<void> {
  // One that goes before it is ready is given up soon, and with reason.
  await turn();
  await turn();
  for (let n = 0; n < EVENTS; n += 32) {
    const numbers = Array.from({ length: Math.min(32, EVENTS - n) }, (_, i) => n + i);
    await Promise.all(numbers.filter((one) => Atomics.load(marks, one) === 0).map((one) => publish(one)));
  }
  Atomics.store(marks, SENT, 1);
  bus.emit('facts.sent', null);
}

async function publish(n: number): Promise<void> {
  strike('before', n);
  const published = bus.publish('fact.found', n, { id: `fact-${n}` });
  strike('between', n);
  await published;
  Atomics.add(marks, n, 1);
  strike('after', n);
}

function strike(stage: Stage, n: number): void {
  const index = ordeal.strikes.findIndex((one) => one.at === n && one.stage === stage);
  if (index === -1) return;
  const { way, times = 1 } = ordeal.strikes[index]!;
  if (Atomics.add(marks, STRUCK + index, 1) < times) go(way);
  else Atomics.sub(marks, STRUCK + index, 1);
}

function go(way: Way): void {
  if (way === 'throw') setImmediate(() => void JSON.parse('{'));
  if (way === 'exit') process.exit(3);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a parent has no origin
  if (way === 'terminate' || way === 'loop') parentPort!.postMessage(way);
  // Large pieces: small ones would be collected again and again, in vain.
  if (way === 'memory') for (const kept: unknown[] = []; ;) kept.push(Array.from({ length: 500_000 }, () => 0.5));
  if (way === 'loop') for (;;);
}
