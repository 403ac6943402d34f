import { expect } from 'chai';
import { compare, median, type Comparison, type Contender } from '../../benchmarks/measure.ts';

/** Burns about `ns` for each operation, so that who is faster does not hang on the machine. */
function spinning(name: string, ns: number, lost = 0): Contender {
  let done = 0;
  return {
    name,
    before: () => void (done = 0),
    run(count) {
      for (let n = 0; n < count; n++) {
        const end = process.hrtime.bigint() + BigInt(ns);
        while (process.hrtime.bigint() < end);
        done++;
      }
    },
    done: () => done - lost,
  };
}

const pace = { rounds: 3, roundMs: 1 };

function comparison(contenders: readonly Contender[], targets: Comparison['targets'] = []): Comparison {
  return { title: 'test', operation: 'spin', contenders, targets, count: 20 };
}

describe('benchmarks: measure', () => {
  it('says how many times as fast ours is, and which targets held', async () => {
    const targets = [
      { rival: 'slow', ratio: 2 },
      { rival: 'slower', ratio: 1_000 },
    ];
    const contenders = [spinning('ours', 5_000), spinning('slow', 50_000), spinning('slower', 100_000)];
    const outcome = await compare(comparison(contenders, targets), pace);
    expect(outcome.figures.map(({ name, samplesNs }) => [name, samplesNs.length])).to.deep.equal([
      ['ours', 3],
      ['slow', 3],
      ['slower', 3],
    ]);
    expect(outcome.figures[0]!.ratio).to.equal(1);
    expect(outcome.figures[1]!.ratio).to.be.above(2);
    expect(outcome.targets.map(({ held }) => held)).to.deep.equal([true, false]);
  });

  it('stops when a contender did not do its work', async () => {
    let caught: unknown;
    await compare(comparison([spinning('ours', 0), spinning('lazy', 0, 1)]), pace).catch((error: unknown) => {
      caught = error;
    });
    expect(String(caught)).to.contain('lazy did 19 of 20 operations');
  });

  it('refuses a target against a rival that does not take part', async () => {
    let caught: unknown;
    await compare(comparison([spinning('ours', 0)], [{ rival: 'nobody', ratio: 1 }]), pace).catch((error: unknown) => {
      caught = error;
    });
    expect(String(caught)).to.contain('nobody');
  });

  it('begins each round with another contender', async () => {
    const order: string[] = [];
    const named = (name: string): Contender => ({
      name,
      run: () => void order.push(name),
      done: () => 20,
    });
    await compare(comparison([named('a'), named('b'), named('c')]), pace);
    expect(order.join('')).to.equal('abcbcacab');
  });

  it('takes the middle of the samples', () => {
    expect(median([3, 1, 2])).to.equal(2);
    expect(median([4, 1, 3, 2])).to.equal(2.5);
  });
});
