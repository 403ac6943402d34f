import { expect } from 'chai';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import sinon from 'sinon';
import type { TelltaleEvent } from '../../lib/event/event.ts';
import { channels } from '../../lib/observe/channels.ts';
import { createTestBus } from '../../lib/testing.ts';
import { FlakyStore } from '../support/flaky-store.ts';
import { turn } from '../support/turn.ts';

type Message = Readonly<Record<string, unknown>>;

describe('diagnostics channels', () => {
  const heard: (readonly [string, Message])[] = [];
  const listeners = new Map<string, (message: unknown) => void>();
  const listen = (name: string): void => {
    const listener = (message: unknown): void => void heard.push([name, message as Message]);
    listeners.set(name, listener);
    subscribe(name, listener);
  };
  const messages = (name: string): readonly Message[] =>
    heard.filter(([of]) => of === name).map(([, message]) => message);

  beforeEach(() => {
    for (const { name } of Object.values(channels)) listen(name as string);
  });

  afterEach(() => {
    for (const [name, listener] of listeners) unsubscribe(name, listener);
    listeners.clear();
    heard.length = 0;
  });

  it('tell what was accepted, dispatched and stored, in that order', async () => {
    const { bus } = await createTestBus({ source: 'planner' });
    const event = bus.emit('a', 1);
    await bus.flush();
    expect(heard.map(([name]) => name)).to.deep.equal([
      'telltale:event.accepted',
      'telltale:event.dispatched',
      'telltale:events.stored',
    ]);
    expect(heard[0]![1]).to.deep.equal({ source: 'planner', event });
    expect(heard[1]![1]).to.deep.equal({ source: 'planner', event });
    expect(heard[2]![1]).to.deep.include({ source: 'planner', events: [event] });
    expect(heard[2]![1]['receipt']).to.include({ position: 1 });
  });

  it('tell nothing of an event that was refused for want of room', async () => {
    const { bus } = await createTestBus({ backlog: { events: 1 } });
    bus.emit('a', 1);
    expect(() => bus.emit('a', 2)).to.throw();
    expect(messages('telltale:event.accepted')).to.have.length(1);
  });

  it('tell of failed handlers and of opened letters', async () => {
    const { bus } = await createTestBus();
    bus.on('$bus.**', () => undefined);
    const error = new Error('no');
    bus.on('a', () => {
      throw error;
    });
    const event = bus.emit('a', 1);
    await bus.flush();
    expect(messages('telltale:handler.failed')[0]).to.deep.equal({ source: 'main', event, pattern: 'a', error });
    expect(messages('telltale:letter.opened')[0]!['letter']).to.include({ eventId: event.id });
  });

  it('tell of a failing store', async () => {
    const store = new FlakyStore();
    const { bus } = await createTestBus({ store });
    store.faults.push({ before: new Error('busy') });
    bus.emit('a', 1);
    await turn();
    expect(messages('telltale:store.failed')[0]!['error']).to.include({ code: 'STORE_UNAVAILABLE' });
  });

  it('are published to only while somebody listens', async () => {
    for (const [name, listener] of listeners) unsubscribe(name, listener);
    const publishes = Object.values(channels).map((channel) => sinon.spy(channel, 'publish'));
    try {
      const store = new FlakyStore();
      const { bus, clock } = await createTestBus({ store });
      bus.on('$bus.**', () => undefined);
      bus.on('a', (): TelltaleEvent => {
        throw new Error('no');
      });
      store.faults.push({ before: new Error('busy') });
      bus.emit('a', 1);
      await clock.advance(10_000);
      await bus.close();
      for (const publish of publishes) expect(publish.callCount).to.equal(0);
    } finally {
      for (const publish of publishes) publish.restore();
    }
  });
});
