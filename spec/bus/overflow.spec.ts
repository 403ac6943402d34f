import { expect } from 'chai';
import fc from 'fast-check';
import type { Receipt } from '../../lib/handler-api.ts';
import type { MailboxOptions } from '../../lib/options.ts';
import { createTestBus } from '../../lib/testing.ts';
import { memory } from '../../plugins/memory/index.ts';
import { expectBalanced } from '../support/balance.ts';
import { createGate, turn, turnsUntil, type Gate } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

/** A bus with one slow subscription of `a`. */
async function startSlow(mailbox: MailboxOptions, options: object = {}) {
  const test = await createTestBus();
  const got: unknown[] = [];
  const gates: Gate[] = [];
  const full: unknown[] = [];
  test.bus.on('$bus.mailbox.full', ({ payload }) => void full.push(payload));
  const undo = test.bus.on(
    'a',
    async ({ payload }) => {
      got.push(payload);
      const gate = createGate();
      gates.push(gate);
      await gate.promise;
    },
    { mailbox, ...options },
  );
  const figures = () => test.bus.metrics().subscriptions.find(({ pattern }) => pattern === 'a')!;
  const letters = async () => {
    await test.bus.flush();
    return (await test.bus.deadLetters.list()).toReversed();
  };
  const finishAll = async (): Promise<void> => {
    for (let i = 0; figures().running > 0; i++) {
      gates[i]!.open();
      await turn();
    }
  };
  return { ...test, got, gates, full, figures, letters, finishAll, undo };
}

/** A dispatch that is held back, so that events wait: a gate for each handler that holds it. */
async function startHeld(max: number, { maxBytes = 1_000_000, inside = 0 } = {}) {
  const test = await createTestBus({ ingress: { max, maxBytes } });
  const gates: Gate[] = [];
  test.bus.on(
    'hold',
    async (_, { emit }) => {
      const gate = createGate();
      gates.push(gate);
      await gate.promise;
      for (let i = 0; i < inside; i++) emit('inside', i);
    },
    { mailbox: { max: 1, overflow: 'wait' } },
  );
  for (let i = 0; i < 3; i++) test.bus.emit('hold', i);
  return { ...test, gates };
}

