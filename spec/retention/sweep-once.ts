import { createVirtualClock } from '../../lib/clock.ts';
import type { Store } from '../../lib/plugin.ts';
import { parseRetention } from '../../lib/retention/options.ts';
import { Retention } from '../../lib/retention/retention.ts';
import type { RetentionRule } from '../../lib/retention/rule.ts';
import type { SweepReport } from '../../lib/retention/stats.ts';

/** One sweep of the background over a store, as after a start of the process. */
export function sweepOnce(
  store: Store,
  rules: readonly RetentionRule[],
  signal = new AbortController().signal,
): Promise<SweepReport> {
  const retention = new Retention({
    store,
    clock: createVirtualClock(),
    owner: 'spec',
    options: parseRetention({ rules, every: '1m', firstSweepAtMost: 1 }),
    written: async () => undefined,
    isBusy: () => false,
  });
  return retention.sweep(signal);
}
