import { CHAOS, WAYS } from './chaos.ts';
import type { ChaosData } from './chaos.ts';

/** Ends this thread, never to come back, if it is the first to see an order to do so at this moment. */
export async function obey({ order }: ChaosData, moment: 'before' | 'after'): Promise<void> {
  const wanted = Atomics.load(order, 0);
  const way = WAYS[wanted]!;
  if (!way.endsWith(moment) || Atomics.compareExchange(order, 0, wanted, 0) !== wanted) return;
  if (way.startsWith('exit')) process.exit(3);
  setImmediate(() => {
    throw new Error(CHAOS);
  });
  await new Promise(() => undefined);
}
