import { createBus } from '../lib/index.ts';
import type { Benchmark } from './benchmark.ts';
import type { Comparison, Contender } from './measure.ts';

/** Subscribes, emits once so that the answer is worked out anew, and unsubscribes; beside `others` that stay. */
async function contender(others: number): Promise<Contender> {
  const bus = await createBus({ source: 'benchmark', payload: 'trust' });
  for (let n = 0; n < others; n++) bus.on(`area${n}.*`, () => undefined);
  let heard = 0;
  return {
    name: `beside ${others.toLocaleString('en')} others`,
    before: () => void (heard = 0),
    run(count) {
      for (let n = 0; n < count; n++) {
        const undo = bus.on('task.*', () => void heard++);
        bus.emit('task.created', null);
        undo();
      }
    },
    done: () => heard,
    close: () => bus.close(),
  };
}

async function flat(): Promise<Comparison> {
  return {
    title: 'subscribe, hear one event, unsubscribe',
    operation: 'subscription',
    contenders: [await contender(100_000), await contender(10)],
    targets: [{ rival: 'beside 10 others', ratio: 1 / 1.5, later: true }],
  };
}

export const subscribe: Benchmark = { comparisons: [flat] };
