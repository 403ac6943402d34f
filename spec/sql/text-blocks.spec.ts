import { expect } from 'chai';
import fc from 'fast-check';
import { BlockBuilder } from '../../lib/sql/block-builder.ts';
import {
  ANY_TRIGRAM,
  BLOCK_POSITIONS,
  blockOf,
  candidatesOf,
  entriesOf,
  type BlockEntry,
  type BlockSource,
} from '../../lib/sql/text-blocks.ts';
import { buildStored } from '../support/event-builder.ts';

/** Blocks in memory. */
function sourceOf(blocks: ReadonlyMap<number, readonly BlockEntry[]>): BlockSource {
  return {
    written: async (first, last) => [...blocks.keys()].filter((block) => block >= first && block <= last),
    entries: async (asked, trigrams) =>
      asked.flatMap((block) =>
        blocks
          .get(block)!
          .filter(({ trigram }) => trigrams.includes(trigram))
          .map((entry) => ({ ...entry, block })),
      ),
  };
}

async function allCandidates(
  source: BlockSource,
  trigrams: readonly string[],
  range: { readonly after: number; readonly through: number; readonly descending: boolean; readonly limit: number },
): Promise<number[]> {
  const found: number[] = [];
  let rest = range;
  for (;;) {
    const { positions, looked, done } = await candidatesOf(source, trigrams, rest);
    found.push(...positions);
    if (done) return found;
    rest = range.descending ? { ...rest, through: looked - 1 } : { ...rest, after: looked };
  }
}

describe('blocks of trigrams', () => {
  it('give every position that may have all trigrams, once and in order, page by page in both directions', async function () {
    this.timeout(30_000);
    // Sparse: most blocks of a long log have nothing, some are not written.
    const stored = fc.record({
      places: fc.uniqueArray(fc.nat(700 * BLOCK_POSITIONS - 1), { maxLength: 60 }),
      atEdges: fc.boolean(),
      missing: fc.uniqueArray(fc.nat(699), { maxLength: 2 }),
      crowded: fc.nat(699),
    });
    const ranges = fc.record({
      after: fc.nat(100 * BLOCK_POSITIONS),
      length: fc.integer({ min: 1, max: 600 * BLOCK_POSITIONS }),
      descending: fc.boolean(),
      limit: fc.integer({ min: 300, max: 2_000 }),
    });
    await fc.assert(
      fc.asyncProperty(
        stored,
        ranges,
        async ({ places, atEdges, missing, crowded }, { after, length, descending, limit }) => {
          const through = after + length;
          const texts = new Map(places.map((place, i) => [place + 1, ['abc', 'abc xyz', 'xyz', 'xyabcz xyz'][i % 4]!]));
          for (let i = 0; i < 100; i++) texts.set(crowded * BLOCK_POSITIONS + 1 + i * 5, 'abc xyz');
          for (let edge = BLOCK_POSITIONS; edge < (atEdges ? 700 : 0) * BLOCK_POSITIONS; edge += BLOCK_POSITIONS)
            texts.set(edge, 'abc xyz').set(edge + 1, 'abc xyz');
          const blocks = new Map<number, readonly BlockEntry[]>();
          for (let block = 0; block < 700; block++) if (!missing.includes(block)) blocks.set(block, []);
          for (const block of blocks.keys()) {
            const events = [...texts].filter(([position]) => blockOf(position) === block);
            blocks.set(block, await entriesOf(events.map(([position, payload]) => buildStored(position, { payload }))));
          }
          const wanted: number[] = [];
          for (let position = after + 1; position <= through; position++) {
            const isMissing = missing.includes(blockOf(position));
            const text = texts.get(position) ?? '';
            if (isMissing || (text.includes('abc') && text.includes('xyz'))) wanted.push(position);
          }
          const found = await allCandidates(sourceOf(blocks), ['abc', 'xyz'], { after, through, descending, limit });
          expect(found).to.deep.equal(descending ? wanted.toReversed() : wanted);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('have an event with too much text under no trigram of its own', async () => {
    const entries = await entriesOf([buildStored(3, { payload: 'x'.repeat(300_000) })]);
    expect(entries).to.have.length(1);
    expect(entries[0]).to.include({ trigram: ANY_TRIGRAM });
  });

  it('are written from the lowest that is missing, until one cannot be written', async () => {
    const written = new Set([0, 1, 3]);
    const order: number[] = [];
    let refused = 6;
    const builder = new BlockBuilder(
      {
        head: async () => 8 * BLOCK_POSITIONS + 5,
        countBelow: async (block) => [...written].filter((one) => one < block).length,
        async write(block) {
          if (block === refused) return false;
          order.push(block);
          written.add(block);
          return true;
        },
      },
      (error) => expect.fail(String(error)),
    );
    builder.look();
    await builder.idle();
    expect(order).to.deep.equal([2, 4, 5]);
    refused = -1;
    builder.look();
    await builder.idle();
    expect(order).to.deep.equal([2, 4, 5, 6, 7]);
    await builder.stop();
    written.delete(4);
    builder.look();
    await builder.idle();
    expect(order).to.have.length(5);
  });

  it('that cannot be written are told of and tried again', async () => {
    const failures: unknown[] = [];
    let isBroken = true;
    const written: number[] = [];
    const builder = new BlockBuilder(
      {
        head: async () => BLOCK_POSITIONS,
        countBelow: async () => written.length,
        async write(block) {
          if (isBroken) throw new Error('no room');
          written.push(block);
          return true;
        },
      },
      (error) => failures.push(error),
    );
    builder.reached(BLOCK_POSITIONS);
    await builder.idle();
    expect(failures).to.have.length(1);
    isBroken = false;
    builder.look();
    await builder.idle();
    expect(written).to.deep.equal([0]);
  });
});
