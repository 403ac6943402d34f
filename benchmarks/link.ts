import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import type { Benchmark } from './benchmark.ts';
import { createBus, type Bus } from '../lib/index.ts';
import { connectWorkers, type WorkerPool } from '../plugins/worker-threads/index.ts';
import type { Contender } from './measure.ts';

const SCRIPT = new URL('link-worker.js', import.meta.url);
/** About 500 bytes as JSON, with all that an event has. */
const PAYLOAD = { step: 'plan', note: 'x'.repeat(230), tokens: 1_234 };
const BATCH = 128;
/** On the way at once, for everybody: what a receiver is sent without bound it only has to queue. */
const WINDOW = 256;
const QUEUED = 2_048;

interface Raw {
  readonly worker: Worker;
  readonly port: MessagePort;
}

async function startRaw(kind: 'batches' | 'one by one' | 'ping'): Promise<Raw> {
  const { port1, port2 } = new MessageChannel();
  const worker = new Worker(SCRIPT, { workerData: { kind, port: port2 }, transferList: [port2] });
  await new Promise((resolve) => port1.once('message', resolve));
  return { worker, port: port1 };
}

const exampleEvent = (n: number): object => ({
  id: `01a1fcb4-a2f9-7162-b7d0-${String(n).padStart(12, '0')}`,
  type: 'step.taken',
  source: 'main',
  time: 1_764_000_000_000,
  correlationId: `01a1fcb4-a2f9-7162-b7d0-${String(n).padStart(12, '0')}`,
  schemaVersion: 1,
  payload: PAYLOAD,
  metadata: {},
});

/** Events to a worker that counts them, acknowledged, with `WINDOW` of them on the way. */
async function rawContender(name: string, kind: 'batches' | 'one by one'): Promise<Contender> {
  const { worker, port } = await startRaw(kind);
  const size = kind === 'batches' ? BATCH : 1;
  let acknowledged = 0;
  let wake: (() => void) | undefined;
  port.on('message', (count: number) => {
    acknowledged += count;
    wake?.();
  });
  const send = kind === 'batches' ? sendBatch : sendOne;
  return {
    name,
    before: () => void (acknowledged = 0),
    async run(count) {
      for (let sent = 0; sent < count;) {
        while (sent < count && sent - acknowledged < WINDOW) {
          const next = Math.min(size, count - sent);
          send(port, sent, next);
          sent += next;
        }
        await new Promise<void>((resolve) => (wake = resolve));
      }
      // oxlint-disable-next-line eslint/no-unmodified-loop-condition -- the other side's answers modify it
      while (acknowledged < count) await new Promise<void>((resolve) => (wake = resolve));
    },
    done: () => acknowledged,
    close: () => worker.terminate(),
  };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const encoder = new TextEncoder();

function sendBatch(port: MessagePort, first: number, count: number): void {
  const bytes = encoder.encode(JSON.stringify(Array.from({ length: count }, (_, i) => exampleEvent(first + i))));
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port between threads has no origin
  port.postMessage(bytes, [bytes.buffer]);
}

function sendOne(port: MessagePort, first: number): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port between threads has no origin
  port.postMessage(exampleEvent(first));
}

async function startPool(): Promise<{ bus: Bus; pool: WorkerPool }> {
  const bus = await createBus({ source: 'main' });
  const pool = connectWorkers(bus, { script: SCRIPT, workerData: { kind: 'link' }, credits: WINDOW });
  await pool.ready;
  return { bus, pool };
}

async function linkContender(): Promise<Contender> {
  const { bus, pool } = await startPool();
  let before = 0;
  const handled = (): number => pool.workers()[0]!.handled;
  return {
    name: 'telltale',
    before: () => void (before = handled()),
    async run(count) {
      for (let sent = 0; sent < count; sent++) {
        bus.emit('step.taken', PAYLOAD);
        // No more than its mailbox takes; what is on the way is bounded by the credits.
        if (sent % 64 === 0) while (sent - (handled() - before) > QUEUED) await turn();
      }
      await bus.settled();
    },
    done: () => handled() - before,
    close: () => bus.close(),
  };
}

async function askContender(): Promise<Contender> {
  const { bus } = await startPool();
  let answered = 0;
  return {
    name: 'telltale',
    before: () => void (answered = 0),
    async run(count) {
      for (let n = 0; n < count; n++) answered += Number((await bus.ask('echo', 1)) === 1);
    },
    done: () => answered,
    close: () => bus.close(),
  };
}

async function pingContender(): Promise<Contender> {
  const { worker, port } = await startRaw('ping');
  let answered = 0;
  let wake: (() => void) | undefined;
  port.on('message', () => wake?.());
  return {
    name: 'postMessage, ping and pong',
    before: () => void (answered = 0),
    async run(count) {
      for (let n = 0; n < count; n++) {
        const pong = new Promise<void>((resolve) => (wake = resolve));
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port between threads has no origin
        port.postMessage({ id: n, payload: 1 });
        await pong;
        answered++;
      }
    },
    done: () => answered,
    close: () => worker.terminate(),
  };
}

export const link: Benchmark = {
  comparisons: [
    async () => ({
      title: `events of 500 bytes to a worker thread, ${WINDOW} on the way, acknowledged`,
      operation: 'event',
      contenders: [
        await linkContender(),
        await rawContender('raw: JSON bytes, transferred, batches of 128', 'batches'),
        await rawContender('postMessage, one by one', 'one by one'),
      ],
      targets: [
        { rival: 'raw: JSON bytes, transferred, batches of 128', ratio: 0.5 },
        { rival: 'postMessage, one by one', ratio: 1.2 },
      ],
    }),
    async () => ({
      title: 'a question to a worker thread and its answer, one after the other',
      operation: 'question',
      contenders: [await askContender(), await pingContender()],
      targets: [{ rival: 'postMessage, ping and pong', ratio: 0.4 }],
    }),
  ],
};
