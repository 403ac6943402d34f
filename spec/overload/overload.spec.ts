import { expect } from 'chai';
import { expectBooks, expectBounded, expectFlat, expectResponsive, Flooder } from './checks.ts';
import { QUICK } from './scenarios.ts';

// Fault and load tests are their own kind: they take real time, in a process of their own.
const RUN_MS = 240;

describe('ten times as many events as a handler can take', function () {
  this.timeout(120_000);
  let flooder: Flooder;
  before(() => (flooder = new Flooder()));
  after(() => flooder.end());

  for (const scenario of QUICK)
    it(`are bounded with ${scenario}: memory stays flat, the event loop goes on, the books balance to the event`, () =>
      expectBounded(flooder, scenario, RUN_MS));

  describe('control: the checks notice', () => {
    const scenario = 'drop-oldest, by key';

    it('a policy that drops an event without counting it', async () => {
      const outcome = await flooder.flood(scenario, RUN_MS, 'miscounts');
      expect(() => expectBooks(scenario, outcome)).to.throw();
    });

    it('a few hundred bytes kept of every event', async () => {
      const outcome = await flooder.flood(scenario, RUN_MS, 'leaks');
      expect(() => expectFlat(outcome)).to.throw('MiB by which the level rose');
    });

    it('an event loop that is held', async () => {
      const outcome = await flooder.flood(scenario, RUN_MS, 'holds');
      expect(() => expectResponsive(outcome)).to.throw('p99');
    });

    it('a mailbox without an end', async () => {
      const outcome = await flooder.flood(scenario, RUN_MS, 'hoards');
      expect(() => expectFlat(outcome)).to.throw('MiB');
    });

    it('nothing where nothing is wrong, also behind those', () => expectBounded(flooder, scenario, RUN_MS));
  });
});