describe('a full mailbox', () => {
  refuseUnhandledRejections();

  it('makes a dead letter of the newcomer with `reject`, and nobody else notices', async () => {
    const { bus, got, full, figures, letters, finishAll } = await startSlow({ max: 2 });
    let others = 0;
    bus.on('a', () => void others++);
    const ids = [1, 2, 3, 4, 5].map((payload) => bus.emit('a', payload).id);
    expect(others).to.equal(5);
    expect(figures()).to.deep.include({ routed: 5, running: 1, queued: 2, dropped: 2 });
    expect(full).to.have.length(1);
    const kept = await letters();
    expect(kept.map(({ eventId }) => eventId)).to.deep.equal(ids.slice(3));
    expect(kept[0]).to.deep.include({ reason: 'mailbox-full', recipient: 'a', position: 4 });
    expect(kept[0]!.error.code).to.equal('MAILBOX_FULL');
    expect(kept[0]!.error.message).to.include('2 of 2 events');
    await finishAll();
    expect(got).to.deep.equal([1, 2, 3]);
  });

  it('drops the oldest with `drop-oldest`, summed up in one letter a second', async () => {
    const { bus, clock, got, figures, letters, finishAll } = await startSlow({ max: 2, overflow: 'drop-oldest' });
    const ids = [1, 2, 3, 4, 5].map((payload) => bus.emit('a', payload).id);
    expect(figures()).to.deep.include({ routed: 5, running: 1, queued: 2, dropped: 2 });
    expect(await letters()).to.deep.equal([]);
    await clock.advance(1_000);
    const kept = await letters();
    expect(kept).to.have.length(1);
    expect(kept[0]).to.deep.include({ reason: 'dropped', recipient: 'a', count: 2, eventId: ids[2] });
    await finishAll();
    expect(got).to.deep.equal([1, 4, 5]);
  });

  it('keeps the latest of each key with `latest-by-key`', async () => {
    const options = { key: 'payload.key', concurrency: 1 };
    const { bus, got, figures, finishAll } = await startSlow({ max: 3, overflow: 'latest-by-key' }, options);
    const jobs = ['x1', 'x2', 'y1', 'x3', 'y2', 'x4'].map((text) => ({ key: text[0], text }));
    for (const job of jobs) bus.emit('a', job);
    expect(figures()).to.deep.include({ routed: 6, running: 1, queued: 2, dropped: 3 });
    await finishAll();
    expect(got.map((job) => (job as { text: string }).text).toSorted()).to.deep.equal(['x1', 'x4', 'y2']);
  });

  it('refuses `latest-by-key` without a key', async () => {
    const { bus } = await createTestBus();
    const subscribe = () => bus.on('a', () => undefined, { mailbox: { overflow: 'latest-by-key' } });
    expect(subscribe).to.throw().with.property('code', 'INVALID_OPTION');
  });

  it('counts bytes too, and takes any single event', async () => {
    const { bus, figures } = await startSlow({ maxBytes: 5_000 });
    const text = 'x'.repeat(2_000);
    for (let i = 0; i < 5; i++) bus.emit('a', text);
    expect(figures()).to.deep.include({ running: 1, queued: 2, dropped: 2 });
    expect(figures().queuedBytes).to.be.within(4_000, 5_000);
    const { bus: other, figures: its } = await startSlow({ maxBytes: 100 });
    other.emit('a', 1);
    other.emit('a', text);
    other.emit('a', 2);
    expect(its()).to.deep.include({ running: 1, queued: 1, dropped: 1 });
  });

  it('counts dropped transient events by type, without a letter', async () => {
    const { bus, letters } = await startSlow({ max: 1 });
    for (let i = 0; i < 4; i++) bus.emit('a', i, { transient: true });
    expect(bus.metrics().transientDropped).to.deep.equal({ a: 2 });
    expect(await letters()).to.deep.equal([]);
  });

  const commands = fc.array(
    fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({ do: fc.constant('emit' as const), bytes: fc.integer({ min: 1, max: 4_000 }) }),
      },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('finish' as const), ok: fc.boolean() }) },
    ),
    { maxLength: 80, size: 'max' },
  );
  const overflow = fc.constantFrom('reject', 'drop-oldest', 'latest-by-key', 'wait');

  it('stays within its bounds, and its books balance to the event, under every policy', async () => {
    const terms = { max: fc.integer({ min: 1, max: 6 }), maxBytes: fc.integer({ min: 300, max: 20_000 }), overflow };
    await fc.assert(
      fc.asyncProperty(fc.record(terms), fc.boolean(), commands, async (mailbox, keyed, list) => {
        const key = keyed || mailbox.overflow === 'latest-by-key' ? { key: 'payload.key' } : {};
        const { bus, clock, gates, figures } = await startSlow(mailbox, key);
        bus.on('$bus.handler.failed', () => undefined);
        let emitted = 0;
        let done = 0;
        for (const one of list) {
          if (one.do === 'emit') bus.emit('a', { key: emitted++ % 3, text: 'x'.repeat(one.bytes) });
          else if (gates[done]) gates[done++]![one.ok ? 'open' : 'fail'](undefined);
          await turn();
          expectBalanced(figures());
          expect(figures().queued).to.be.at.most(mailbox.max);
          if (figures().queued > 1) expect(figures().queuedBytes).to.be.at.most(mailbox.maxBytes);
        }
        for (; done < gates.length; done++) {
          gates[done]!.open();
          await clock.advance(5_001);
        }
        expectBalanced(figures());
        const { routed, handled, failed, dropped } = figures();
        expect(routed).to.equal(emitted);
        expect(handled + failed + dropped).to.equal(emitted);
      }),
      { numRuns: 50 },
    );
  });

  it('keeps no more than is queued where one of many keys is stuck and the oldest go', async () => {
    const options = { key: 'payload', concurrency: 1 };
    const { bus, figures, got, finishAll } = await startSlow({ max: 10, overflow: 'drop-oldest' }, options);
    for (let i = 0; i < 5_000; i++) bus.emit('a', i);
    expect(figures()).to.deep.include({ queued: 10, dropped: 4_989 });
    await finishAll();
    expect(got).to.deep.equal([0, ...Array.from({ length: 10 }, (_, i) => 4_990 + i)]);
  });
});

