import { expect } from 'chai';
import { createBus } from '../../lib/bus.ts';
import type { TelltaleError } from '../../lib/errors.ts';
import { defineEvents } from '../../lib/event/define-events.ts';
import { createTestBus } from '../../lib/testing.ts';
import { memory } from '../../plugins/memory/index.ts';
import { refusalOf } from '../support/code-of.ts';
import { rejectionOf } from '../support/rejection-of.ts';

/** What is passed, the code, and what the text must name. */
type Case = readonly [given: unknown, names: string, code?: string];

const INVALID = 'INVALID_OPTION';

const run = (): undefined => undefined;

const ofCreateBus: readonly Case[] = [
  [7, 'createBus'],
  [[], 'createBus'],
  [{ sourse: 'x' }, '`sourse`'],
  [{ source: '' }, '`source`'],
  [{ source: 7 }, '`source`'],
  [{ source: 'x'.repeat(257) }, '`source`'],
  [{ source: 'lone \ud800' }, '`source`'],
  [{ store: {} }, '`store`'],
  [{ store: './events' }, '`store`'],
  [{ events: 7 }, '`events`'],
  [{ events: { a: 7 } }, '`a`'],
  [{ events: { a: { schem: 1 } } }, '`schem`'],
  [{ events: { a: { payload: 'fast' } } }, '`payload`'],
  [{ events: { a: { transient: 'yes' } } }, '`transient`'],
  [{ events: { $a: {} } }, '`$a`', 'RESERVED_TYPE'],
  [{ events: { 'no type': {} } }, 'no type', 'INVALID_TYPE'],
  [{ validate: 'maybe' }, '`validate`'],
  [{ unknownTypes: 'drop' }, '`unknownTypes`'],
  [{ admit: [7] }, '`admit.0`'],
  [{ admit: () => null }, '`admit`'],
  [{ payload: 'fast' }, '`payload`'],
  [{ maxEventBytes: 0 }, '`maxEventBytes`'],
  [{ dispatch: 'later' }, '`dispatch`'],
  [{ ingress: { max: 0 } }, '`ingress.max`'],
  [{ ingress: { size: 1 } }, '`ingress.size`'],
  [{ mailbox: { max: 1.5 } }, '`mailbox.max`'],
  [{ mailbox: { overflow: 'explode' } }, '`mailbox.overflow`'],
  [{ mailbox: { overflow: 'latest-by-key' } }, '`mailbox.overflow'],
  [{ mailbox: { overflow: 'lag' } }, '`mailbox.overflow'],
  [{ backlog: { events: -1 } }, '`backlog.events`'],
  [{ backlog: 5 }, '`backlog`'],
  [{ onStoreFailure: 'panic' }, '`onStoreFailure`'],
  [{ maxChain: 1 }, '`maxChain`'],
  [{ closeTimeout: true }, '`closeTimeout`'],
  [{ closeTimeout: 'soon' }, '`closeTimeout`', 'INVALID_DURATION'],
  [{ closeTimeout: -1 }, '`closeTimeout`', 'INVALID_DURATION'],
  [{ clock: {} }, '`clock`'],
  [{ clock: { monotonic: () => 0 } }, '`clock`'],
];

const ofSubscribe: readonly Case[] = [
  [7, 'on('],
  [null, 'on('],
  [{ wher: {} }, '`wher`'],
  [{ where: 'type = a' }, '`where`'],
  [{ where: { type: { $regex: 'a' } } }, '$regex', 'INVALID_FILTER'],
  [{ key: 7 }, '`key`'],
  [{ key: 'nofield' }, '`key`'],
  [{ key: 'user.name' }, '`key`'],
  [{ key: 'id.x' }, '`key`'],
  [{ key: '' }, 'path', 'INVALID_PATH'],
  [{ key: 'payload.__proto__' }, '__proto__', 'INVALID_PATH'],
  [{ concurrency: 0 }, '`concurrency`'],
  [{ concurrency: '4' }, '`concurrency`'],
  [{ group: '' }, '`group`'],
  [{ retry: 'often' }, '`retry`'],
  [{ retry: { attempts: 0 } }, '`retry.attempts`'],
  [{ retry: { tries: 1 } }, '`retry.tries`'],
  [{ mailbox: { overflow: 'latest-by-key' } }, '`key`'],
  [{ mailbox: { overflow: 'lag' } }, '`mailbox.overflow`'],
  [{ signal: 'stop' }, '`signal`'],
];

