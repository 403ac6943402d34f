import { expect } from 'chai';
import fc from 'fast-check';
import { BlockBuilder, type BlockLog, type BlockStore } from '../../lib/sql/block-builder.ts';
import {
  ANY_TRIGRAM,
  BLOCK_POSITIONS,
  blockOf,
  candidatesOf,
  entriesOf,
  type BlockEntry,
  type BlockEvent,
  type BlockSource,
} from '../../lib/sql/text-blocks.ts';
import { createVirtualClock, type VirtualClock } from '../../lib/clock.ts';
import type { StoredEvent } from '../../lib/event/event.ts';
import { TelltaleError } from '../../lib/errors.ts';
import { buildStored } from '../support/event-builder.ts';

/** As a store reads them. */
async function* each(events: readonly StoredEvent[]): AsyncGenerator<BlockEvent> {
  for (const event of events) yield { position: event.position, event };
}

/** Blocks in memory. */
function sourceOf(blocks: ReadonlyMap<number, readonly BlockEntry[]>): BlockSource {
  return {
    look: async (asked, trigrams) => ({
      written: asked.filter((block) => blocks.has(block)),
      entries: asked.flatMap((block) =>
        (blocks.get(block) ?? [])
          .filter(({ trigram }) => trigrams.includes(trigram))
          .map((entry) => ({ ...entry, block })),
      ),
    }),
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
          const inBlock = new Map<number, StoredEvent[]>();
          for (const [position, payload] of texts) {
            const events = inBlock.get(blockOf(position)) ?? [];
            inBlock.set(blockOf(position), events);
            events.push(buildStored(position, { payload }));
          }
          for (const [block, events] of inBlock)
            if (blocks.has(block)) blocks.set(block, await entriesOf(each(events)));
          const isWanted = (position: number): boolean => {
            const text = texts.get(position) ?? '';
            return text.includes('abc') && text.includes('xyz');
          };
          const positions = [...texts.keys()].filter((position) => isWanted(position) && blocks.has(blockOf(position)));
          for (const block of missing)
            for (let i = 1; i <= BLOCK_POSITIONS; i++) positions.push(block * BLOCK_POSITIONS + i);
          const wanted = positions
            .filter((position) => position > after && position <= through)
            .toSorted((a, b) => a - b);
          const found = await allCandidates(sourceOf(blocks), ['abc', 'xyz'], { after, through, descending, limit });
          expect(found).to.deep.equal(descending ? wanted.toReversed() : wanted);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('have an event with too much text under no trigram of its own', async () => {
    const entries = await entriesOf(each([buildStored(3, { payload: 'x'.repeat(300_000) })]));
    expect(entries).to.have.length(1);
    expect(entries[0]).to.include({ trigram: ANY_TRIGRAM });
    expect(await entriesOf(each([]))).to.deep.equal([]);
  });

  it('have only so many trigrams, and what has further ones has too much text', async () => {
    const given = Array.from({ length: 4 }, (_, i) => {
      const letters = Array.from({ length: 50_000 }, (__, at) => String.fromCodePoint(0x20000 + i * 50_000 + at));
      return buildStored(i + 1, { type: 'a', payload: letters.join('') });
    });
    const blocks = new Map([[0, await entriesOf(each(given))]]);
    expect(blocks.get(0)!.length).to.be.below(131_074);
    const at = async (i: number): Promise<readonly number[]> => {
      const word = [0, 1, 2].map((n) => String.fromCodePoint(0x20000 + i * 50_000 + 40_000 + n)).join('');
      const range = { after: 0, through: BLOCK_POSITIONS, descending: false, limit: 1_000 };
      return (await candidatesOf(sourceOf(blocks), [word], range)).positions;
    };
    // The third and the fourth did not fit.
    expect([await at(0), await at(1), await at(2), await at(3)]).to.deep.equal([
      [1, 3, 4],
      [2, 3, 4],
      [3, 4],
      [3, 4],
    ]);
  });

  it('are looked into one by one where all of them have the words', async () => {
    const events = Array.from({ length: 20 * BLOCK_POSITIONS }, (_, i) => buildStored(i + 1, { payload: 'abcdef' }));
    const blocks = new Map<number, readonly BlockEntry[]>();
    for (let block = 0; block < 20; block++)
      blocks.set(block, await entriesOf(each(events.filter(({ position }) => blockOf(position) === block))));
    const asked = new Set<number>();
    const source = sourceOf(blocks);
    const counted: BlockSource = {
      look: (some, trigrams) => {
        for (const block of some) asked.add(block);
        return source.look(some, trigrams);
      },
    };
    const range = { after: 0, through: 20 * BLOCK_POSITIONS, descending: false, limit: 500 };
    expect(await candidatesOf(counted, ['abc', 'def'], range)).to.include({ looked: 500, done: false });
    expect(asked.size).to.equal(2);
  });
});

