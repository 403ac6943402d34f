import { expect } from 'chai';
import type { SubscriptionFigures } from '../../lib/router/subscription-figures.ts';

/** P8 for one subscription. */
export function expectBalanced(figures: SubscriptionFigures): void {
  const { routed, handled, failed, running, queued, dropped, cancelled } = figures;
  expect(handled + failed + running + queued + dropped + cancelled, JSON.stringify(figures)).to.equal(routed);
  for (const count of [handled, failed, running, queued, dropped, cancelled]) expect(count).to.be.at.least(0);
}
