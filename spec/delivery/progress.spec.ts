import { expect } from 'chai';
import fc from 'fast-check';
import { Progress, type Mark } from '../../lib/delivery/progress.ts';

/** What is done, by position; the checkpoint looked up the slow way. */
class Model {
  readonly after: number;
  looked: number;
  readonly open = new Set<number>();

  constructor(after: number) {
    this.after = after;
    this.looked = after;
  }

  get position(): number {
    for (let position = this.after + 1; position <= this.looked; position++)
      if (this.open.has(position)) return position - 1;
    return this.looked;
  }
}

const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('take' as const), by: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ do: fc.constant('look' as const), by: fc.integer({ min: -2, max: 4 }) }),
    fc.record({ do: fc.constant('finish' as const), by: fc.nat() }),
  ),
  { maxLength: 200 },
);

describe('Progress', () => {
  it('is the highest position below which all is done, whatever order it is done in', () => {
    fc.assert(
      fc.property(fc.nat(5), steps, (after, commands) => {
        const progress = new Progress(after);
        const model = new Model(after);
        const open: Mark[] = [];
        for (const { do: what, by } of commands) {
          const before = progress.position;
          if (what === 'take') {
            const mark = { position: model.looked + by, done: false };
            progress.take(mark);
            open.push(mark);
            model.open.add(mark.position);
            model.looked = mark.position;
          } else if (what === 'look') {
            progress.look(model.looked + by);
            model.looked = Math.max(model.looked, model.looked + by);
          } else if (open.length > 0) {
            const [mark] = open.splice(by % open.length, 1);
            mark!.done = true;
            progress.settle();
            model.open.delete(mark!.position);
          }
          expect(progress.position).to.equal(model.position);
          expect(progress.looked).to.equal(model.looked);
          expect(progress.position).to.be.at.least(before);
          expect(progress.oldest?.position).to.equal(open.map(({ position }) => position).toSorted((a, b) => a - b)[0]);
        }
      }),
    );
  });
});
