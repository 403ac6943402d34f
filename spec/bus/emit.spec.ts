import { expect } from 'chai';
import fc from 'fast-check';
import { TelltaleError } from '../../lib/errors.ts';
import { createTestBus } from '../../lib/testing.ts';
import { memory } from '../../plugins/memory/index.ts';
import { codeOf, refusalOf } from '../support/code-of.ts';
import { logged } from '../support/logged.ts';

describe('bus.emit', () => {
  it('delivers before it returns and stores a moment later', async () => {
    const store = memory();
    const { bus, events } = await createTestBus({ store });
    const event = bus.emit('task.created', { title: 'a' });
    expect(events).to.deep.equal([event]);
    expect(await logged(store)).to.deep.equal([]);
    await bus.flush();
    expect((await logged(store)).map(({ id, position }) => ({ id, position }))).to.deep.equal([
      { id: event.id, position: 1 },
    ]);
  });

  it('stores what a handler emits after the event it handles, so that position order is causal order', async () => {
    const store = memory();
    const { bus } = await createTestBus({ store });
    bus.on('a', () => bus.emit('b', null));
    bus.on('b', () => bus.emit('c', null));
    bus.emit('a', null);
    bus.emit('z', null);
    await bus.flush();
    const stored = await logged(store);
    expect(stored.map(({ type }) => type)).to.deep.equal(['a', 'b', 'c', 'z']);
    for (const { causationId, position } of stored) {
      const cause = stored.find(({ id }) => id === causationId);
      if (causationId !== undefined) expect(cause!.position).to.be.lessThan(position);
    }
  });

  it('dispatches breadth-first: what a handler emits comes after the event has reached everybody', async () => {
    const { bus } = await createTestBus();
    const seen: string[] = [];
    bus.on('a', () => void (seen.push('first a'), bus.emit('b', null)));
    bus.on('a', () => void seen.push('second a'));
    bus.on('b', () => void seen.push('b'));
    bus.emit('a', null);
    expect(seen).to.deep.equal(['first a', 'second a', 'b']);
  });

  it('takes a snapshot: the emitter may go on changing its object, subscribers cannot', async () => {
    const { bus, events } = await createTestBus();
    const payload = { messages: ['one'] };
    bus.emit('chat.said', payload);
    payload.messages.push('two');
    expect(events[0]!.payload).to.deep.equal({ messages: ['one'] });
    expect(Object.isFrozen(events[0]!.payload)).to.equal(true);
    expect(Object.isFrozen(payload)).to.equal(false);
  });

  it('stamps id, time, source, correlation, version', async () => {
    const { bus, clock } = await createTestBus({ source: 'planner' });
    await clock.advance(5);
    const event = bus.emit('task.created', { a: 1 });
    expect(event).to.deep.equal({
      id: event.id,
      type: 'task.created',
      source: 'planner',
      time: clock.now(),
      correlationId: event.id,
      schemaVersion: 1,
      payload: { a: 1 },
      metadata: {},
    });
    expect(event.id).to.match(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('takes the caller’s id, time, entity, correlation, cause, metadata and version', async () => {
    const { bus } = await createTestBus();
    const time = new Date('2026-02-01T10:00:00.250Z');
    const event = bus.emit('task.created', null, {
      id: 'mine',
      time,
      entity: 'task/1',
      correlationId: 'chain',
      causationId: 'before',
      metadata: { userId: 'u' },
      schemaVersion: 3,
    });
    expect(event).to.deep.include({ id: 'mine', time: time.getTime(), entity: 'task/1', schemaVersion: 3 });
    expect(event).to.deep.include({ correlationId: 'chain', causationId: 'before', metadata: { userId: 'u' } });
    expect(bus.emit('task.created', null, { time: '2026-02-01T11:00:00.250+01:00' }).time).to.equal(time.getTime());
  });

  it('accepts what round-trips exactly: subscribers and the log have the same (property)', async () => {
    const store = memory();
    const { bus, events } = await createTestBus({ store });
    await fc.assert(
      fc.asyncProperty(
        fc.jsonValue({ maxDepth: 6 }),
        fc.dictionary(fc.string(), fc.jsonValue()),
        async (payload, metadata) => {
          const before = events.length;
          try {
            bus.emit('a', payload, { metadata });
          } catch (error) {
            if (!(error instanceof TelltaleError)) throw error;
            expect(error.code).to.match(/^PAYLOAD_|^RESERVED_TYPE$/);
            return;
          }
          await bus.flush();
          const {
            events: [stored],
          } = await store.page({ after: 0, through: Infinity, descending: true, limit: 1 });
          expect(stored!.id).to.equal(events[before]!.id);
          expect(stored!.payload).to.deep.equal(events[before]!.payload);
          expect(JSON.stringify(stored!.payload)).to.equal(JSON.stringify(payload));
          expect(stored!.metadata).to.deep.equal(events[before]!.metadata);
        },
      ),
      { numRuns: 200 },
    );
  });

  describe('transient events', () => {
    it('keep their place in dispatch order and are written nowhere', async () => {
      const store = memory();
      const { bus, events } = await createTestBus({ store });
      bus.emit('a', null);
      bus.emit('token', 'x', { transient: true });
      bus.emit('b', null);
      await bus.flush();
      expect(events.map(({ type }) => type)).to.deep.equal(['a', 'token', 'b']);
      expect((await logged(store, true)).map(({ type }) => type)).to.deep.equal(['a', 'b']);
    });

    it('are never a cause: children name the nearest stored ancestor', async () => {
      const { bus, ofType } = await createTestBus();
      bus.on('root', () => bus.emit('token', 1, { transient: true }));
      bus.on('token', () => bus.emit('child', null));
      const root = bus.emit('root', null);
      const [child] = ofType('child');
      expect(child).to.deep.include({ causationId: root.id, correlationId: root.id });
    });

    it('without an ancestor leave their children without a cause', async () => {
      const { bus, ofType } = await createTestBus();
      bus.on('token', () => bus.emit('child', null));
      const token = bus.emit('token', 1, { transient: true });
      expect(ofType('child')[0]).to.not.have.property('causationId');
      expect(ofType('child')[0]!.correlationId).to.equal(token.id);
    });

    it('become no dead letter when their handler fails, and none when they are refused', async () => {
      const { bus } = await createTestBus();
      bus.on('token', () => {
        throw new Error('no');
      });
      bus.on('$bus.handler.failed', () => undefined);
      bus.emit('token', 'secret', { transient: true });
      expect(codeOf(() => bus.emit('token', new Date(), { transient: true }))).to.equal('PAYLOAD_NOT_PLAIN');
      await bus.flush();
      expect(await bus.deadLetters.list()).to.deep.equal([]);
      expect(bus.metrics()).to.include({ transient: 2, refused: 1 });
    });
  });

  describe('a bounded ingress', () => {
    it('throws INGRESS_FULL before anything has happened, naming both limits', async () => {
      const store = memory();
      const { bus, events } = await createTestBus({ store, ingress: { max: 2 } });
      const blocked = block(bus);
      bus.emit('a', 0);
      bus.emit('a', 1);
      bus.emit('a', 2);
      bus.emit('a', 3);
      const error = refusalOf(() => bus.emit('a', 4));
      expect(error.code).to.equal('INGRESS_FULL');
      expect(error.message).to.include('2 of 2 events').and.include('bytes');
      expect(bus.metrics()).to.include({ refused: 1 });
      blocked.release();
      await bus.settled();
      await bus.flush();
      expect(events.map(({ payload }) => payload)).to.deep.equal([0, 1, 2, 3]);
      expect((await logged(store)).map(({ payload }) => payload)).to.deep.equal([0, 1, 2, 3]);
    });
  });
});

/** Holds the dispatch back: a handler whose mailbox of one asks publishers to wait. */
function block(bus: Awaited<ReturnType<typeof createTestBus>>['bus']): { release: () => void } {
  const waiting: (() => void)[] = [];
  let open = false;
  bus.on('a', () => (open ? undefined : new Promise<void>((resolve) => waiting.push(resolve))), {
    mailbox: { max: 1, overflow: 'wait' },
  });
  return {
    release: () => {
      open = true;
      for (const one of waiting.splice(0)) one();
    },
  };
}
