import { expect } from 'chai';
import { STAGES, WAYS, type Ordeal, type Strike } from './faults.ts';
import { endure, expectKept, expectStruck } from './run.ts';

/** Moments of a stream, far enough apart for a worker to get over one before the next. */
const MOMENTS = [3, 217, 411, 613, 977];

/** Every way once, each at another moment and stage for another `turn`. */
function strikesOf(turn: number): readonly Strike[] {
  return WAYS.map((way, i) => ({
    way,
    stage: STAGES[(i + turn) % STAGES.length]!,
    at: MOMENTS[(i + turn) % MOMENTS.length]!,
  }));
}

// A dozen of the thousands of deaths of `npm run torture`.
describe('a worker that goes in the middle of a thousand events', function () {
  this.timeout(120_000);

  for (const [turn, direction] of (['down', 'up'] as const).entries()) {
    const strikes = strikesOf(2 * turn);
    const text = strikes.map(({ way, stage, at }) => `${way} ${stage} ${at}`).join(', ');
    it(`${direction === 'up' ? 'from' : 'for'} it loses none that was acknowledged: ${text}`, async () => {
      const ordeal: Ordeal = { direction, strikes };
      const outcome = await endure(ordeal);
      expectKept(ordeal, outcome);
      expectStruck(ordeal, outcome);
      // One death makes no letter of an event.
      expect(outcome.letters).to.deep.equal([]);
    });
  }

  it('twice over the same event leaves it as a dead letter, and nothing else', async () => {
    const ordeal: Ordeal = { direction: 'down', strikes: [{ way: 'exit', at: 400, stage: 'between', times: 2 }] };
    const outcome = await endure(ordeal);
    expectKept(ordeal, outcome);
    expectStruck(ordeal, outcome);
    expect(outcome.letters).to.deep.equal([400]);
  });

  for (const direction of ['down', 'up'] as const)
    it(`is a control: a link that acknowledges too early loses events ${direction === 'up' ? 'from' : 'for'} it`, async () => {
      const ordeal: Ordeal = { direction, strikes: [{ way: 'exit', at: 517, stage: 'after' }], broken: true };
      const outcome = await endure(ordeal);
      expect(outcome.lost).to.not.deep.equal([]);
      expect(() => expectKept(ordeal, outcome)).to.throw();
    });
});
