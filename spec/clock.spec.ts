import { expect } from 'chai';
import sinon from 'sinon';
import { createVirtualClock, systemClock } from '../lib/clock.ts';

const DAY_MS = 86_400_000;

describe('the system clock', () => {
  let fake: sinon.SinonFakeTimers;
  beforeEach(() => (fake = sinon.useFakeTimers()));
  afterEach(() => fake.restore());

  for (const name of ['after', 'wait'] as const) {
    it(`waits as long as it is told by \`${name}\`, also longer than one timer can`, () => {
      const fn = sinon.spy();
      systemClock[name](60 * DAY_MS, fn);
      fake.tick(60 * DAY_MS - 1);
      expect(fn.callCount).to.equal(0);
      fake.tick(1);
      expect(fn.callCount).to.equal(1);
    });

    it(`forgets what \`${name}\` was told, also in the middle of a long time`, () => {
      const fn = sinon.spy();
      const cancel = systemClock[name](60 * DAY_MS, fn);
      fake.tick(40 * DAY_MS);
      cancel();
      fake.tick(40 * DAY_MS);
      expect(fn.callCount).to.equal(0);
      expect(fake.countTimers()).to.equal(0);
    });
  }
});

describe('a virtual clock', () => {
  it('fires in due order, what was set at one time in the order it was set, and lets promises run in between', async () => {
    const clock = createVirtualClock();
    const fired: string[] = [];
    clock.after(20, () => fired.push('late'));
    clock.wait(10, () => {
      fired.push('first');
      void Promise.resolve().then(() => clock.after(5, () => fired.push('set by the first')));
    });
    clock.after(10, () => fired.push('second'));
    const cancel = clock.after(10, () => fired.push('cancelled'));
    cancel();
    await clock.advance(30);
    expect(fired).to.deep.equal(['first', 'second', 'set by the first', 'late']);
  });
});
