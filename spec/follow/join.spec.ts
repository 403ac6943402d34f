import { expect } from 'chai';
import fc from 'fast-check';
import { systemClock } from '../../lib/clock.ts';
import { memory } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { follow, type Followed } from '../../lib/store/follow.ts';
import { storeOn } from '../json-file/log-on-disk.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import { InterleavedLog, wrongWith, type Fault, type Moment } from '../support/interleaved.ts';
import { turn } from '../support/turn.ts';

interface Case {
  readonly before: number;
  readonly after: number;
  readonly moments: readonly Moment[];
  readonly pageEvents: number;
  readonly bufferEvents: number;
  readonly filtered: boolean;
}

const moment: fc.Arbitrary<Moment> = fc.record({
  append: fc.nat(4),
  times: fc.nat(4),
  alongside: fc.boolean(),
  remove: fc.option(fc.double({ min: 0.01, max: 1, noNaN: true }), { nil: undefined, freq: 6 }),
});

const cases: fc.Arbitrary<Case> = fc.record({
  before: fc.nat(12),
  after: fc.nat(14),
  moments: fc.array(moment, { minLength: 4, maxLength: 30 }),
  pageEvents: fc.integer({ min: 1, max: 4 }),
  bufferEvents: fc.integer({ min: 1, max: 8 }),
  filtered: fc.boolean(),
});

/** Follows a log through all moments of its plan; answers what is wrong with what the reader saw. */
async function trial(store: Store, plan: Case, fault: Fault = 'none'): Promise<string | undefined> {
  const log = new InterleavedLog(store, plan.moments, fault);
  if (plan.before > 0) await log.append(plan.before);
  const { signal, ...ending } = abortable();
  const { after, pageEvents, bufferEvents, filtered } = plan;
  const where = filtered ? { type: 'third' } : undefined;
  const follower = follow(log.seen(), { after, where, signal, clock: systemClock, pageEvents, bufferEvents });
  const batches: Followed[] = [];
  const reading = (async () => {
    for await (const batch of follower) {
      batches.push(batch);
      // The reader is busy for a while.
      await log.step();
    }
  })();
  while (!log.isOver) {
    await turn();
    // A reader that rests takes no steps: what comes now wakes it.
    if (follower.isResting) await log.step();
  }
  await log.settle();
  await log.append(1);
  await rest(() => follower.isResting);
  ending.abort();
  await reading;
  return wrongWith(batches, log, { after, wanted: (type) => !filtered || type === 'third' });
}

function abortable(): { readonly signal: AbortSignal; abort(): void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}

// A follower that stands still, as a broken one may, is judged by what it has handed out.
async function rest(isResting: () => boolean): Promise<void> {
  for (let still = 0; still < 5;) {
    await turn();
    still = isResting() ? still + 1 : 0;
  }
}

async function inMemory(plan: Case, fault?: Fault): Promise<string | undefined> {
  const store = memory();
  await store.open();
  try {
    return await trial(store, plan, fault);
  } finally {
    await store.close();
  }
}

async function onDisk(plan: Case): Promise<string | undefined> {
  const store = storeOn(new MemoryDisk());
  await store.open();
  try {
    return await trial(store, plan);
  } finally {
    await store.close();
  }
}

const holds = (run: (plan: Case) => Promise<string | undefined>) =>
  fc.asyncProperty(cases, async (plan) => void expect(await run(plan)).to.equal(undefined));

describe('following a log while it is written to', function () {
  this.timeout(60_000);

  it('tells each event once, in order, whatever is appended and removed at every step (memory)', async () => {
    await fc.assert(holds(inMemory), { numRuns: 300 });
  });

  it('tells each event once, in order, whatever is appended and removed at every step (json-file)', async () => {
    await fc.assert(holds(onDisk), { numRuns: 40 });
  });

  for (const fault of ['joins late', 'goes by an old head'] as const)
    it(`would be caught if it were wrong: one that ${fault}`, async () => {
      const { failed } = await fc.check(
        holds((plan) => inMemory(plan, fault)),
        { numRuns: 300, endOnFailure: true },
      );
      expect(failed).to.equal(true);
    });
});
