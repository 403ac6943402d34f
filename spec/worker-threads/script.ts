// What the workers of the specs do: all of it, and what is asked of it in `workerData`.
import { parentPort, threadId, workerData } from 'node:worker_threads';
import { connectToParent } from 'telltale/plugins/worker-threads';

interface Data {
  readonly at?: 'start' | 'late';
}

const { at } = (workerData ?? {}) as Data;
if (at === 'start') throw Object.assign(new RangeError('no licence'), { code: 'E_LICENCE' });

const bus = await connectToParent();
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
let counted = 0;

/** Ways for a thread to go. */
const ENDS: Readonly<Record<string, () => unknown>> = {
  throw: () => queueMicrotask(() => void JSON.parse('{')),
  exit: () => process.exit(7),
  memory: () => {
    const kept: unknown[] = [];
    // Large pieces: small ones would be collected again and again, in vain.
    for (;;) kept.push(Array.from({ length: 500_000 }, () => 0.5));
  },
  loop: () => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a parent has no origin
    parentPort!.postMessage('loop');
    for (;;);
  },
  stay: () => undefined,
};

/** Never comes back: what has ended is acknowledged. */
function go(end: string): Promise<never> {
  ENDS[end]!();
  return new Promise(() => undefined);
}

bus.on('job.given', async ({ payload }, { emit }) => {
  const { n, end, when } = payload as { n: number; end?: string; when?: 'before' | 'after' };
  if (end !== undefined && when === 'before') await go(end);
  await turn();
  emit('job.done', { n, threadId });
  if (end !== undefined && when === 'after') await go(end);
});
bus.on('flood.down', () => void counted++);
bus.on('big.down', () => new Promise((resolve) => setTimeout(resolve, 5)));
bus.answer('big.wanted', async ({ payload }) => {
  const text = 'x'.repeat(1024 * 1024);
  for (let n = 0; n < (payload as number); n++) await bus.publish('big.up', text);
  return payload;
});
bus.answer('counted', () => counted);
bus.answer('flood.wanted', async ({ payload }) => {
  const count = payload as number;
  for (let n = 0; n < count; n++) {
    bus.emit('flood.up', { n, text: 'x'.repeat(100) });
    // As fast as the parent takes them, and no faster than the backlog allows.
    if (n % 5_000 === 4_999) await bus.publish('flood.mark', n);
  }
  return count;
});
bus.answer('thread', () => threadId);
bus.answer('failing', () => {
  throw Object.assign(new TypeError('wrong'), { code: 'E_WRONG', cause: new Error('below') });
});
bus.answer('parts', async function* () {
  for (let n = 0; n < 40; n++) yield n;
});
bus.answer('relay', ({ payload }, { ask }) => ask('secret', payload));
// Listens without keeping the thread alive.
parentPort!.on('message', (message) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a parent has no origin
  if (message === 'hello from the user') parentPort!.postMessage('hello from the worker');
});
parentPort!.unref();
