import { expect } from 'chai';
import fc from 'fast-check';
import { expectBalanced } from '../support/balance.ts';
import type { MemoryEnd } from './memory-transport.ts';
import { rest, startTeam, type Team } from './team.ts';

const WORKERS = 2;
const CREDITS = 4;
const KEYS = 3;

type Step =
  | { readonly do: 'emit'; readonly by: number; readonly key: number }
  | { readonly do: 'deliver'; readonly to: 'parent' | 'worker'; readonly place: number; readonly frames: number }
  | { readonly do: 'finish'; readonly which: number }
  | { readonly do: 'kill'; readonly place: number };

const place = fc.nat(WORKERS - 1);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('emit'), by: fc.nat(WORKERS), key: fc.nat(KEYS - 1) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('deliver'),
      to: fc.constantFrom('parent', 'worker'),
      place,
      frames: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('finish'), which: fc.nat(20) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill'), place }) },
) as fc.Arbitrary<Step>;

/** What happened in one run. */
interface Story {
  /** The key and number of each event, in the order in which it entered the parent's dispatch. */
  readonly dispatched: string[];
  readonly handled: string[];
  readonly open: (() => void)[];
  deaths: number;
}

/** Runs the steps, then lets everything happen that is left; frames arrive only when a step says so until then. */
async function play(steps: readonly Step[], mode: 'key' | 'group'): Promise<{ team: Team; story: Story }> {
  const story: Story = { dispatched: [], handled: [], open: [], deaths: 0 };
  const options = mode === 'key' ? { key: 'payload.key' } : { group: 'g' };
  const team = await startTeam(
    (bus) =>
      bus.on(
        'a',
        async ({ payload }) => {
          const { key, n } = payload as { key: number; n: number };
          await new Promise<void>((resolve) => story.open.push(resolve));
          story.handled.push(`${key} ${n}`);
        },
        options,
      ),
    { size: WORKERS, credits: CREDITS },
  );
  await team.pool.ready;
  team.bus.on('$bus.**', () => undefined);
  team.bus.on('a', ({ payload }) => {
    const { key, n } = payload as { key: number; n: number };
    story.dispatched.push(`${key} ${n}`);
  });
  await rest();
  const ends = (): MemoryEnd[] => Array.from({ length: WORKERS }, (_, i) => [team.end(i), team.end(i).other]).flat();
  for (const end of ends()) end.manual = true;
  let n = 0;
  for (const one of steps) {
    if (one.do === 'emit') {
      const emitter = one.by === WORKERS ? team.bus : (team.worker(one.by) ?? team.bus);
      emitter.emit('a', { key: one.key, n: n++ });
    } else if (one.do === 'deliver') {
      const end = one.to === 'parent' ? team.end(one.place) : team.end(one.place).other;
      for (let frame = 0; frame < one.frames; frame++) end.deliver();
    } else if (one.do === 'finish') story.open.splice(one.which % Math.max(1, story.open.length), 1)[0]?.();
    else if (team.pool.workers()[one.place]!.status === 'ready' && story.deaths < 3) {
      story.deaths++;
      team.kill(one.place);
    }
    await new Promise((resolve) => setImmediate(resolve));
    for (const { inFlight } of team.pool.workers()) expect(inFlight).to.be.at.most(CREDITS);
  }
  for (let left = 60; left > 0; left--) {
    for (const end of ends()) {
      end.manual = false;
      while (end.deliver());
    }
    for (const finish of story.open.splice(0)) finish();
    await new Promise((resolve) => setImmediate(resolve));
    if (left % 10 === 0) await team.clock.advance(2_000);
  }
  await team.bus.settled();
  return { team, story };
}

async function check(steps: readonly Step[], mode: 'key' | 'group'): Promise<void> {
  const { team, story } = await play(steps, mode);
  try {
    const letters = await team.bus.deadLetters.list({ limit: 1_000 });
    const handled = new Set(story.handled);
    const lost = story.dispatched.filter((event) => !handled.has(event));
    expect(lost.length, `lost ${lost.join(', ')}`).to.be.at.most(letters.length);
    if (story.deaths === 0) {
      // An event that its own worker has emitted is handled there; each comes once all the same.
      expect(story.handled.toSorted()).to.deep.equal(story.dispatched.toSorted());
      expect(letters).to.deep.equal([]);
    }
    for (const figures of team.bus.metrics().subscriptions) expectBalanced(figures);
  } finally {
    await team.close();
  }
}

describe('a link, whatever comes first', function () {
  this.timeout(60_000);

  for (const mode of ['key', 'group'] as const)
    it(`loses nothing, and without deaths handles everything once (${mode})`, () =>
      fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), (steps) => check(steps, mode)),
        { numRuns: 25 },
      ));

  it('keeps the order of each key of what the parent emits', () =>
    fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
        const own = steps.map((one) => (one.do === 'emit' ? { ...one, by: WORKERS } : one));
        const { team, story } = await play(own, 'key');
        try {
          for (let key = 0; key < KEYS; key++) {
            const of = (events: readonly string[]): string[] => [
              ...new Set(events.filter((text) => text.startsWith(`${key} `))),
            ];
            const letters = await team.bus.deadLetters.list({ limit: 1_000 });
            const handled = of(story.handled);
            if (letters.length === 0) expect(handled).to.deep.equal(of(story.dispatched));
          }
        } finally {
          await team.close();
        }
      }),
      { numRuns: 25 },
    ));
});
