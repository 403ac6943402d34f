import { expect } from 'chai';
import { createBus, type Bus, type HandlerContext } from '../../lib/index.ts';
import { turn } from '../support/turns.ts';

/** Enough to see that nothing stops it. */
const ENDLESS = 20_000;

/** Answers how many events of a chain that never waits came before the event loop had its next turn. */
async function eventsInOneTurn(start: (bus: Bus, goesOn: () => boolean) => void): Promise<number> {
  await using bus = await createBus();
  let count = 0;
  let counted: number | undefined;
  start(bus, () => ++count < ENDLESS && counted === undefined);
  await turn();
  counted = count;
  await bus.settled();
  return counted;
}

describe('handlers that follow one on another', () => {
  const chains: Record<string, (bus: Bus, goesOn: () => boolean) => void> = {
    'an async handler that emits': (bus, goesOn) => {
      bus.on('a.b', async (_, context) => void (goesOn() && context.emit('a.b', 1)));
      bus.emit('a.b', 1);
    },
    'one that waits for what it publishes': (bus, goesOn) => {
      bus.on('a.b', async (_, context) => void (goesOn() && (await context.publish('a.b', 1))));
      bus.emit('a.b', 1);
    },
    'several at once, which emit after a wait': (bus, goesOn) => {
      const handler = async (_: unknown, context: HandlerContext): Promise<void> => {
        await Promise.resolve();
        if (goesOn()) context.emit('a.b', 1);
      };
      bus.on('a.b', handler, { concurrency: 64 });
      bus.emit('a.b', 1);
    },
    'with keys': (bus, goesOn) => {
      let n = 0;
      const handler = async (_: unknown, context: HandlerContext): Promise<void> => {
        await Promise.resolve();
        if (goesOn()) context.emit('a.b', { k: n++ % 8 });
      };
      bus.on('a.b', handler, { key: 'payload.k', concurrency: 64 });
      bus.emit('a.b', { k: 0 });
    },
    'two that answer each other': (bus, goesOn) => {
      const reply = (type: string) => async (_: unknown, context: HandlerContext) => {
        await Promise.resolve();
        if (goesOn()) context.emit(type, 1);
      };
      bus.on('a.b', reply('b.a'));
      bus.on('b.a', reply('a.b'));
      bus.emit('a.b', 1);
    },
    'an actor that tells itself': (bus, goesOn) => {
      const actor = bus.actor('a', {
        initial: 0,
        receive: async (_state, _event, { self }) => void (goesOn() && self.tell('a.b', 1)),
      });
      actor.tell('a.b', 1);
    },
    'two actors that tell each other': (bus, goesOn) => {
      const names = ['a', 'b'];
      const [a, b] = names.map((name, i) =>
        bus.actor(name, {
          initial: 0,
          receive: async () => {
            await Promise.resolve();
            if (goesOn()) (i === 0 ? b : a)!.tell('a.b', 1);
          },
        }),
      );
      a!.tell('a.b', 1);
    },
    'an answerer with many questions': (bus, goesOn) => {
      bus.answer('a.b', async () => void goesOn(), { concurrency: 1 });
      for (let i = 0; i < 5_000; i++) bus.ask('a.b', null, { timeout: '1m' }).catch(() => undefined);
    },
    'a handler with many events': (bus, goesOn) => {
      bus.on('a.b', async () => void goesOn());
      for (let i = 0; i < 5_000; i++) bus.emit('a.b', 1);
    },
  };
  for (const [name, start] of Object.entries(chains))
    it(`let the event loop turn: ${name}`, async () => {
      expect(await eventsInOneTurn(start)).to.be.within(1, 600);
    });

  it('handle what waits in order, however many turns that takes', async () => {
    await using bus = await createBus();
    const seen: unknown[] = [];
    bus.on('a.b', async ({ payload }) => void seen.push(payload));
    const all = Array.from({ length: 2_000 }, (_, i) => i);
    for (const i of all) bus.emit('a.b', i);
    await bus.settled();
    expect(seen).to.deep.equal(all);
  });

  it('leave it at that: what comes from outside is handled before `emit` returns, whatever was spent', async () => {
    await using bus = await createBus();
    let chained = 0;
    bus.on('a.b', async (_, context) => void (++chained < 1_000 && context.emit('a.b', 1)));
    const seen: unknown[] = [];
    bus.on('c.d', async ({ payload }) => void seen.push(payload), { concurrency: 10_000 });
    bus.emit('c.d', -1);
    bus.emit('a.b', 1);
    for (let i = 0; i < 400; i++) {
      await Promise.resolve();
      bus.emit('c.d', i);
      expect(seen.at(-1)).to.equal(i);
    }
    await bus.settled();
    expect(chained).to.equal(1_000);
  });

  it('do not hold up a handler that emits more than fits into any queue', async () => {
    await using bus = await createBus();
    let seen = 0;
    bus.on('row', () => void seen++);
    bus.on('rows.wanted', async (_, context) => {
      await Promise.resolve();
      for (let i = 0; i < 30_000; i++) context.emit('row', i);
    });
    bus.emit('rows.wanted', null);
    await bus.settled();
    expect(seen).to.equal(30_000);
  });

  it('settle and close with what waits for its turn', async () => {
    const bus = await createBus();
    let seen = 0;
    bus.on('a.b', async () => void seen++);
    for (let i = 0; i < 2_000; i++) bus.emit('a.b', 1);
    expect(await bus.close()).to.include({ cut: 0, stillRunning: 0 });
    expect(seen).to.equal(2_000);
  });
});