describe('a mailbox with overflow `wait`', () => {
  refuseUnhandledRejections();

  it('holds the dispatch back until it has room, and loses nothing', async () => {
    const { bus, gates, got, figures } = await startSlow({ max: 1, overflow: 'wait' });
    const others: unknown[] = [];
    bus.on('**', ({ payload }) => void others.push(payload));
    for (const payload of [1, 2, 3, 4]) bus.emit('a', payload);
    bus.emit('b', 5);
    // One runs, one waits in the mailbox, the third waits to be dispatched and everything behind it.
    expect(others).to.deep.equal([1, 2]);
    expect(bus.metrics().ingress.events).to.equal(3);
    gates[0]!.open();
    await turn();
    expect(others).to.deep.equal([1, 2, 3]);
    gates[1]!.open();
    await turn();
    expect(others).to.deep.equal([1, 2, 3, 4, 5]);
    gates[2]!.open();
    await turn();
    expect(got).to.deep.equal([1, 2, 3, 4]);
    expect(figures()).to.deep.include({ dropped: 0 });
  });

  it('turns the event away after five seconds', async () => {
    const { bus, clock, figures, letters } = await startSlow({ max: 1, overflow: 'wait' });
    let others = 0;
    bus.on('b', () => void others++);
    for (const payload of [1, 2, 3]) bus.emit('a', payload);
    bus.emit('b', 4);
    await clock.advance(4_999);
    expect([figures().dropped, others]).to.deep.equal([0, 0]);
    await clock.advance(1);
    expect([figures().dropped, others]).to.deep.equal([1, 1]);
    expect((await letters())[0]).to.deep.include({ reason: 'mailbox-full', position: 3 });
  });

  it('waits once for a handler that hangs, and again when one has ended', async () => {
    const { bus, clock, gates, figures, letters } = await startSlow({ max: 1, overflow: 'wait' });
    const others: unknown[] = [];
    bus.on('**', ({ payload }) => void others.push(payload));
    for (const payload of [1, 2, 3, 4, 5]) bus.emit('a', payload);
    bus.emit('b', 6);
    expect(others).to.deep.equal([1, 2]);
    await clock.advance(5_000);
    expect(others).to.deep.equal([1, 2, 3, 4, 5, 6]);
    bus.emit('a', 7);
    expect(others.at(-1)).to.equal(7);
    expect(figures().dropped).to.equal(4);
    expect(await letters()).to.have.length(4);
    gates[0]!.open();
    await turn();
    bus.emit('a', 8);
    bus.emit('a', 9);
    expect(others.at(-1)).to.equal(8);
    gates[1]!.open();
    await turn();
    expect(others.at(-1)).to.equal(9);
    expect(figures()).to.deep.include({ dropped: 4, handled: 2, running: 1, queued: 1 });
  });

  it('still waits for a healthy member of a group when another hangs', async () => {
    const { bus, clock } = await createTestBus();
    const gates: Gate[] = [];
    const got: string[] = [];
    const join = (name: string) =>
      bus.on(
        'a',
        async ({ payload }) => {
          got.push(`${name}${payload as number}`);
          const gate = createGate();
          gates.push(gate);
          await gate.promise;
        },
        { group: 'g', mailbox: { max: 1, overflow: 'wait' } },
      );
    join('hangs ');
    join('works ');
    for (let i = 1; i <= 5; i++) bus.emit('a', i);
    await clock.advance(5_000);
    const dropped = (): number => bus.metrics().subscriptions.reduce((sum, one) => sum + one.dropped, 0);
    // Both were given up; one goes on, so the next that finds no room is waited with.
    expect([got, dropped()]).to.deep.equal([['hangs 1', 'works 2'], 1]);
    for (let i = 6; i <= 8; i++) {
      gates[i - 5]!.open();
      await turn();
      bus.emit('a', i);
      bus.emit('a', i + 10);
      expect([dropped(), bus.metrics().ingress.events], String(i)).to.deep.equal([1, i - 5]);
    }
  });

  it('goes on at once when the subscription is removed', async () => {
    const { bus, ofType, undo } = await startSlow({ max: 1, overflow: 'wait' });
    for (const payload of [1, 2, 3]) bus.emit('a', payload);
    expect(ofType('a')).to.have.length(2);
    undo();
    expect(ofType('a')).to.have.length(3);
  });

  for (const transient of [false, true]) {
    it(`never waits for a subscription it is called from${transient ? ', for transient events too' : ''}`, async () => {
      const { bus } = await createTestBus();
      const gate = createGate();
      bus.on(
        'a',
        async ({ payload }, { emit }) => {
          if (payload !== 0) return;
          for (let i = 1; i <= 3; i++) emit('a', i, { transient });
          bus.withContext({ correlationId: 'other' }, () => bus.emit('a', 4, { transient }));
          await gate.promise;
        },
        { mailbox: { max: 1, overflow: 'wait' } },
      );
      bus.emit('a', 0, { transient });
      const figures = () => bus.metrics().subscriptions.at(-1);
      expect(figures()).to.deep.include({ routed: 5, running: 1, queued: 1, dropped: 3 });
      gate.open();
      await turn();
      expect(figures()).to.deep.include({ handled: 2, running: 0, queued: 0 });
    });
  }

  it('never makes a handler wait that publishes into its own: the event is stored, and a letter says why it is not handled', async () => {
    const { bus } = await createTestBus({ store: memory() });
    const receipts: Receipt[] = [];
    const handled: unknown[] = [];
    bus.on(
      'a',
      async ({ payload }, { publish }) => {
        handled.push(payload);
        if (payload !== 0) return;
        for (let i = 1; i <= 3; i++) receipts.push(await publish('a', i));
      },
      { mailbox: { max: 1, overflow: 'wait' } },
    );
    // The clock stands still: whoever waited would wait for ever.
    await bus.publish('a', 0);
    await turnsUntil(() => handled.length === 2);
    const positions = receipts.map(({ position }) => position);
    expect((await bus.query({ type: 'a', after: 1 })).events.map(({ position }) => position)).to.deep.equal(positions);
    expect(handled).to.deep.equal([0, 1]);
    await bus.flush();
    const letters = await bus.deadLetters.list();
    expect(letters.map(({ position, error }) => [position, error.code]).toReversed()).to.deep.equal([
      [positions[1], 'MAILBOX_FULL'],
      [positions[2], 'MAILBOX_FULL'],
    ]);
    expectBalanced(bus.metrics().subscriptions.find(({ pattern }) => pattern === 'a')!);
  });

  it('waits for another handler’s events, also for siblings below one transient event', async () => {
    const { bus, figures, finishAll } = await startSlow({ max: 1, overflow: 'wait' });
    bus.on('start', (_, { emit }) => {
      for (let i = 0; i < 5; i++) emit('a', i, { transient: true });
    });
    bus.emit('start', null, { transient: true });
    expect(figures()).to.deep.include({ routed: 2, dropped: 0 });
    await finishAll();
    expect(figures()).to.deep.include({ handled: 5, dropped: 0 });
  });

  it('does not wait for an event whose lane is free', async () => {
    const { bus, got, figures } = await startSlow({ max: 1, overflow: 'wait' }, { key: 'payload', concurrency: 4 });
    for (const payload of ['x', 'x', 'y', 'z']) bus.emit('a', payload);
    expect(got).to.deep.equal(['x', 'y', 'z']);
    expect(figures()).to.deep.include({ running: 3, queued: 1, dropped: 0 });
  });

  it('waits for a group only when all of its members are full', async () => {
    const { bus, ofType } = await createTestBus();
    const gates: Gate[] = [];
    const handler = async () => {
      const gate = createGate();
      gates.push(gate);
      await gate.promise;
    };
    for (let i = 0; i < 2; i++) bus.on('a', handler, { group: 'g', mailbox: { max: 1, overflow: 'wait' } });
    for (let i = 0; i < 6; i++) bus.emit('a', i);
    expect(ofType('a')).to.have.length(4);
    gates[1]!.open();
    await turn();
    expect(ofType('a')).to.have.length(5);
  });
});

