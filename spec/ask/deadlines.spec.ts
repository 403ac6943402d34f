import { expect } from 'chai';
import fc from 'fast-check';
import { Deadlines, type Due } from '../../lib/ask/deadlines.ts';
import { createVirtualClock } from '../../lib/clock.ts';
import { turn } from '../support/turns.ts';

describe('deadlines', () => {
  it('expire what is due, at its time, in order, whatever was added and removed before', async () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ add: fc.integer({ min: 0, max: 50 }) }),
        fc.record({ remove: fc.nat() }),
        fc.record({ pass: fc.integer({ min: 1, max: 20 }) }),
      ),
      { maxLength: 60 },
    );
    const runs = fc.asyncProperty(steps, async (all) => {
      const clock = createVirtualClock();
      const deadlines = new Deadlines<Due>(clock);
      const listed = new Set<Due>();
      const expired: [due: number, at: number][] = [];
      for (const step of all) {
        if ('add' in step) {
          const item: Due = {
            dueMs: clock.monotonic() + step.add,
            expire: () => {
              deadlines.delete(item);
              expect(listed.delete(item), 'it was still listed').to.equal(true);
              expired.push([item.dueMs, clock.monotonic()]);
            },
          };
          listed.add(item);
          deadlines.add(item);
        } else if ('remove' in step) {
          const item = [...listed][step.remove % Math.max(1, listed.size)];
          if (!item) continue;
          listed.delete(item);
          deadlines.delete(item);
          deadlines.delete(item);
        } else await clock.advance(step.pass);
        expect(deadlines.size).to.equal(listed.size);
        expect(deadlines.items).to.have.members([...listed]);
        for (const { dueMs } of listed) if ('pass' in step) expect(dueMs).to.be.above(clock.monotonic());
      }
      for (const [due, at] of expired) expect(at).to.equal(due);
    });
    await fc.assert(runs, { numRuns: 100 });
  });

  it('never expire what is due at Infinity', async () => {
    const clock = createVirtualClock();
    const deadlines = new Deadlines<Due>(clock);
    let expired = 0;
    deadlines.add({ dueMs: Infinity, expire: () => expired++ });
    await clock.advance(1e12);
    expect([expired, deadlines.size]).to.deep.equal([0, 1]);
  });

  it('may be added to while they expire', async () => {
    const clock = createVirtualClock();
    const deadlines = new Deadlines<Due>(clock);
    const at: number[] = [];
    const add = (): void => {
      const item: Due = {
        dueMs: clock.monotonic() + 10,
        expire: () => {
          deadlines.delete(item);
          at.push(clock.monotonic());
          if (at.length < 3) add();
        },
      };
      deadlines.add(item);
    };
    add();
    await clock.advance(100);
    await turn();
    expect(at).to.deep.equal([10, 20, 30]);
    expect(deadlines.size).to.equal(0);
  });
});