const ofEmit: readonly Case[] = [
  [7, 'options of an event'],
  [null, 'options of an event'],
  ['text', 'options of an event'],
  [[], 'options of an event'],
  [{ correlation: 'x' }, '`correlation`'],
  [{ transient: 'yes' }, '`transient`'],
  [{ source: '' }, '`source`'],
  [{ source: 'é'.repeat(129) }, '`source`'],
  [{ schemaVersion: 0 }, '`schemaVersion`'],
  [{ schemaVersion: '2' }, '`schemaVersion`'],
  [{ id: '' }, 'the event id', 'INVALID_ID'],
  [{ id: 'x'.repeat(257) }, 'the event id', 'INVALID_ID'],
  [{ id: 'lone \ud800' }, 'the event id', 'INVALID_ID'],
  [{ correlationId: 7 }, '`correlationId`', 'INVALID_ID'],
  [{ causationId: '' }, '`causationId`', 'INVALID_ID'],
  [{ time: 'yesterday' }, 'the time', 'INVALID_TIME'],
  [{ time: NaN }, 'the time', 'INVALID_TIME'],
  [{ time: '2026-01-01T00:00:00' }, 'zone', 'INVALID_TIME'],
  [{ entity: 'agent' }, 'kind/id', 'INVALID_ENTITY'],
  [{ entity: '$audit/1' }, '$audit/1', 'RESERVED_TYPE'],
  [{ metadata: 'text' }, 'metadata', 'PAYLOAD_NOT_PLAIN'],
  [{ metadata: null }, 'metadata', 'PAYLOAD_NOT_PLAIN'],
  [{ metadata: ['a'] }, 'metadata', 'PAYLOAD_NOT_PLAIN'],
  [{ metadata: { $trace: 1 } }, '$trace', 'RESERVED_TYPE'],
  [{ metadata: { priority: 'urgent' } }, '`metadata.priority`'],
  [{ metadata: { priority: 5 } }, '`metadata.priority`'],
  [{ metadata: { priority: null } }, '`metadata.priority`'],
  [{ metadata: { tags: 'a' } }, '`metadata.tags`'],
  [{ metadata: { tags: ['a', 1] } }, '`metadata.tags`'],
  [{ metadata: { tags: { a: 1 } } }, '`metadata.tags`'],
];

const ofPublish: readonly Case[] = [
  [{ expect: 'some' }, '`expect`'],
  [{ expect: -1 }, '`expect`'],
  [{ expect: 1.5 }, '`expect`'],
  [{ expect: { query: {} } }, '`expect`'],
  [{ expect: { query: { type: { $regex: 'a' } }, after: 0 } }, '$regex', 'INVALID_FILTER'],
  [{ expect: 'none', transient: true }, '`expect`'],
  [{ signal: {} }, '`signal`'],
];

const types: readonly Case[] = [
  ['', 'event type', 'INVALID_TYPE'],
  ['a b', 'event type', 'INVALID_TYPE'],
  ['a..b', 'event type', 'INVALID_TYPE'],
  ['task.*', 'event type', 'INVALID_TYPE'],
  [Array.from({ length: 17 }, () => 'a').join('.'), 'event type', 'INVALID_TYPE'],
  [undefined, 'event type', 'INVALID_TYPE'],
  [{}, 'event type', 'INVALID_TYPE'],
  ['$bus.mine', 'event type', 'RESERVED_TYPE'],
];

const patterns: readonly Case[] = [
  ['', 'pattern', 'INVALID_PATTERN'],
  ['a.b*', 'pattern', 'INVALID_PATTERN'],
  ['a..b', 'pattern', 'INVALID_PATTERN'],
  [7, 'pattern', 'INVALID_PATTERN'],
];

