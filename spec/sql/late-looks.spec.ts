import { expect } from 'chai';
import { createVirtualClock } from '../../lib/clock.ts';
import { BlockBuilder } from '../../lib/sql/block-builder.ts';
import type { BlockLog, BlockStore } from '../../lib/sql/block-builder.ts';
import { BLOCK_POSITIONS } from '../../lib/sql/text-blocks.ts';

/** A log in memory that somebody may append to behind what it says of itself. */
class Growing implements BlockStore {
  readonly blocks: number[] = [];
  position = BLOCK_POSITIONS;
  asked = 0;
  behind: (asked: number) => void = () => undefined;

  async log(): Promise<BlockLog> {
    const log = { position: this.position, changes: 0 };
    this.behind(++this.asked);
    return log;
  }

  async written(): Promise<readonly number[]> {
    return this.blocks;
  }

  async write(block: number): Promise<boolean> {
    return this.blocks.push(block) > 0;
  }
}

describe('blocks of trigrams of a log that grows', () => {
  it('are all written, at whatever moment of the last look it grows', async () => {
    for (const moment of [1, 2])
      for (let turns = 1; turns < 12; turns++) {
        const log = new Growing();
        const builder = new BlockBuilder(log, createVirtualClock());
        let grown: Promise<void> | undefined;
        const grow = async (): Promise<void> => {
          for (let i = 0; i < turns; i++) await Promise.resolve();
          log.position += BLOCK_POSITIONS;
          builder.reached(log.position);
        };
        // The second time there is nothing new.
        log.behind = (asked) => {
          if (asked === moment) grown = grow();
        };
        builder.reached(log.position);
        await builder.idle();
        await grown;
        await builder.idle();
        expect(log.blocks, `${turns} turns behind look ${moment}`).to.deep.equal([0, 1]);
        await builder.stop();
      }
  });
});
