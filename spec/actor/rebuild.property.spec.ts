import { expect } from 'chai';
import fc from 'fast-check';
import type { Behaviour } from '../../lib/acting-api.ts';
import type { StoredEvent } from '../../lib/event/event.ts';
import { memory } from '../../plugins/memory/index.ts';
import type { Bus } from '../../lib/api.ts';
import type { VirtualClock } from '../../lib/clock.ts';
import { createActorBus } from './actor-bus.ts';

interface Room {
  readonly guests: readonly string[];
}

const EMPTY: Room = { guests: [] };

type Move = { readonly type: 'enter' | 'leave'; readonly who: string };
type Step = Move | { readonly type: 'fail' | 'crash' | 'snapshot' | 'stop' | 'outside' | 'idle' };

/** Throws where it is told to, before it decides or behind it. */
const room = (every: number): Behaviour<Room> => ({
  initial: { guests: [] },
  key: ({ metadata }) => metadata['room'],
  snapshot: { every },
  supervise: { attempts: 1, maxRestarts: 1_000, backoff: { delay: 1, jitter: 0 } },
  receive: async ({ guests }, { type, payload }) => {
    if (type === 'crash') throw new Error('crashed');
    const who = payload as string;
    if (type === 'enter' && !guests.includes(who)) return { type: 'entered', payload: who };
    if (type === 'leave' && guests.includes(who))
      return [
        { type: 'left', payload: who },
        { type: 'cleaned', payload: who },
      ];
    return undefined;
  },
  apply: ({ guests }, { type, payload }) => {
    if (type === 'entered') return { guests: [...guests, payload as string] };
    return { guests: type === 'left' ? guests.filter((guest) => guest !== payload) : guests };
  },
});

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constantFrom('enter', 'leave'),
      who: fc.constantFrom('a', 'b', 'c', 'd'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('crash', 'snapshot', 'stop', 'outside', 'idle').map((type) => ({ type })),
  },
);

/** What the model makes of the same moves. */
function play(moves: readonly Step[]): Room {
  let guests: readonly string[] = [];
  for (const move of moves) {
    const who = 'who' in move ? move.who : 'z';
    if ((move.type === 'enter' && !guests.includes(who)) || move.type === 'outside') guests = [...guests, who];
    if (move.type === 'leave') guests = guests.filter((guest) => guest !== who);
  }
  return { guests };
}

/** Lets everything end, restarts too, which wait on the clock. */
async function settle(bus: Bus, clock: VirtualClock): Promise<void> {
  const ended: unknown[] = [];
  void bus.settled().then(() => ended.push('settled'));
  while (ended.length === 0) await clock.advance(100);
}

describe('any sequence of commands, crashes, snapshots and rebuilds', () => {
  it('ends in the state that the commands lead to, which is the fold of the events', async function () {
    this.timeout(30_000);
    const run = fc.asyncProperty(
      fc.array(step, { maxLength: 40 }),
      fc.integer({ min: 1, max: 6 }),
      async (steps, every) => {
        const { bus, clock } = await createActorBus({ store: memory() });
        const behaviour = room(every);
        const actor = bus.actor('room', behaviour);
        const tell = (type: string, payload: unknown): unknown =>
          actor.tell(type, payload, { metadata: { room: '1' } });
        for (const one of steps) {
          if ('who' in one) tell(one.type, one.who);
          else if (one.type === 'crash') {
            tell('crash', null);
            await clock.advance(10_000);
          } else if (one.type === 'idle') await clock.advance(700_000);
          else {
            await settle(bus, clock);
            if (one.type === 'snapshot') await actor.snapshot('1');
            if (one.type === 'stop') await actor.stop('1');
            if (one.type === 'outside') await bus.publish('entered', 'z', { entity: 'room/1' });
          }
        }
        await settle(bus, clock);
        const expected = play(steps);
        const { state } = await bus.load('room/1', behaviour);
        const folded = await bus.fold(EMPTY, (at, event) => behaviour.apply!(at, event as StoredEvent), {
          where: { entity: 'room/1' },
        });
        expect([state, folded]).to.deep.equal([expected, expected]);
        await bus.close();
      },
    );
    await fc.assert(run, { numRuns: 40 });
  });
});
