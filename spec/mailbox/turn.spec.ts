import { expect } from 'chai';
import { createVirtualClock } from '../../lib/clock.ts';
import { currentCause, runWithCause, derivedCause } from '../../lib/context.ts';
import { Turn } from '../../lib/mailbox/turn.ts';
import { turn as nextTurn } from '../support/turns.ts';

const spendAll = (turn: Turn): number => {
  let count = 0;
  while (turn.spend()) count++;
  return count;
};

describe('a turn of the event loop', () => {
  it('has time for 256 events, and so has the next one', async () => {
    const turn = new Turn(createVirtualClock());
    expect(spendAll(turn)).to.equal(256);
    await nextTurn();
    expect(spendAll(turn)).to.equal(256);
  });

  it('has time for 4 ms', async () => {
    const clock = createVirtualClock();
    const turn = new Turn({ monotonic: () => now });
    let now = clock.monotonic();
    expect(turn.spend()).to.equal(true);
    now += 4;
    expect(turn.spend()).to.equal(true);
    now += 0.1;
    expect(turn.spend()).to.equal(false);
    await nextTurn();
    expect(turn.spend()).to.equal(true);
  });

  it('is shared: who comes first may spend all of it, and comes last in the next one', async () => {
    const turn = new Turn(createVirtualClock());
    const seen: string[] = [];
    const spender = (name: string) => ({
      resume: () => {
        seen.push(name);
        spendAll(turn);
        if (seen.length < 4) turn.next(spenders[name]!);
      },
    });
    const spenders: Record<string, { resume(): void }> = { a: spender('a'), b: spender('b'), c: spender('c') };
    for (const one of Object.values(spenders)) turn.next(one);
    turn.next(spenders['a']!);
    for (let i = 0; i < 8; i++) await nextTurn();
    expect(seen).to.deep.equal(['a', 'b', 'c', 'a', 'b', 'c']);
  });

  it('goes on outside of the context in which it was asked', async () => {
    const turn = new Turn(createVirtualClock());
    let seen: unknown = 'not called';
    runWithCause(
      derivedCause(undefined, {}),
      () => turn.next({ resume: () => void (seen = currentCause()) }),
      undefined,
    );
    await nextTurn();
    expect(seen).to.equal(undefined);
  });
});
