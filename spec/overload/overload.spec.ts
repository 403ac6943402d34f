import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Bus } from '../../lib/index.ts';

interface Outcome {
  readonly p99Ms: number;
  readonly grownMiB: number;
  readonly refusals: number;
  readonly read: number;
  readonly lagged: number;
  readonly metrics: ReturnType<Bus['metrics']>;
}

// Fault and load tests are their own kind: they take real time, in a process of their own.
const RUN_MS = Number(process.env['OVERLOAD_MS'] ?? 400);
const FLOOD = fileURLToPath(new URL('flood.js', import.meta.url));

async function flood(policy: string, kind: 'live' | 'stored' = 'live'): Promise<Outcome> {
  const args = ['--expose-gc', FLOOD, policy, String(RUN_MS), kind];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 + 3 * RUN_MS });
  return JSON.parse(stdout) as Outcome;
}

function expectBalanced({ metrics }: Outcome): void {
  const { offered, accepted, refused, stored, waiting, transient, unstored } = metrics;
  expect(offered).to.equal(accepted + refused);
  expect(accepted).to.equal(stored + waiting + transient + unstored);
  for (const { routed, handled, failed, running, queued, dropped, cancelled } of metrics.subscriptions)
    expect(routed).to.equal(handled + failed + running + queued + dropped + cancelled);
}

describe('ten times as many events as a handler can take', function () {
  this.timeout(120_000);

  for (const policy of ['reject', 'drop-oldest', 'latest-by-key', 'wait', 'lag']) {
    it(`are bounded by \`${policy}\`: memory stays flat, the event loop goes on, the books balance to the event`, async () => {
      const outcome = await flood(policy);
      expect(outcome.grownMiB, 'MiB grown').to.be.at.most(50);
      expect(outcome.p99Ms, 'p99 of a turn, ms').to.be.at.most(20);
      expectBalanced(outcome);
      const [subscription] = outcome.metrics.subscriptions;
      if (policy === 'wait') expect(outcome.refusals).to.be.above(0);
      else if (policy === 'lag') expect(outcome.lagged).to.be.above(0);
      else expect(subscription!.dropped).to.be.above(0);
      expect(subscription!.queued).to.be.at.most(1_000);
    });
  }

  it('are bounded with a store as well', async () => {
    const outcome = await flood('reject', 'stored');
    expect(outcome.grownMiB, 'MiB grown').to.be.at.most(50);
    expectBalanced(outcome);
    expect(outcome.metrics.subscriptions[0]!.dropped).to.be.above(0);
  });
});
