import { expect } from 'chai';
import sinon from 'sinon';
import { createVirtualClock } from '../../lib/clock.ts';
import { NO_CHAIN } from '../../lib/context.ts';
import { TelltaleError } from '../../lib/errors.ts';
import { Envelope } from '../../lib/event/envelope.ts';
import type { PendingAppend, Store } from '../../lib/store/port.ts';
import { onceWritten } from '../../lib/store/dead-letters.ts';
import { Writer, type WriteOutcome } from '../../lib/store/writer.ts';
import { buildEvent } from '../support/event-builder.ts';
import { rejectionOf } from '../support/rejection-of.ts';
import { turn } from '../support/turn.ts';

/** A store that only remembers what it is handed; each append is answered by hand. */
function open(limits = { events: 100, bytes: 100_000 }) {
  const clock = createVirtualClock();
  const queue: PendingAppend[] = [];
  const ended: string[] = [];
  const port = {
    store: { enqueue: (append: PendingAppend) => void queue.push(append) } as unknown as Store,
    clock,
    limits,
    ended: (envelopes: readonly Envelope[], outcome: WriteOutcome) =>
      void ended.push(`${envelopes.map(({ event }) => event.id).join('+')} ${outcome.status}`),
    unavailable: sinon.spy(),
    stopped: sinon.spy(),
  };
  const writer = new Writer(port);
  const write = (...ids: readonly string[]): readonly Envelope[] => {
    const envelopes = ids.map((id) => new Envelope(buildEvent({ id }), 100, false, true, NO_CHAIN, {}));
    writer.write(envelopes, { fresh: true });
    return envelopes;
  };
  let position = 0;
  const acknowledge = (duplicate = false): void => {
    for (const append of queue.splice(0)) {
      const receipt = { position: position + 1, revisions: append.events.map(() => 0), storedAt: clock.now() };
      append.acknowledged({ ...receipt, durability: 'memory', duplicate });
      position += append.events.length;
    }
  };
  const fail = (error: TelltaleError): void => {
    for (const append of queue.splice(0)) append.failed(error);
  };
  const { unavailable, stopped } = port;
  return { writer, clock, queue, ended, write, acknowledge, fail, unavailable, stopped };
}

const busy = (): TelltaleError => new TelltaleError('STORE_UNAVAILABLE', 'busy');
const broken = (): TelltaleError => new TelltaleError('STORE_FAILED', 'EIO');
const idsOf = (queue: readonly PendingAppend[]): readonly string[] =>
  queue.flatMap(({ events }) => events.map(({ id }) => id));