/** A log in memory whose blocks are written. */
class Written implements BlockStore {
  readonly blocks = new Set<number>();
  readonly order: number[] = [];
  readonly asked: number[] = [];
  position = 8 * BLOCK_POSITIONS + 5;
  changes = 0;
  isThere = true;
  failing: (block: number) => Error | false | undefined = () => undefined;

  async log(): Promise<BlockLog> {
    if (!this.isThere) throw new Error('away');
    return { position: this.position, changes: this.changes };
  }

  async written(first: number, last: number): Promise<readonly number[]> {
    this.asked.push(first);
    return [...this.blocks].filter((block) => block >= first && block <= last);
  }

  async write(block: number): Promise<boolean> {
    const failure = this.failing(block);
    if (failure === false) return false;
    if (failure !== undefined) throw failure;
    this.order.push(block);
    this.blocks.add(block);
    return true;
  }

  forget(block: number): void {
    this.blocks.delete(block);
    this.changes++;
  }
}

async function whole(builder: BlockBuilder): Promise<void> {
  builder.look();
  await builder.idle();
}

const blockWith = (...payloads: readonly string[]): Promise<readonly BlockEntry[]> =>
  entriesOf(each(payloads.map((payload, i) => buildStored(i + 1, { payload }))));

describe('blocks of trigrams that change while they are searched', () => {
  const text = 'abcdefghijklmnopqrstuvwxyz';
  const trigrams = Array.from({ length: 24 }, (_, i) => text.slice(i, i + 3));
  // So many blocks that a few trigrams are asked for at once.
  const count = 190;
  const range = { after: 0, through: count * BLOCK_POSITIONS, descending: false, limit: count * BLOCK_POSITIONS };

  for (const [name, change] of [
    ['taken out', async () => undefined],
    ['written anew', () => blockWith(text, 'other')],
    ['written anew with too much text', () => blockWith(`${text} ${'x'.repeat(300_000)}`)],
  ] as const)
    it(`have what they had all the while where one is ${name} before any of the looks`, async () => {
      const [before, after] = [await blockWith(text, text), await change()];
      for (let moment = 0, looks = 1; moment < looks; moment++) {
        const blocks = new Map(Array.from({ length: count }, (_, block) => [block, before]));
        looks = 0;
        const source: BlockSource = {
          async look(asked, some) {
            if (looks++ === moment) {
              blocks.delete(7);
              if (after !== undefined) blocks.set(7, after);
            }
            return sourceOf(blocks).look(asked, some);
          },
        };
        const { positions } = await candidatesOf(source, trigrams, range);
        expect(positions).to.include.members([7 * BLOCK_POSITIONS + 1, 8 * BLOCK_POSITIONS + 1]);
        expect(looks).to.be.above(2);
      }
    });
});

/** Lets the builder's pause pass. */
async function passing(builder: BlockBuilder, clock: VirtualClock, ms: number): Promise<void> {
  await clock.advance(ms);
  await builder.idle();
}

