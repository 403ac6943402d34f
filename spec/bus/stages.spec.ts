import { expect } from 'chai';
import sinon from 'sinon';
import type { TelltaleEvent } from '../../lib/event/event.ts';
import { createTestBus } from '../../lib/testing.ts';
import { memory } from '../../plugins/memory/index.ts';
import { codeOf, refusalOf } from '../support/code-of.ts';
import { logged } from '../support/logged.ts';
import { turn } from '../support/turn.ts';

const redact = (event: TelltaleEvent): TelltaleEvent => ({
  ...event,
  payload: { ...(event.payload as object), token: '[redacted]' },
});

describe('admit stages', () => {
  it('run in order and see what the one before made of the event', async () => {
    const { bus, events } = await createTestBus({
      admit: [
        (event) => ({ ...event, payload: [...(event.payload as unknown[]), 'first'] }),
        (event) => ({ ...event, payload: [...(event.payload as unknown[]), 'second'] }),
      ],
    });
    bus.emit('a', []);
    expect(events[0]!.payload).to.deep.equal(['first', 'second']);
  });

  it('change payload and metadata before anybody sees them, and the result is admitted and frozen', async () => {
    const store = memory();
    const { bus, events } = await createTestBus({ store, admit: [redact] });
    const returned = bus.emit('login', { user: 'u', token: 'secret' });
    expect(events[0]!.payload).to.deep.equal({ user: 'u', token: '[redacted]' });
    expect(returned.payload).to.deep.equal(events[0]!.payload);
    expect(Object.isFrozen(events[0]!.payload)).to.equal(true);
    await bus.flush();
    expect(JSON.stringify(await logged(store))).to.not.include('secret');
    const bad = await createTestBus({ admit: [(event) => ({ ...event, payload: new Date() })] });
    expect(codeOf(() => bad.bus.emit('a', null))).to.equal('PAYLOAD_NOT_PLAIN');
  });

  it('do not make a retry another event: content is what the caller gave', async () => {
    let serial = 0;
    const { bus } = await createTestBus({
      admit: [(event) => ({ ...event, metadata: { ...event.metadata, serial: ++serial } })],
    });
    const first = await bus.publish('a', 1, { id: 'mine' });
    const again = await bus.publish('a', 1, { id: 'mine' });
    expect(again).to.include({ duplicate: true, position: first.position });
  });

  it('drop an event by answering null: counted, delivered to nobody, stored nowhere, no letter', async () => {
    const store = memory();
    const { bus, events } = await createTestBus({ store, admit: [() => null] });
    bus.emit('a', null);
    await bus.flush();
    expect(events).to.deep.equal([]);
    expect(await logged(store, true)).to.deep.equal([]);
    expect(bus.metrics()).to.include({ offered: 1, refused: 1, droppedByStages: 1, accepted: 0 });
  });

  it('that throw refuse the event, with the stage named', async () => {
    const cause = new Error('no');
    const strict = (): never => {
      throw cause;
    };
    const { bus, events } = await createTestBus({ admit: [strict] });
    const error = refusalOf(() => bus.emit('a', null));
    expect(error).to.include({ code: 'STAGE_FAILED', cause });
    expect(error.message).to.include('`strict`').and.include('no');
    expect(events).to.deep.equal([]);
    await bus.flush();
    expect(await bus.deadLetters.list()).to.have.length(1);
  });

  it('that answer anything else, a promise too, refuse the event; a rejected promise ends no process', async () => {
    const unhandled = sinon.spy();
    process.once('unhandledRejection', unhandled);
    try {
      for (const answer of [undefined, 7, 'a', {}, 'reject']) {
        const { bus } = await createTestBus({
          admit: [() => (answer === 'reject' ? Promise.reject(new Error('late')) : answer) as never],
        });
        expect(codeOf(() => bus.emit('a', null))).to.equal('STAGE_FAILED');
      }
      await turn();
      await turn();
      expect(unhandled.callCount).to.equal(0);
    } finally {
      process.removeListener('unhandledRejection', unhandled);
    }
  });

  it('may change payload and metadata only', async () => {
    for (const field of ['type', 'source', 'correlationId', 'causationId', 'entity', 'time', 'schemaVersion', 'id']) {
      const { bus } = await createTestBus({ admit: [(event) => ({ ...event, [field]: 'other' })] });
      expect(
        codeOf(() => bus.emit('a', null)),
        field,
      ).to.equal('STAGE_FAILED');
    }
  });

  it('see the bus’s own events never', async () => {
    const seen: string[] = [];
    const { bus } = await createTestBus({ admit: [(event) => (seen.push(event.type), event)] });
    bus.on('$bus.**', () => undefined);
    bus.on('a', () => {
      throw new Error('no');
    });
    bus.emit('a', null);
    await bus.flush();
    expect(seen).to.deep.equal(['a']);
  });
});
