import { expect } from 'chai';
import { TelltaleError } from '../../lib/plugin.ts';
import type { Acknowledged } from '../../plugins/cli/verify/child.ts';
import { writeForGaps } from '../../plugins/cli/verify/gap-writer.ts';
import { untilAnswered } from '../../plugins/cli/verify/until-answered.ts';
import { FlakyStore } from '../support/flaky-store.ts';
import { rejectionOf } from '../support/rejection-of.ts';

describe('verify and a store that is out of reach for a moment', () => {
  // A writer among eight that had waited for its turn for 5 s was told as a broken P5.
  it('tries what was refused again with the same ids, and finds all of it once', async () => {
    const store = new FlakyStore();
    await store.open();
    store.faults.push(undefined, { before: new Error('away') }, { after: new Error('away') });
    const acks: Acknowledged[] = [];
    await writeForGaps(store, { writer: 'w', events: 12, acknowledged: (answer) => void acks.push(answer) });
    const stored = acks.map(({ position, size }) => [position, size]);
    expect(stored).to.deep.equal([
      [1, 1],
      [2, 2],
      [4, 3],
      [7, 1],
      [8, 2],
      [10, 3],
    ]);
    expect((await store.head()).position).to.equal(12);
    await store.close();
  });

  it('passes on what does not end, and anything else at once', async () => {
    let asked = 0;
    const failing = (code: 'STORE_UNAVAILABLE' | 'STORE_FAILED') => async (): Promise<never> => {
      asked++;
      throw new TelltaleError(code, 'away');
    };
    expect((await rejectionOf(untilAnswered(failing('STORE_FAILED')))).code).to.equal('STORE_FAILED');
    expect(asked).to.equal(1);
    expect((await rejectionOf(untilAnswered(failing('STORE_UNAVAILABLE'), 500))).code).to.equal('STORE_UNAVAILABLE');
    expect(asked).to.be.above(2);
  });
});
