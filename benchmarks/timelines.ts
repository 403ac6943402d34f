import type { Bus } from '../lib/index.ts';
import { CHAIN, correlationOf } from './filled-log.ts';
import { FULL, type Comparison, type Contender, type Pace } from './measure.ts';

const FEW = 10_000;
const NAME = 'among 10,000';

/** Timelines of correlations all over the log. */
export function timelines(name: string, bus: Bus, total: number, close: () => unknown): Contender {
  let next = 0;
  let done = 0;
  return {
    name,
    before: () => {
      done = 0;
    },
    async run(count) {
      for (let i = 0; i < count; i++) {
        next = (next + 7_919 * CHAIN) % total;
        const events = await bus.timeline(correlationOf(next));
        if (events.length === CHAIN) done++;
      }
    },
    done: () => done,
    close,
  };
}

const manyOf = (pace: Pace): number => (pace === FULL ? 1_000_000 : 100_000);

/** Timelines in a log and in one of a hundredth of its size. */
export async function compareSizes(
  where: string,
  open: (name: string, total: number) => Promise<Contender>,
  { pace, most, count }: { readonly pace: Pace; readonly most: number; readonly count: number },
): Promise<Comparison> {
  const many = manyOf(pace);
  return {
    title: `timeline of ${CHAIN} events in ${where}`,
    operation: 'timeline',
    contenders: [await open(`among ${many.toLocaleString('en')}`, many), await open(NAME, FEW)],
    targets: [{ rival: NAME, ratio: 1 / most }],
    count,
  };
}
