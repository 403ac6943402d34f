import PQueue from 'p-queue';
import { createBus, memory } from '../lib/index.ts';
import type { Benchmark } from './benchmark.ts';
import type { Comparison, Contender } from './measure.ts';

const KEYS = 1_000;
const CONCURRENCY = 16;
const KEYS_OF = Array.from({ length: KEYS }, (_, key) => ({ entity: `order/${key}` }));

/** What every handler does: it waits for something that is there. */
const work = (): Promise<void> => Promise.resolve();

async function subscription(): Promise<Contender> {
  const limits = { max: 1_000_000, maxBytes: 2 ** 30 };
  const bus = await createBus({ source: 'benchmark', payload: 'trust', ingress: limits });
  let handled = 0;
  const handler = async (): Promise<void> => {
    await work();
    handled++;
  };
  bus.on('order.placed', handler, { key: 'entity', concurrency: CONCURRENCY, mailbox: limits });
  return {
    name: 'on with key',
    before: () => void (handled = 0),
    run: async (count) => {
      for (let n = 0; n < count; n++) bus.emit('order.placed', null, KEYS_OF[n % KEYS]);
      await bus.settled();
    },
    done: () => handled,
    close: () => bus.close(),
  };
}

/** What is stored already: read, handled by key, checkpointed. */
async function consumer(): Promise<Contender> {
  const bus = await createBus({ source: 'benchmark', payload: 'trust', store: memory() });
  let handled = 0;
  const handler = async (): Promise<void> => {
    await work();
    handled++;
  };
  const consuming = bus.consume('orders', 'order.placed', handler, { key: 'entity', concurrency: CONCURRENCY });
  await consuming.started;
  return {
    name: 'consume with key, out of memory',
    before: async (count) => {
      handled = 0;
      consuming.pause();
      for (let n = 0; n < count; n++) {
        bus.emit('order.placed', null, KEYS_OF[n % KEYS]);
        if (n % 5_000 === 0) await bus.flush();
      }
      await bus.flush();
    },
    run: async () => {
      consuming.resume();
      await consuming.caughtUp();
    },
    done: () => handled,
    close: () => bus.close(),
  };
}

/** As many at once, and no order within a key: less than ours do. */
function queue(): Contender {
  const tasks = new PQueue({ concurrency: CONCURRENCY });
  let handled = 0;
  const task = async (): Promise<void> => {
    await work();
    handled++;
  };
  return {
    name: 'p-queue alone',
    before: () => void (handled = 0),
    run: async (count) => {
      for (let n = 0; n < count; n++) void tasks.add(task);
      await tasks.onIdle();
    },
    done: () => handled,
  };
}

/** One queue for each key, and one for all: the order of ours. */
function keyedQueues(): Contender {
  const all = new PQueue({ concurrency: CONCURRENCY });
  const queues = new Map<string, PQueue>();
  let handled = 0;
  const task = async (): Promise<void> => {
    await work();
    handled++;
  };
  return {
    name: 'p-queue for each key',
    before: () => void (handled = 0),
    run: async (count) => {
      const added: Promise<unknown>[] = [];
      for (let n = 0; n < count; n++) {
        const key = KEYS_OF[n % KEYS]!.entity;
        let lane = queues.get(key);
        if (!lane) queues.set(key, (lane = new PQueue({ concurrency: 1 })));
        added.push(lane.add(() => all.add(task)));
      }
      await Promise.all(added);
    },
    done: () => handled,
  };
}

const comparison = (title: string, ours: () => Promise<Contender>) => async (): Promise<Comparison> => ({
  title,
  operation: 'event',
  contenders: [await ours(), keyedQueues(), queue()],
  targets: [
    { rival: 'p-queue for each key', ratio: 2 },
    { rival: 'p-queue alone', ratio: 2, later: true },
  ],
});

export const consume: Benchmark = {
  comparisons: [
    comparison('asynchronous handlers, 1,000 keys, 16 at once', subscription),
    comparison('the same for a durable consumer, which reads the log as well', consumer),
  ],
};