function mustName(error: TelltaleError, [given, names, code = INVALID]: Case): void {
  expect(error.code, JSON.stringify(given)).to.equal(code);
  expect(error.message).to.include(names);
}

describe('bad input', () => {
  it('to createBus gives one typed error that names the option', async () => {
    for (const one of ofCreateBus) mustName(await rejectionOf(createBus(one[0] as never)), one);
  });

  it('says what was expected and what came', async () => {
    expect((await rejectionOf(createBus({ ingress: { max: 0 } }))).message).to.equal(
      'expected `ingress.max` of createBus to be an integer from 1, got 0 (number)',
    );
    const { bus } = await createTestBus();
    expect(refusalOf(() => bus.emit('a', null, { transient: 'yes' as never })).message).to.equal(
      'expected `transient` to be true or false, got "yes" (string)',
    );
  });

  it('to createBus leaves no store open behind it', async () => {
    const store = memory();
    await rejectionOf(createBus({ store, events: { $a: {} } as never }));
    expect(store.health().status).to.equal('closed');
  });

  it('to on gives one typed error that names the option', async () => {
    const { bus } = await createTestBus();
    for (const one of ofSubscribe)
      mustName(
        refusalOf(() => bus.on('a', () => undefined, one[0] as never)),
        one,
      );
    for (const one of patterns)
      mustName(
        refusalOf(() => bus.on(one[0] as never, () => undefined)),
        one,
      );
    mustName(
      refusalOf(() => bus.on('a', 'handler' as never)),
      [0, '`handler`'],
    );
    expect(bus.metrics().subscriptions).to.have.length(1);
  });

  it('to once, observe and iterate gives one typed error that names the option', async () => {
    const { bus } = await createTestBus();
    for (const bad of [{ wher: {} }, { key: 'payload.a' }, { signal: 7 }, { where: 7 }, null]) {
      const name = Object.keys(bad ?? {})[0] ?? 'options';
      mustName(await rejectionOf(bus.once('a', bad as never)), [bad, name]);
      mustName(
        refusalOf(() => bus.observe('a', bad as never)),
        [bad, name],
      );
      mustName(
        refusalOf(() => bus.iterate('a', bad as never)),
        [bad, name],
      );
    }
    mustName(await rejectionOf(bus.once('a', { timeout: 'soon' as never })), [0, '`timeout`', 'INVALID_DURATION']);
    for (const one of patterns) {
      mustName(await rejectionOf(bus.once(one[0] as never)), one);
      mustName(
        refusalOf(() => bus.observe(one[0] as never)),
        one,
      );
      mustName(
        refusalOf(() => bus.iterate(one[0] as never)),
        one,
      );
    }
  });

  it('to emit, publish and batch gives one typed error, and nothing has happened', async () => {
    const { bus, events } = await createTestBus();
    for (const one of ofEmit) {
      mustName(
        refusalOf(() => bus.emit('a', null, one[0] as never)),
        one,
      );
      mustName(await rejectionOf(bus.publish('a', null, one[0] as never)), one);
      mustName(
        refusalOf(() => bus.batch().add('a', null, one[0] as never)),
        one,
      );
    }
    for (const one of types) {
      mustName(
        refusalOf(() => bus.emit(one[0] as never, null)),
        one,
      );
      mustName(await rejectionOf(bus.publish(one[0] as never, null)), one);
      mustName(
        refusalOf(() => bus.batch().add(one[0] as never, null)),
        one,
      );
    }
    const refused = 3 * (ofEmit.length + types.length);
    expect(events).to.deep.equal([]);
    expect(bus.metrics()).to.include({ refused });
    await bus.flush();
    expect(await bus.deadLetters.list({ limit: 1_000 })).to.have.length(refused);
  });

  it('to publish alone: what is expected, and the signal', async () => {
    const { bus, events } = await createTestBus();
    for (const one of ofPublish) {
      mustName(await rejectionOf(bus.publish('a', null, one[0] as never)), one);
      const [key] = Object.keys(one[0] as object);
      const error = refusalOf(() => bus.emit('a', null, one[0] as never));
      expect(error.code).to.equal(INVALID);
      expect(error.message).to.include(key);
    }
    expect(events).to.deep.equal([]);
  });

  it('to batch and commit', async () => {
    const { bus } = await createTestBus();
    const ofBatch: readonly Case[] = [
      [7, 'the options of batch'],
      [{ ids: 'x' }, 'not an option of batch (known: id)'],
      [{ name: 'x' }, '`name`'],
      [{ id: 7 }, 'the batch id', 'INVALID_ID'],
      [{ id: 'x'.repeat(241) }, 'the batch id', 'INVALID_ID'],
    ];
    for (const one of ofBatch)
      mustName(
        refusalOf(() => bus.batch(one[0] as never)),
        one,
      );
    const ofCommit: readonly Case[] = [
      [{ expects: 1 }, '`expects`'],
      [{ expect: 'some' }, '`expect`'],
      [null, 'the options of commit'],
    ];
    for (const one of ofCommit) {
      const batch = bus.batch().add('a', null);
      mustName(await rejectionOf(batch.commit(one[0] as never)), one);
      expect(await batch.commit()).to.include({ duplicate: false });
    }
  });

  it('to withContext, bind, record, pipeline and settled', async () => {
    const { bus } = await createTestBus();
    mustName(
      refusalOf(() => bus.withContext(7 as never, run)),
      [7, 'the context'],
    );
    mustName(
      refusalOf(() => bus.withContext({ user: 'u' } as never, run)),
      [7, '`user`'],
    );
    mustName(
      refusalOf(() => bus.withContext({ correlationId: '' }, run)),
      [7, '`correlationId`', 'INVALID_ID'],
    );
    mustName(
      refusalOf(() => bus.withContext({ metadata: ['a'] as never }, run)),
      [7, 'metadata', 'PAYLOAD_NOT_PLAIN'],
    );
    mustName(
      refusalOf(() => bus.withContext({ metadata: { priority: 'urgent' } }, run)),
      [7, '`metadata.priority`'],
    );
    mustName(
      refusalOf(() => bus.withContext({ metadata: { tags: [7] } }, run)),
      [7, '`metadata.tags`'],
    );
    mustName(
      refusalOf(() => bus.withContext({}, 'fn' as never)),
      [7, '`fn`'],
    );
    mustName(
      refusalOf(() => bus.bind('fn' as never)),
      [7, '`fn`'],
    );
    mustName(
      refusalOf(() => bus.record('tool', null, 'fn' as never)),
      [7, '`record`'],
    );
    mustName(
      refusalOf(() => bus.record('', null, run)),
      [7, 'event type', 'INVALID_TYPE'],
    );
    mustName(
      refusalOf(() => bus.pipeline('', 'a', (source) => source as never)),
      [7, 'pipeline'],
    );
    mustName(
      refusalOf(() => bus.pipeline('p', 'a', 7 as never)),
      [7, '`build`'],
    );
    for (const answer of [null, undefined, 7, 'text', {}]) {
      mustName(
        refusalOf(() => bus.pipeline('p', 'a', () => answer as never)),
        [answer, '`build`'],
      );
    }
    expect(bus.metrics().subscriptions).to.have.length(1);
    mustName(await rejectionOf(bus.settled({ timeout: 'soon' as never })), [7, '`timeout`', 'INVALID_DURATION']);
    mustName(await rejectionOf(bus.settled({ timeot: 1 } as never)), [7, '`timeot`']);
  });

  it('never mutates the caller’s options', async () => {
    const options = Object.freeze({ ingress: Object.freeze({ max: 5 }), events: defineEvents({ a: {} }) });
    const { bus } = await createTestBus(options);
    const given = Object.freeze({ metadata: Object.freeze({ userId: 'u' }) });
    bus.emit('a', null, given);
    bus.on('a', () => undefined, Object.freeze({ where: Object.freeze({ type: 'a' }) }));
  });
});