describe('blocks of trigrams that are missing', () => {
  let clock: VirtualClock;
  beforeEach(() => {
    clock = createVirtualClock();
  });

  it('are written from the lowest, until one cannot be written now', async () => {
    const log = new Written();
    for (const block of [0, 1, 3]) log.blocks.add(block);
    log.failing = (block) => (block === 6 ? false : undefined);
    const builder = new BlockBuilder(log, clock);
    await whole(builder);
    expect(log.order).to.deep.equal([2, 4, 5]);
    log.failing = () => undefined;
    await whole(builder);
    expect(log.order).to.deep.equal([2, 4, 5, 6, 7]);
    await builder.stop();
    log.forget(4);
    await whole(builder);
    expect(log.order).to.have.length(5);
    expect(builder.notices).to.deep.equal([]);
  });

  it('are looked for where the log has grown, and everywhere once it has changed', async () => {
    const log = new Written();
    log.position = 4_000 * BLOCK_POSITIONS;
    for (let block = 0; block < 4_000; block++) log.blocks.add(block);
    const builder = new BlockBuilder(log, clock);
    await whole(builder);
    expect(log.asked).to.have.length(4);
    log.position += BLOCK_POSITIONS;
    builder.reached(log.position);
    await builder.idle();
    expect([log.asked, log.order]).to.deep.equal([[0, 1_024, 2_048, 3_072, 4_000], [4_000]]);
    log.forget(7);
    log.position += BLOCK_POSITIONS;
    builder.reached(log.position);
    await builder.idle();
    expect(log.order).to.deep.equal([4_000, 7, 4_001]);
  });

  it('are written again where the log changes meanwhile', async () => {
    const log = new Written();
    let isFirst = true;
    log.failing = (block) => {
      if (block !== 5 || !isFirst) return undefined;
      isFirst = false;
      log.forget(2);
      return false;
    };
    await whole(new BlockBuilder(log, clock));
    expect(log.order).to.deep.equal([0, 1, 2, 3, 4, 2, 5, 6, 7]);
  });

  it('go on without one that fails, which is told of until it is written', async () => {
    const log = new Written();
    log.failing = (block) => (block === 3 ? new Error('no room') : undefined);
    const builder = new BlockBuilder(log, clock);
    await whole(builder);
    await whole(builder);
    expect(log.order).to.deep.equal([0, 1, 2, 4, 5, 6, 7]);
    const notice = 'the index of texts could not be written for positions 1537 to 2048: Error: no room';
    expect(builder.notices).to.deep.equal([notice]);
    log.failing = () => undefined;
    await whole(builder);
    expect([log.order.includes(3), builder.notices]).to.deep.equal([false, [notice]]);
    log.changes++;
    await whole(builder);
    expect([log.order.at(-1), builder.notices]).to.deep.equal([3, []]);
    await builder.stop();
  });

  it('are tried again after a pause, each time a longer one', async () => {
    const log = new Written();
    let tries = 0;
    log.failing = (block) => (block === 3 && ++tries > 0 ? new Error('terminated') : undefined);
    const builder = new BlockBuilder(log, clock);
    await whole(builder);
    for (const ms of [250, 500, 1_000]) {
      const before = tries;
      await passing(builder, clock, ms - 1);
      expect(tries).to.equal(before);
      await passing(builder, clock, 1);
      expect(tries).to.equal(before + 1);
    }
    log.failing = () => undefined;
    await passing(builder, clock, 2_000);
    expect([log.order.at(-1), builder.notices]).to.deep.equal([3, []]);
    // Now that all are written nothing is asked any more, and the next one that fails is tried again soon.
    const asked = log.asked.length;
    await passing(builder, clock, 3_600_000);
    expect(log.asked).to.have.length(asked);
    log.failing = () => new Error('terminated');
    log.forget(5);
    await whole(builder);
    log.failing = () => undefined;
    await passing(builder, clock, 250);
    expect(log.order.at(-1)).to.equal(5);
    await builder.stop();
  });

  it('are left to another process that is at them, and looked for again in case it ends', async () => {
    const log = new Written();
    log.failing = () => false;
    const builder = new BlockBuilder(log, clock);
    await whole(builder);
    log.failing = () => undefined;
    await passing(builder, clock, 250);
    expect([log.order.length, builder.notices]).to.deep.equal([8, []]);
    await builder.stop();
  });

  it('wait for better times where more fail than can be for the blocks', async () => {
    const log = new Written();
    log.position = 4_000 * BLOCK_POSITIONS;
    let tries = 0;
    log.failing = () => new Error(`no room ${++tries}`);
    const builder = new BlockBuilder(log, clock);
    await whole(builder);
    expect([tries, builder.notices.length]).to.deep.equal([33, 33]);
    await builder.stop();
    await passing(builder, clock, 3_600_000);
    expect(tries).to.equal(33);
  });

  for (const [name, error] of [
    ['the log cannot be asked either', new Error('away')],
    ['it is only not to be had now', new TelltaleError('STORE_UNAVAILABLE', 'busy')],
  ] as const)
    it(`are all tried again where one fails and ${name}`, async () => {
      const log = new Written();
      log.failing = () => {
        log.isThere = error.message !== 'away';
        return error;
      };
      const builder = new BlockBuilder(log, clock);
      await whole(builder);
      await whole(builder);
      expect(builder.notices).to.deep.equal([`the index of texts could not be written: ${String(error)}`]);
      log.failing = () => undefined;
      log.isThere = true;
      await passing(builder, clock, 250);
      expect([log.order.length, builder.notices]).to.deep.equal([8, []]);
      await builder.stop();
    });
});
