import { parentPort, workerData } from 'node:worker_threads';
import type { Envelope } from '../../lib/event/envelope.ts';
import { Outgoing } from '../../lib/link/outgoing.ts';
import { Subscription } from '../../lib/router/subscription.ts';
import type { PendingAppend } from '../../lib/store/port.ts';
import { connectToParent } from '../../plugins/worker-threads/index.ts';
import { EVENTS, SENT, STRUCK, type Stage, type Way, type WorkerTerms } from './faults.ts';

/** A worker that goes at given events, and whose ledger says what it had done before. */
const { ordeal, ledger } = workerData as WorkerTerms;
const marks = new Int32Array(ledger);
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

if (ordeal.broken) acknowledgeTooEarly();
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
  if (way === 'terminate') parentPort!.postMessage('terminate');
  if (way === 'memory')
    for (const kept: unknown[] = []; ;) kept.push(Array.from({ length: 10_000 }, () => [Math.random()]));
  if (way === 'loop') for (;;);
}

function acknowledgeTooEarly(): void {
  const take = Reflect.get(Subscription.prototype, 'take');
  Subscription.prototype.take = function (envelope: Envelope) {
    envelope.retelling?.ended(envelope);
    take.call(this, envelope);
  };
  const append = Reflect.get(Outgoing.prototype, 'append');
  Outgoing.prototype.append = function (given: PendingAppend, terms) {
    const untold = Object.assign(Object.create(given) as PendingAppend, { acknowledged: () => undefined });
    setImmediate(() => append.call(this, untold, terms));
    given.acknowledged({ position: 1, revisions: [0], storedAt: 0, durability: 'memory', duplicate: false });
  };
}
