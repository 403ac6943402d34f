import { expect } from 'chai';
import type { Behaviour } from '../../lib/acting-api.ts';
import { codeOf } from '../support/code-of.ts';
import { FlakyStore } from '../support/flaky-store.ts';
import { createGate, turn, turnsUntil } from '../support/turns.ts';
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

  // Otherwise whoever dies in between starts for the first time again, and what was stored for it is not heard.
  it('has its first start written down before anything that it hears is in the log', async () => {
    const { store, gate, heard, bus } = await createSlowStart();
    bus.emit('heard.a', 1);
    for (let i = 0; i < 20; i++) await turn();
    expect(store.commits).to.deep.equal([]);
    gate.open();
    await bus.settled();
    expect(store.commits).to.have.length(1);
    expect(heard).to.deep.equal(['heard.a']);
  });

  it('does not keep the log waiting where its first start cannot be written down now', async () => {
    const { store, gate, heard, bus, clock } = await createSlowStart();
    bus.emit('heard.a', 1);
    gate.fail(new Error('no room'));
    await turnsUntil(() => store.commits.length > 0);
    await clock.advance(1_000);
    await bus.settled();
    expect(heard).to.deep.equal(['heard.a']);
  });
});

/** A durable actor whose first start is being written down until the gate opens; where it fails, only the first time. */
async function createSlowStart() {
  const gate = createGate();
  const store = new FlakyStore();
  const put = Reflect.get(store, '_putDocument') as (...given: unknown[]) => Promise<unknown>;
  let tries = 0;
  Reflect.set(store, '_putDocument', async (collection: string, ...rest: unknown[]) => {
    if (collection === 'actors' && tries++ === 0) await gate.promise;
    return put.call(store, collection, ...rest);
  });
  const heard: string[] = [];
  const { bus, clock } = await createActorBus({ store });
  bus.actor('a', {
    initial: null,
    durable: true,
    on: 'heard.*',
    receive: (_, { type }) => void heard.push(type),
  });
  return { store, gate, heard, bus, clock };
}