describe('Writer', () => {
  it('hands writes to the store at once, counts them until they are acknowledged, and gives them their positions', () => {
    const { writer, queue, write, acknowledge, ended } = open();
    const [a] = write('a');
    const batch = write('b', 'c');
    expect(idsOf(queue)).to.deep.equal(['a', 'b', 'c']);
    expect(writer.backlog).to.deep.equal({ events: 3, bytes: 300 });
    expect(a).to.include({ writing: true, position: 0 });
    acknowledge();
    expect([a!, ...batch].map(({ position, writing }) => [position, writing])).to.deep.equal([
      [1, false],
      [2, false],
      [3, false],
    ]);
    expect(writer.backlog).to.deep.equal({ events: 0, bytes: 0 });
    expect(ended).to.deep.equal(['a stored', 'b+c stored']);
  });

  it('holds everything after a failure and sends it again in order, with what came since, looked up', async () => {
    const { queue, clock, write, fail, acknowledge, unavailable, writer } = open();
    write('a');
    write('b');
    fail(busy());
    write('c');
    expect(queue).to.deep.equal([]);
    expect(writer.state).to.equal('retrying');
    await clock.advance(1_000);
    expect(idsOf(queue)).to.deep.equal(['a', 'b', 'c']);
    expect(queue.map(({ fresh }) => fresh)).to.deep.equal([false, false, true]);
    expect(unavailable.callCount).to.equal(1);
    acknowledge();
    expect(writer.state).to.equal('flowing');
  });

  it('waits longer after each failure, at most about 30 s, and starts anew after a success', async () => {
    const { clock, write, fail, acknowledge, unavailable } = open();
    write('a');
    for (let i = 0; i < 12; i++) {
      fail(busy());
      await clock.advance(40_000);
    }
    const waits = unavailable.args.map(([, , ms]) => ms as number);
    for (const [i, ms] of waits.entries()) {
      const middle = Math.min(100 * 2 ** i, 30_000);
      expect(ms).to.be.within(middle * 0.8, middle * 1.2);
    }
    acknowledge();
    write('b');
    fail(busy());
    await turn();
    expect(unavailable.lastCall.args[1]).to.equal(1);
  });

  it('takes the answer to its own second attempt for the first receipt', async () => {
    const { clock, fail, acknowledge, writer } = open();
    const outcomes: WriteOutcome[] = [];
    const envelope = new Envelope(buildEvent({ id: 'x' }), 100, false, true, NO_CHAIN, {});
    writer.write([envelope], { fresh: true, done: (outcome) => void outcomes.push(outcome) });
    fail(busy());
    await clock.advance(1_000);
    acknowledge(true);
    expect(outcomes[0]).to.deep.include({ status: 'stored' });
    expect((outcomes[0] as { receipt: object }).receipt).to.include({ duplicate: false });
  });

  it('ends a refused write alone', () => {
    const { queue, write, ended } = open();
    write('a');
    write('b');
    queue.shift()!.failed(new TelltaleError('EVENT_CONFLICT', 'other content'));
    expect(ended).to.deep.equal(['a refused']);
  });

  it('stops for good at STORE_FAILED: ends everything, tries nothing again, refuses all that comes', async () => {
    const { writer, queue, clock, write, fail, ended, stopped } = open();
    write('a');
    write('b');
    fail(broken());
    expect(ended).to.deep.equal(['a failed', 'b failed']);
    expect(writer).to.include({ state: 'stopped', lost: 2 });
    expect(writer.full()!.code).to.equal('STORE_FAILED');
    write('c');
    await clock.advance(3_600_000);
    expect(queue).to.deep.equal([]);
    expect(ended).to.include('c failed');
    expect(stopped.callCount).to.equal(1);
  });

  it('ends what it holds when the store turns out to have stopped', async () => {
    const { clock, write, fail, ended, queue } = open();
    write('a');
    write('b');
    fail(busy());
    await clock.advance(1_000);
    queue[0]!.failed(broken());
    queue[1]!.failed(broken());
    expect(ended).to.deep.equal(['a failed', 'b failed']);
  });

  it('is full by events and by bytes, with both in the text, and never for what comes first', () => {
    const { writer, write } = open({ events: 2, bytes: 250 });
    expect(writer.full(10, 10_000)).to.equal(undefined);
    write('a');
    expect(writer.full(1, 150)).to.equal(undefined);
    expect(writer.full(1, 151)!.code).to.equal('STORE_BACKLOG_FULL');
    expect(writer.full(2)!.message).to.include('1 of 2 events, 100 of 250 bytes');
    expect(writer.full(2)!.details).to.deep.equal({ events: 1, bytes: 100, maxEvents: 2, maxBytes: 250 });
  });

  it('names the last failure as the cause of a full backlog', () => {
    const { writer, write, fail } = open({ events: 1, bytes: 1_000 });
    write('a');
    const error = busy();
    fail(error);
    expect(writer.full()!.cause).to.equal(error);
  });

  describe('flush', () => {
    it('resolves at once when nothing waits, otherwise when what was written before it is stored', async () => {
      const { writer, write, queue, acknowledge } = open();
      await writer.flush();
      write('a');
      let flushed = false;
      const flush = writer.flush().then(() => (flushed = true));
      write('b');
      await turn();
      expect(flushed).to.equal(false);
      const later = queue.pop()!;
      acknowledge();
      await flush;
      expect(later.events[0]!.id).to.equal('b');
    });

    it('rejects when the store fails meanwhile, and tries at once when it has failed before', async () => {
      const { writer, write, fail, queue, acknowledge } = open();
      write('a');
      const flush = rejectionOf(writer.flush());
      fail(busy());
      const error = await flush;
      expect(error).to.include({ code: 'STORE_UNAVAILABLE' });
      expect(error.details).to.deep.equal({ events: 1, firstId: 'a' });
      const again = writer.flush();
      expect(idsOf(queue)).to.deep.equal(['a']);
      acknowledge();
      await again;
    });

    it('rejects for ever once the store has stopped', async () => {
      const { writer, write, fail } = open();
      write('a');
      fail(broken());
      expect((await rejectionOf(writer.flush())).message).to.include('1 events are not stored');
      expect((await rejectionOf(writer.flush())).code).to.equal('STORE_FAILED');
    });

    it('rejects when what was delivered is turned away, not when a conditional publish is', async () => {
      const { writer, write, queue } = open();
      write('a');
      const flush = rejectionOf(writer.flush());
      queue.shift()!.failed(new TelltaleError('PAYLOAD_NOT_PLAIN', 'a Date'));
      expect((await flush).code).to.equal('PAYLOAD_NOT_PLAIN');
      const [envelope] = write('b');
      envelope!.deferred = true;
      const fine = writer.flush();
      queue.shift()!.failed(new TelltaleError('EXPECTATION_FAILED', 'moved on'));
      await fine;
    });
  });

  it('gives up when told, tells everybody, and takes nothing after that', async () => {
    const { writer, write, ended, queue, clock, fail } = open();
    write('a', 'b');
    write('c');
    fail(busy());
    const flush = rejectionOf(writer.flush());
    queue.length = 0;
    expect(writer.abandon(new TelltaleError('STORE_CLOSED', 'closed'))).to.equal(3);
    expect(ended).to.deep.equal(['a+b failed', 'c failed']);
    expect((await flush).code).to.equal('STORE_CLOSED');
    await clock.advance(60_000);
    expect(queue).to.deep.equal([]);
    expect(writer.full()!.code).to.equal('STORE_FAILED');
  });

  it('calls whoever waits for an event once, in order, after its end has been dealt with', () => {
    const { write, acknowledge, ended } = open();
    const [envelope] = write('a');
    const calls: string[] = [];
    for (const name of ['first', 'second'])
      onceWritten(envelope!, (position) => void calls.push(`${name} ${position} after ${ended.length}`));
    acknowledge();
    onceWritten(envelope!, (position) => void calls.push(`late ${position}`));
    expect(calls).to.deep.equal(['first 1 after 1', 'second 1 after 1', 'late 1']);
  });
});
