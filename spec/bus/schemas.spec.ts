import { expect } from 'chai';
import { z } from 'zod';
import { defineEvents, transient } from '../../lib/event/define-events.ts';
import { createTestBus } from '../../lib/testing.ts';
import { memory } from '../../plugins/memory/index.ts';
import { codeOf, refusalOf } from '../support/code-of.ts';
import { logged } from '../support/logged.ts';
import { rejectionOf } from '../support/rejection-of.ts';

const events = defineEvents({
  'task.created': z.object({ title: z.string(), priority: z.number().default(1) }),
  token: transient(z.string()),
  'checked.later': z.object({ id: z.string().refine(async () => true) }),
  'order.placed': { version: 2, schema: z.object({ total: z.number(), currency: z.string() }) },
});

describe('schemas at the door', () => {
  it('accept or refuse; the input is stored, unknown keys and all', async () => {
    const { bus, events: seen } = await createTestBus({ events });
    bus.emit('task.created', { title: 'a', extra: true } as never);
    expect(seen[0]!.payload).to.deep.equal({ title: 'a', extra: true });
    const error = refusalOf(() => bus.emit('task.created', { title: 7 } as never));
    expect(error.code).to.equal('SCHEMA_REFUSED');
    expect(error.message).to.include('payload.title');
    expect((await rejectionOf(bus.publish('task.created', {} as never))).code).to.equal('SCHEMA_REFUSED');
    expect(codeOf(() => bus.batch().add('task.created', null as never))).to.equal('SCHEMA_REFUSED');
    await bus.flush();
    expect(await bus.deadLetters.list()).to.have.length(3);
  });

  it('store their output where validate is transform', async () => {
    const { bus, events: seen } = await createTestBus({ events, validate: 'transform' });
    bus.emit('task.created', { title: 'a', extra: true } as never);
    expect(seen[0]!.payload).to.deep.equal({ title: 'a', priority: 1 });
  });

  it('must answer at once: SCHEMA_ASYNC', async () => {
    const { bus } = await createTestBus({ events });
    expect(codeOf(() => bus.emit('checked.later', { id: 'x' }))).to.equal('SCHEMA_ASYNC');
  });

  it('stamp the current version, or check the one the caller names', async () => {
    const { bus } = await createTestBus({ events });
    expect(bus.emit('order.placed', { total: 1, currency: 'EUR' }).schemaVersion).to.equal(2);
    expect(codeOf(() => bus.emit('order.placed', { total: 1 } as never))).to.equal('SCHEMA_REFUSED');
    expect(bus.emit('order.placed', { total: 1 } as never, { schemaVersion: 1 }).schemaVersion).to.equal(1);
  });

  it('leave types without a schema alone, unless unknown types are refused', async () => {
    const { bus } = await createTestBus({ events });
    bus.emit('anything' as never, 1 as never);
    const strict = await createTestBus({ events, unknownTypes: 'refuse' });
    expect(codeOf(() => strict.bus.emit('anything' as never, 1 as never))).to.equal('UNKNOWN_TYPE');
    strict.bus.emit('token', 'x');
  });

  it('keep declared transient types out of the log', async () => {
    const store = memory();
    const { bus, ofType } = await createTestBus({ store, events });
    bus.emit('token', 'a');
    expect(await bus.publish('token', 'b')).to.include({ durability: 'none' });
    bus.emit('token', 'kept', { transient: false });
    expect(codeOf(() => bus.emit('token', 7 as never))).to.equal('SCHEMA_REFUSED');
    await bus.flush();
    expect(ofType('token')).to.have.length(3);
    expect((await logged(store, true)).map(({ payload }) => payload)).to.deep.equal(['kept']);
  });
});

describe('payloads at the door', () => {
  it('plain: anything is made plain first', async () => {
    const { bus, events: seen } = await createTestBus({ payload: 'plain' });
    bus.emit('a', { at: new Date(0), error: new Error('no'), n: 3n });
    expect(seen[0]!.payload).to.deep.include({ at: '1970-01-01T00:00:00.000Z', n: '3' });
  });

  it('trust: the object is passed as it is, and what the store gets is admitted there', async () => {
    const store = memory();
    const { bus, events: seen } = await createTestBus({ store, payload: 'trust' });
    const payload = { n: 1, gone: undefined };
    bus.emit('a', payload);
    expect(seen[0]!.payload).to.equal(payload);
    expect(Object.isFrozen(payload)).to.equal(false);
    await bus.flush();
    expect((await logged(store))[0]!.payload).to.deep.equal({ n: 1 });
  });

  it('may be set for one type', async () => {
    const { bus, events: seen } = await createTestBus({
      events: defineEvents({
        framework: { payload: 'plain' },
        fast: { payload: 'trust', schema: z.object({ n: z.number() }) },
        strict: { payload: 'copy' },
      }),
    });
    const payload = { n: 1 };
    bus.emit('fast', payload);
    bus.emit('framework', { at: new Date(0) });
    expect(seen[0]!.payload).to.equal(payload);
    expect(seen[1]!.payload).to.deep.equal({ at: '1970-01-01T00:00:00.000Z' });
    expect(codeOf(() => bus.emit('strict', new Date()))).to.equal('PAYLOAD_NOT_PLAIN');
  });

  it('of an undefined payload is null', async () => {
    for (const payload of ['copy', 'plain', 'trust'] as const) {
      const store = memory();
      const { bus } = await createTestBus({ store, payload });
      bus.emit('a', undefined);
      await bus.flush();
      expect((await logged(store))[0]!.payload).to.equal(null);
    }
  });

  it('are limited together with metadata, by the smaller limit of bus and store: what is delivered can be stored', async () => {
    const store = memory({ maxEventBytes: 10_000 });
    const { bus, events: seen } = await createTestBus({ store });
    const error = refusalOf(() => bus.emit('a', { small: 1, big: 'x'.repeat(10_000) }));
    expect(error.code).to.equal('PAYLOAD_TOO_LARGE');
    expect(error.message).to.include('payload.big');
    expect(codeOf(() => bus.emit('a', 'x'.repeat(6_000), { metadata: { m: 'x'.repeat(6_000) } }))).to.equal(
      'PAYLOAD_TOO_LARGE',
    );
    for (const length of [9_000, 9_500, 9_700, 9_742, 9_743, 9_744]) {
      try {
        bus.emit('a', 'x'.repeat(length));
      } catch {
        break;
      }
    }
    await bus.flush();
    expect(await logged(store)).to.have.length(seen.length);
    expect(seen.length).to.be.within(3, 5);
    const roomy = await createTestBus({ maxEventBytes: 20 * 2 ** 20 });
    expect(codeOf(() => roomy.bus.emit('a', 'x'.repeat(17 * 2 ** 20)))).to.equal('PAYLOAD_TOO_LARGE');
  });
});
