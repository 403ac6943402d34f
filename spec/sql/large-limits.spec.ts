import { expect } from 'chai';
import { BLOCK_POSITIONS, candidatesOf } from '../../lib/sql/text-blocks.ts';
import type { BlockSource } from '../../lib/sql/text-blocks.ts';

const LIMIT = 1_000_000;
const THROUGH = 300 * BLOCK_POSITIONS;
/** Nothing is written: all positions are candidates. */
const none: BlockSource = { look: async () => ({ written: [], entries: [] }) };

describe('a search with a larger limit than so many blocks have positions', () => {
  for (const descending of [false, true])
    it(`comes to its end, ${descending ? 'down' : 'up'}wards`, async () => {
      const rest = { after: 0, through: THROUGH, descending, limit: LIMIT };
      const positions: number[] = [];
      for (let isDone = false; !isDone;) {
        const { positions: found, looked, done } = await candidatesOf(none, ['abc'], rest);
        expect(found).not.to.deep.equal([]);
        for (const position of found) positions.push(position);
        if (descending) rest.through = looked - 1;
        else rest.after = looked;
        isDone = done;
      }
      const all = Array.from({ length: THROUGH }, (_, i) => i + 1);
      expect(positions).to.deep.equal(descending ? all.toReversed() : all);
    });
});
