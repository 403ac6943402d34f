import { expect } from 'chai';
import { Pacer } from '../../lib/retention/pacer.ts';
import { memory } from '../../plugins/memory/index.ts';
import { longestHoldMs } from '../support/loop-hold.ts';
import { fill, openLog, positionsOf } from './log.ts';

const EVENTS = 60_000;
const MOST_MS = 20;

const rulesFor = (keepCount: number) => [
  { match: 'task.kept' },
  { match: 'task.*', keepCount, keepLatestByEntity: 1, wholeCorrelations: { atMost: 3 } },
];

describe('retention and the event loop', function () {
  this.timeout(60_000);

  it(`holds it at most ${MOST_MS} ms for plan and removal, in many ranges, correlations and types`, async () => {
    const { retention, store, clock } = await openLog([], {}, { store: memory({ capacity: EVENTS }) });
    for (let done = 0; done < EVENTS; done += 2_000)
      await fill(
        store,
        clock,
        Array.from({ length: 2_000 }, (_, n) => ({
          type: n % 3 === 0 ? 'task.kept' : `task.t${n % 50}`,
          entity: `agent/${n}`,
          correlationId: `c${Math.floor((done + n) / 5)}`,
        })),
      );
    let removed = 0;
    const plans: number[] = [];
    const removals: number[] = [];
    for (const keepCount of [30_000, 20_000, 5_000]) {
      const rules = rulesFor(keepCount);
      plans.push(await longestHoldMs(() => retention.preview({ rules })));
      const plan = await retention.preview({ rules });
      removals.push(
        await longestHoldMs(async () => {
          const report = await retention.enforce(plan);
          removed += report.removed.events;
          expect(report.slices, 'many ranges in one call of the store').to.equal(1);
        }),
      );
    }
    // The best of them: a collection of the garbage of other specs may fall into one.
    expect(Math.min(...plans), `planning: ${plans.join()}`).to.be.below(MOST_MS);
    expect(Math.min(...removals), `removing: ${removals.join()}`).to.be.below(MOST_MS);
    expect(removed).to.be.greaterThan(EVENTS / 5);
    expect(await positionsOf(store)).to.have.length(EVENTS - removed);
  });

  it('lets foreground work go first, for some turns', async () => {
    let busy = 3;
    let asked = 0;
    const pacer = new Pacer(() => {
      asked++;
      return busy-- > 0;
    });
    await pacer.rest();
    expect(asked).to.equal(4);
    busy = Infinity;
    asked = 0;
    await pacer.rest();
    expect(asked, 'work that never ends').to.equal(20);
  });
});
