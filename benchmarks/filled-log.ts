import { createBus, type Bus } from '../lib/index.ts';
import type { Store } from '../lib/plugin.ts';

/** Of every correlation; ten of them go on at the same time, as they do where several agents are at work. */
export const CHAIN = 20;
const SIDE_BY_SIDE = 10;
const BATCH = 5_000;
/** One event of so many holds the word that is searched. */
export const RARE = 50_000;
export const WORD = 'heliotrope';

export function correlationOf(event: number): string {
  const stretch = CHAIN * SIDE_BY_SIDE;
  return `run-${Math.floor(event / stretch) * SIDE_BY_SIDE + (event % SIDE_BY_SIDE)}`;
}

/** A bus whose store holds so many events in correlations of 20. */
export async function fillLog(store: Store, total: number): Promise<Bus> {
  const bus = await createBus({ source: 'benchmark', store });
  for (let done = 0; done < total; done += BATCH) {
    for (let n = done; n < Math.min(done + BATCH, total); n++)
      bus.emit(
        'tool.finished',
        {
          n,
          tool: 'websearch',
          outcome: n % RARE === RARE - 1 ? `The Heliotrope answered ${n}` : 'found what was looked for',
          input: { query: 'how does group commit work', filters: ['docs', 'code'] },
        },
        { correlationId: correlationOf(n) },
      );
    await bus.flush();
  }
  return bus;
}
