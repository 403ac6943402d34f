import { expect } from 'chai';
import type { Behaviour } from '../../lib/acting-api.ts';
import { codeOf } from '../support/code-of.ts';
import { turn, turnsUntil } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';
import { booksOf, createActorBus } from './actor-bus.ts';

const counting: Behaviour<number> = { initial: 0, durable: true, receive: (count) => count + 1 };

describe('the mailbox of a durable actor', () => {
  refuseUnhandledRejections();

  it('is refused whole where a consumer of the program has its name: it can be started once that has stopped', async () => {
    const { bus } = await createActorBus();
    const consumer = bus.consume('actor/a', '**', () => undefined);
    await consumer.started;
    expect(codeOf(() => bus.actor('a', counting))).to.equal('INVALID_OPTION');
    expect(bus.metrics().actors).to.deep.equal([]);
    await consumer.stop();
    const actor = bus.actor('a', counting);
    actor.tell('x', 1);
    await bus.settled();
    expect(await actor.state()).to.equal(1);
  });

  it('is handed on where an actor is started again the moment it has stopped, and nothing in it is lost', async () => {
    const { bus } = await createActorBus();
    const handled: unknown[] = [];
    const behaviour: Behaviour<null> = {
      initial: null,
      durable: true,
      supervise: { strategy: 'stop' },
      receive: async (_, { payload }) => {
        await turn();
        if (payload === 2) throw new Error('not two');
        handled.push(payload);
      },
    };
    let starts = 0;
    bus.on('$actor.stopped', () => void (starts++ === 0 && bus.actor('a', behaviour)));
    const actor = bus.actor('a', behaviour);
    for (const n of [0, 1, 2, 3, 4]) actor.tell('x', n);
    await turnsUntil(() => handled.length === 4);
    await bus.settled();
    expect(handled).to.deep.equal([0, 1, 3, 4]);
    expect(await bus.deadLetters.list()).to.have.lengthOf(1);
    expect(bus.metrics().consumers.map(({ status }) => status)).to.deep.equal(['running']);
  });

  it('is stopped with the actor that waits for it, and with the bus', async () => {
    const { bus } = await createActorBus();
    const first = bus.actor('a', counting);
    const stopping = first.stop();
    const second = bus.actor('a', counting);
    const stoppingToo = second.stop();
    bus.actor('a', counting);
    await Promise.all([stopping, stoppingToo]);
    await bus.close();
  });

  it('holds whatever is stored, however small `mailbox` is', async () => {
    const { bus } = await createActorBus();
    const actor = bus.actor<number>('a', {
      initial: 0,
      key: 'payload.key',
      durable: true,
      mailbox: { max: 1, maxBytes: 1 },
      receive: async (count) => {
        await turn();
        return { type: 'counted', payload: count };
      },
      apply: (count) => count + 1,
    });
    for (let i = 0; i < 40; i++) actor.tell('x', { key: `k${i % 20}` });
    await bus.settled();
    expect(booksOf(bus, 'a')).to.include({ routed: 40, handled: 40, dropped: 0 });
    expect(await bus.deadLetters.list()).to.deep.equal([]);
  });

  it('hears nothing that was stored before its first start, at no later start either', async () => {
    const { bus, clock } = await createActorBus();
    for (let i = 0; i < 2_000; i++) bus.emit('heard.before', i);
    await bus.flush();
    await clock.advance(10);
    const heard: unknown[] = [];
    const behaviour: Behaviour<null> = {
      initial: null,
      durable: true,
      on: 'heard.*',
      receive: (_, { type }) => void heard.push(type),
    };
    await bus.actor('a', behaviour).stop();
    bus.emit('heard.between', 1);
    await bus.flush();
    bus.actor('a', behaviour);
    bus.emit('heard.since', 1);
    await bus.settled();
    expect(heard).to.deep.equal(['heard.between', 'heard.since']);
  });
});
