import { expect } from 'chai';
import fc from 'fast-check';
import type { Bus } from '../../lib/api.ts';
import { createTestBus } from '../../lib/testing.ts';
import { expectBalanced } from '../support/balance.ts';
import { createGate, turn, type Gate } from '../support/turns.ts';
import { refuseUnhandledRejections } from '../support/unhandled.ts';

/** A member that takes its time: what it got, and the gates of what it runs. */
function addMember(bus: Bus, options: object = {}) {
  const got: unknown[] = [];
  const gates: Gate[] = [];
  const undo = bus.on(
    'job',
    async ({ payload }) => {
      got.push(payload);
      const gate = createGate();
      gates.push(gate);
      await gate.promise;
    },
    { group: 'pool', ...options },
  );
  return { got, gates, undo };
}

describe('a group', () => {
  refuseUnhandledRejections();

  it('gives each event to exactly one member, by turns where all are idle', async () => {
    const { bus } = await createTestBus();
    const got: unknown[][] = [[], [], []];
    for (const list of got) bus.on('job', ({ payload }) => void list.push(payload), { group: 'pool' });
    for (let i = 0; i < 6; i++) bus.emit('job', i);
    expect(got).to.deep.equal([
      [0, 3],
      [1, 4],
      [2, 5],
    ]);
  });

  it('leaves other groups and plain subscriptions of the pattern alone', async () => {
    const { bus } = await createTestBus();
    const counts = { pool: 0, other: 0, plain: 0 };
    for (const group of ['pool', 'pool', 'other'] as const) bus.on('job', () => void counts[group]++, { group });
    bus.on('job', () => void counts.plain++);
    for (let i = 0; i < 4; i++) bus.emit('job', i);
    expect(counts).to.deep.equal({ pool: 4, other: 4, plain: 4 });
  });

  it('gives each event to the member with most free credit', async () => {
    const { bus } = await createTestBus();
    const wide = addMember(bus, { concurrency: 4 });
    const narrow = addMember(bus);
    for (let i = 0; i < 7; i++) bus.emit('job', i);
    // Four at once against one: the wide member is filled up first.
    expect([wide.got.length, narrow.got.length]).to.deep.equal([4, 1]);
    narrow.gates[0]!.open();
    await turn();
    bus.emit('job', 7);
    const loads = bus.metrics().subscriptions.filter(({ group }) => group === 'pool');
    expect(loads.map(({ running, queued }) => running + queued)).to.deep.equal([5, 2]);
  });

  it('keeps the events of a key with one member while any of them is outstanding', async () => {
    const { bus } = await createTestBus();
    const members = [addMember(bus, { key: 'payload.key' }), addMember(bus, { key: 'payload.key' })];
    for (const number of [1, 2, 3]) bus.emit('job', { key: 'x', number });
    bus.emit('job', { key: 'y', number: 4 });
    const [first, second] = members as [(typeof members)[0], (typeof members)[0]];
    expect(first.got).to.deep.equal([{ key: 'x', number: 1 }]);
    expect(second.got).to.deep.equal([{ key: 'y', number: 4 }]);
    second.gates[0]!.open();
    for (const gate of [0, 1]) {
      first.gates[gate]!.open();
      await turn();
    }
    // One is still outstanding, and the other member is idle.
    bus.emit('job', { key: 'x', number: 5 });
    for (const gate of [2, 3]) {
      first.gates[gate]!.open();
      await turn();
    }
    expect(first.got.map((job) => (job as { number: number }).number)).to.deep.equal([1, 2, 3, 5]);
    // Nothing of the key is outstanding any more: it may go to whoever has most credit.
    bus.emit('job', { key: 'z', number: 6 });
    bus.emit('job', { key: 'x', number: 7 });
    expect([first.got.length, second.got.length]).to.deep.equal([5, 2]);
  });

  it('hands what a removed member had queued to the others, in order and with its own cause', async () => {
    const { bus, ofType } = await createTestBus();
    const busy = addMember(bus);
    const first = bus.emit('job', 1);
    const queued = [2, 3].map((payload) => bus.emit('job', payload));
    const seen: unknown[] = [];
    bus.on(
      'job',
      ({ payload }) => {
        seen.push(payload);
        bus.emit('done', payload);
      },
      { group: 'pool' },
    );
    bus.withContext({ correlationId: 'elsewhere' }, () => busy.undo());
    expect(seen).to.deep.equal([2, 3]);
    expect(ofType('done').map(({ causationId }) => causationId)).to.deep.equal(queued.map(({ id }) => id));
    expect(ofType('done')[0]!.correlationId).to.equal(queued[0]!.id).and.not.equal(first.id);
  });

  it('handles what is handed over while a synchronous member is running', async () => {
    const { bus } = await createTestBus();
    const busy = addMember(bus);
    const seen: unknown[] = [];
    bus.emit('job', 1);
    bus.emit('job', 2);
    bus.on(
      'job',
      ({ payload }) => {
        if (payload === 3) busy.undo();
        seen.push(payload);
      },
      { group: 'pool' },
    );
    bus.emit('job', 3);
    expect(seen).to.deep.equal([3, 2]);
    await turn();
    expect(bus.metrics().subscriptions.at(-1)).to.deep.include({ handled: 2, queued: 0, running: 0 });
  });

  it('drops nothing and hands over nothing when its last member goes, and can be joined again', async () => {
    const { bus } = await createTestBus();
    const only = addMember(bus);
    bus.emit('job', 1);
    bus.emit('job', 2);
    only.undo();
    bus.emit('job', 3);
    const next = addMember(bus);
    bus.emit('job', 4);
    expect([only.got, next.got]).to.deep.equal([[1], [4]]);
  });

  it('keeps a key with the member that took it over, whatever the removed one still runs', async () => {
    const { bus } = await createTestBus();
    const options = { key: 'payload.key' };
    const [a, b, c] = [addMember(bus, options), addMember(bus, options), addMember(bus, options)];
    bus.emit('job', { key: 'x', number: 1 });
    expect(a.got).to.have.length(1);
    a.undo();
    bus.emit('job', { key: 'x', number: 2 });
    const taker = b.got.length > 0 ? b : c;
    // The removed member's handler ends: that must not free the key for a third one.
    a.gates[0]!.open();
    await turn();
    for (const number of [3, 4, 5]) bus.emit('job', { key: 'x', number });
    expect([b.got.length, c.got.length]).to.have.members([0, 1]);
    for (let i = 0; i < 4; i++) {
      taker.gates[i]!.open();
      await turn();
    }
    expect(taker.got.map((job) => (job as { number: number }).number)).to.deep.equal([2, 3, 4, 5]);
  });

  it('forgets keys whose function does not answer the same twice', async () => {
    const { bus } = await createTestBus();
    let asked = 0;
    const key = () => `key ${asked++}`;
    const members = [addMember(bus, { key, concurrency: 1 }), addMember(bus, { key, concurrency: 1 })];
    for (let i = 0; i < 6; i++) bus.emit('job', i);
    for (let i = 0; i < 3; i++) {
      for (const { gates } of members) gates[i]!.open();
      await turn();
    }
    expect(members.map(({ got }) => got.length)).to.deep.equal([3, 3]);
  });

  it('gives every event to exactly one live member that accepts it, under random joining and leaving', async () => {
    const command = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant('emit' as const), key: fc.constantFrom('x', 'y', 'z') }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('finish' as const), pick: fc.nat(), ok: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('join' as const) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), pick: fc.nat() }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(command, { maxLength: 60, size: 'max' }), async (keyed, commands) => {
        const { bus } = await createTestBus();
        bus.on('$bus.handler.failed', () => undefined);
        const options = keyed ? { key: 'payload.key' } : {};
        const members = [addMember(bus, options)];
        const everyone = [...members];
        let emitted = 0;
        for (const one of commands) {
          const open = everyone.flatMap(({ gates }) => gates);
          if (one.do === 'emit') bus.emit('job', { key: one.key, number: emitted++ });
          else if (one.do === 'join') {
            const member = addMember(bus, options);
            members.push(member);
            everyone.push(member);
          } else if (one.do === 'leave' && members.length > 1) members.splice(one.pick % members.length, 1)[0]!.undo();
          else if (one.do === 'finish' && open.length > 0) open[one.pick % open.length]![one.ok ? 'open' : 'fail']();
          await turn();
          for (const figures of bus.metrics().subscriptions) expectBalanced(figures);
        }
        for (let i = 0; i <= emitted; i++) {
          for (const { gates } of everyone) for (const gate of gates) gate.open();
          await turn();
        }
        const numbers = everyone.flatMap(({ got }) => got.map((job) => (job as { number: number }).number));
        expect(numbers.toSorted((a, b) => a - b)).to.deep.equal(Array.from({ length: emitted }, (_, i) => i));
      }),
      { numRuns: 30 },
    );
  });
});
