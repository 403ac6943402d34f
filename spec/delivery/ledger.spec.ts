import { expect } from 'chai';
import fc from 'fast-check';
import { afterTurn, differenceOf, excessOf, readLedger, shareOf, type Ledger } from '../../lib/delivery/ledger.ts';
import { partitionOf } from '../../lib/delivery/partition-of.ts';

const terms = { pattern: 'a', group: true };

interface Given {
  readonly me: string;
  readonly alive: ReadonlySet<string>;
  readonly released?: ReadonlySet<number>;
  readonly positions?: ReadonlyMap<number, number>;
  readonly leaving?: boolean;
  readonly joining?: boolean;
  readonly group?: boolean;
}

function turn(ledger: Ledger | undefined, given: Given): Ledger {
  const { me, alive, released = new Set(), positions = new Map(), leaving = false, joining = false } = given;
  const isAlive = (member: string): boolean => alive.has(member);
  const its = { ...terms, group: given.group ?? true };
  return afterTurn(ledger, { me, now: 5, terms: its, start: 7, isAlive, positions, released, leaving, joining });
}

const heldBy = ({ seats }: Ledger, me: string): number[] =>
  seats.flatMap(({ member }, index) => (member === me ? [index] : []));

/** Turns of everybody until nothing changes hands any more. */
function settled(ledger: Ledger, alive: ReadonlySet<string>): Ledger {
  let now = ledger;
  for (let round = 0; round < 2 * alive.size + 2; round++)
    for (const me of alive) now = turn(now, { me, alive, released: new Set(excessOf(now, me)) });
  return now;
}

const change = fc.record({
  member: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
  what: fc.constantFrom('join', 'leave', 'die'),
});

describe('the ledger of a group', () => {
  it('gives every partition to one member, and each member its share, whoever joins, leaves and dies', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 20 }), (changes) => {
        const alive = new Set(['first']);
        let ledger = turn(undefined, { me: 'first', alive, joining: true });
        for (const { member, what } of changes) {
          const before = ledger;
          if (what === 'join') {
            alive.add(member);
            ledger = turn(ledger, { me: member, alive, joining: true });
          } else if (what === 'leave' && alive.delete(member))
            ledger = turn(ledger, { me: member, alive, leaving: true });
          else alive.delete(member);
          ledger = settled(ledger, alive);
          const names = [...alive].toSorted();
          for (const name of names) expect(heldBy(ledger, name).length).to.equal(shareOf(name, names, 64));
          expect(Object.keys(ledger.members).toSorted()).to.deep.equal(names);
          for (const [index, { member: now, epoch }] of ledger.seats.entries())
            if (now === before.seats[index]!.member) expect(epoch).to.equal(before.seats[index]!.epoch);
            else expect(epoch).to.be.above(before.seats[index]!.epoch);
        }
      }),
    );
  });

  it('leaves a partition with its holder until he releases it', () => {
    const alive = new Set(['a', 'b']);
    let ledger = turn(undefined, { me: 'a', alive, joining: true });
    ledger = turn(ledger, { me: 'b', alive, joining: true });
    expect([heldBy(ledger, 'a').length, heldBy(ledger, 'b').length]).to.deep.equal([64, 0]);
    expect(excessOf(ledger, 'a').length).to.equal(32);
    ledger = turn(ledger, { me: 'a', alive, released: new Set([40, 41]), positions: new Map([[40, 90]]) });
    ledger = turn(ledger, { me: 'b', alive });
    expect(heldBy(ledger, 'b')).to.deep.equal([40, 41]);
    expect(ledger.seats[40]!.position).to.equal(90);
  });

  it('takes positions from the holder alone, and is as far as its last partition', () => {
    const alive = new Set(['a', 'b']);
    let ledger = turn(undefined, { me: 'a', alive, joining: true });
    expect(ledger.position).to.equal(7);
    const far = new Map(Array.from({ length: 64 }, (_, index) => [index, 100 + index]));
    ledger = turn(ledger, { me: 'b', alive, positions: far });
    expect(ledger.position).to.equal(7);
    ledger = turn(ledger, { me: 'a', alive, positions: far });
    expect(ledger.position).to.equal(100);
  });

  it('is taken over by the newest where there is no group, and begins at a bare checkpoint', () => {
    const alive = new Set(['a', 'b']);
    const bare = readLedger({ position: 12, at: 3 });
    let ledger = turn(bare, { me: 'a', alive, joining: true, group: false });
    expect(ledger.seats).to.deep.equal([{ position: 12, epoch: 5, member: 'a' }]);
    ledger = turn(ledger, { me: 'b', alive, joining: true, group: false });
    expect(ledger.seats).to.deep.equal([{ position: 12, epoch: 6, member: 'b' }]);
    expect(ledger.members).to.deep.equal({ b: 1 });
  });

  it('becomes a group where the single one stood, and the other way round', () => {
    const alive = new Set(['a']);
    const single = turn(readLedger({ position: 12 }), { me: 'a', alive, joining: true, group: false });
    const group = turn(single, { me: 'g', alive: new Set(['g']), joining: true });
    expect(group.seats.length).to.equal(64);
    expect(group.seats.every(({ position, member }) => position === 12 && member === 'g')).to.equal(true);
    const again = turn(group, { me: 'a', alive, joining: true, group: false });
    expect(again.seats).to.deep.equal(
      [{ position: 12, epoch: 8, member: 'a' }].map((seat) => ({ ...seat, epoch: again.seats[0]!.epoch })),
    );
    expect(again.seats[0]!.epoch).to.be.above(group.seats[0]!.epoch);
  });

  it('names what two members would do differently', () => {
    expect(differenceOf(terms, { ...terms, where: undefined })).to.equal(undefined);
    expect(differenceOf(terms, { ...terms, key: 'entity' })).to.equal('key');
    expect(differenceOf({ ...terms, where: { a: 1 } }, { ...terms, where: { a: 1 } })).to.equal(undefined);
  });
});

describe('partitionOf', () => {
  it('spreads keys evenly and never changes', () => {
    const counts = Array.from({ length: 64 }, () => 0);
    for (let n = 0; n < 64_000; n++) counts[partitionOf(`order/${n}`)]!++;
    expect(Math.min(...counts)).to.be.above(800);
    expect(Math.max(...counts)).to.be.below(1_200);
    expect(['', 'a', 'order/1', 'ключ'].map(partitionOf)).to.deep.equal([25, 32, 33, 27]);
  });
});