describe('a full ingress', () => {
  refuseUnhandledRejections();

  it('makes `emit` throw INGRESS_FULL before anything has happened', async () => {
    const { bus, ofType } = await startHeld(3);
    bus.emit('a', 1);
    bus.emit('a', 2);
    expect(() => bus.emit('a', 3))
      .to.throw()
      .with.property('code', 'INGRESS_FULL');
    const { offered, accepted, refused } = bus.metrics();
    expect([offered, accepted, refused]).to.deep.equal([6, 5, 1]);
    expect(ofType('a')).to.deep.equal([]);
  });

  it('counts bytes too', async () => {
    const { bus } = await startHeld(100, { maxBytes: 5_000 });
    bus.emit('a', 'x'.repeat(4_000));
    expect(() => bus.emit('a', 'x'.repeat(4_000)))
      .to.throw()
      .with.property('code', 'INGRESS_FULL');
    bus.emit('a', 1);
  });

  it('makes `publish` wait its turn; waiting publishes go before what is emitted later', async () => {
    const { bus, gates, ofType } = await startHeld(2);
    bus.emit('a', 'emitted first');
    const receipts = ['p1', 'p2', 'p3'].map((payload) => bus.publish('a', payload));
    await turn();
    expect(bus.metrics()).to.deep.include({ offered: 7, accepted: 7, waiting: 3, stored: 4 });
    expect(() => bus.emit('a', 'emitted later'))
      .to.throw()
      .with.property('code', 'INGRESS_FULL');
    gates[0]!.open();
    await turn();
    // There is room, and still nobody comes before those that wait.
    bus.emit('a', 'emitted last');
    for (let i = 1; i < 3; i++) {
      gates[i]?.open();
      await turn();
    }
    await Promise.all(receipts);
    const order = ofType('a').map(({ payload }) => payload);
    expect(order).to.deep.equal(['emitted first', 'p1', 'p2', 'p3', 'emitted last']);
  });

  it('lets nothing small slip past a publish that waits for its bytes', async () => {
    const { bus, gates, ofType } = await startHeld(100, { maxBytes: 5_000 });
    bus.emit('a', 'x'.repeat(4_000));
    const receipt = bus.publish('a', 'y'.repeat(4_000));
    await turn();
    expect(() => bus.emit('a', 'small'))
      .to.throw()
      .with.property('code', 'INGRESS_FULL');
    for (let i = 0; i < 3; i++) {
      gates[i]!.open();
      await turn();
    }
    await receipt;
    bus.emit('a', 'small');
    expect(ofType('a').map(({ payload }) => String(payload)[0])).to.deep.equal(['x', 'y', 's']);
  });

  it('never lets more publishes in than there is room for', async () => {
    const { bus, gates } = await startHeld(3);
    for (let i = 0; i < 30; i++) void bus.publish('b', i);
    let highest = 0;
    bus.on('b', () => {
      highest = Math.max(highest, bus.metrics().ingress.events);
    });
    for (let i = 0; i < 4; i++) {
      gates[i]?.open();
      await turn();
    }
    await bus.settled();
    expect(bus.metrics().subscriptions.at(-1)).to.deep.include({ handled: 30 });
    // The one that is being dispatched has left the queue.
    expect(highest).to.equal(2);
  });

  it('leaves a waiting publish out when it is aborted', async () => {
    const { bus, gates, ofType } = await startHeld(1);
    const abort = new AbortController();
    const given = bus.publish('a', 'aborted', { signal: abort.signal });
    const other = bus.publish('a', 'other');
    await turn();
    abort.abort();
    const error = await given.catch((reason: unknown) => reason);
    expect(error).to.have.property('code', 'ABORTED');
    for (let i = 0; i < 3; i++) {
      gates[i]?.open();
      await turn();
    }
    await other;
    expect(ofType('a').map(({ payload }) => payload)).to.deep.equal(['other']);
  });

  it('leaves handlers a reserve of the same size, which they do not wait for', async () => {
    const { bus, gates, ofType } = await startHeld(4, { inside: 3 });
    // Three in the queue: one of `hold` and these; the first handler adds three more.
    for (let i = 0; i < 3; i++) bus.emit('a', i);
    expect(() => bus.emit('a', 'outside'))
      .to.throw()
      .with.property('code', 'INGRESS_FULL');
    gates[0]!.open();
    await turn();
    expect(ofType('inside')).to.have.length(3);
    expect(bus.metrics().subscriptions.find(({ pattern }) => pattern === 'hold')).to.deep.include({ failed: 0 });
  });

  it('throws at a handler that exceeds the reserve, for `publish` too', async () => {
    const { bus } = await createTestBus({ ingress: { max: 2 } });
    const codes: unknown[] = [];
    bus.on('a', (_, { emit, publish }) => {
      for (let i = 0; i < 4; i++) emit('b', i);
      try {
        emit('b', 5);
      } catch (error) {
        codes.push((error as { code: string }).code);
      }
      return (publish('b', 6) as Promise<unknown>).catch((error: { code: string }) => codes.push(error.code));
    });
    bus.emit('a', null);
    await bus.settled();
    expect(codes).to.deep.equal(['INGRESS_FULL', 'INGRESS_FULL']);
  });
});
