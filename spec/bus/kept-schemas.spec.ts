import { expect } from 'chai';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { createBus } from '../../lib/bus.ts';
import type { BusOptions } from '../../lib/options.ts';
import type { StandardSchema } from '../../lib/event/schema.ts';
import { createTestBus } from '../../lib/testing.ts';
import { jsonFile } from '../../plugins/json-file/index.ts';
import { memory } from '../../plugins/memory/index.ts';
import { FlakyStore } from '../support/flaky-store.ts';
import { quickFolder } from '../support/quick-folder.ts';
import { turn } from '../support/turns.ts';

const order = z.object({ total: z.number(), note: z.string().optional() });

/** A schema of no library, with what it says about itself. */
const schemaOf = (about: object, validate = (value: unknown): object => ({ value })): StandardSchema =>
  ({ '~standard': { version: 1, vendor: 'test', validate }, ...about }) as unknown as StandardSchema;

const reportsOf = async (
  bus: { on(pattern: string, handler: (event: { type: string; payload: unknown }) => void): unknown },
  pattern: string,
) => {
  const reports: { type: string; payload: unknown }[] = [];
  bus.on(pattern, ({ type, payload }) => void reports.push({ type, payload }));
  return reports;
};

describe('schemas in the store', () => {
  it('are kept as JSON Schema, those declared at the start and those registered later', async () => {
    const store = memory();
    const { bus, clock } = await createTestBus({ store, events: { 'order.placed': { version: 2, schema: order } } });
    bus.schemas.register('order.paid', 1, z.object({ amount: z.number() }));
    await bus.flush();
    const documents = await store.listDocuments('schemas');
    expect(documents.map(({ key }) => key)).to.have.members(['order.placed@2', 'order.paid@1']);
    const kept = documents.find(({ key }) => key === 'order.placed@2')!.value as Record<string, unknown>;
    expect(kept).to.include({ type: 'order.placed', version: 2, vendor: 'zod', registeredAt: clock.now() });
    expect(kept['jsonSchema']).to.deep.include({
      type: 'object',
      properties: { total: { type: 'number' }, note: { type: 'string' } },
      required: ['total'],
    });
    expect(kept['hash']).to.be.a('string');
  });

  it('come from Standard JSON Schema, from a method of the schema, or are the schema itself', async () => {
    const { bus } = await createTestBus();
    const standard = schemaOf({});
    Object.assign(standard['~standard'], { jsonSchema: { input: () => ({ type: 'string' }) } });
    bus.schemas.register('a', 1, standard);
    bus.schemas.register('b', 1, schemaOf({ toJsonSchema: () => ({ type: 'number' }) }));
    bus.schemas.register('c', 1, schemaOf({ type: 'object', properties: { n: { type: 'integer' } } }));
    bus.schemas.register('d', 1, schemaOf({}));
    bus.schemas.register(
      'e',
      1,
      schemaOf({
        toJsonSchema: () => {
          throw new Error('no');
        },
      }),
    );
    const found = await bus.schemas.list();
    expect(found.map(({ type, jsonSchema }) => [type, jsonSchema])).to.deep.equal([
      ['a', { type: 'string' }],
      ['b', { type: 'number' }],
      ['c', { type: 'object', properties: { n: { type: 'integer' } } }],
      ['d', undefined],
      ['e', undefined],
    ]);
  });

  it('tell what this program declares and what only the store knows', async () => {
    const store = memory();
    const first = await createBus({ store, events: { a: z.string(), b: { version: 3, schema: z.number() } } });
    await first.close();
    const { bus } = await createTestBus({ store, events: { b: { version: 4 } } });
    bus.schemas.register('c', 1, undefined, { transient: true });
    const found = await bus.schemas.list();
    expect(found.map(({ type, version, declared, current }) => [type, version, declared, current])).to.deep.equal([
      ['a', 1, false, false],
      ['b', 3, false, false],
      ['b', 4, true, true],
      ['c', 1, true, true],
    ]);
    expect(await bus.schemas.get('a', 1)).to.deep.include({ vendor: 'zod', declared: false });
    expect(await bus.schemas.get('b')).to.deep.equal({
      type: 'b',
      version: 4,
      declared: true,
      current: true,
      transient: false,
    });
    expect(await bus.schemas.get('c')).to.include({ transient: true });
    expect(await bus.schemas.get('none')).to.equal(undefined);
  });

  it('are described without a store too', async () => {
    const bus = await createBus({ events: { a: z.string() } });
    expect((await bus.schemas.get('a'))!.jsonSchema).to.include({ type: 'string' });
    await bus.flush();
  });

  it('report once that one has changed under its version, and take the new one', async () => {
    const store = memory();
    const declare = (schema: StandardSchema) => createTestBus({ store, events: { a: schema } });
    const first = await declare(z.string());
    await first.bus.close();
    const same = await declare(z.string());
    const none = await reportsOf(same.bus, '$bus.schema.*');
    await same.bus.close();
    expect(none).to.deep.equal([]);
    const { bus } = await declare(z.number());
    const reports = await reportsOf(bus, '$bus.schema.*');
    await bus.flush();
    expect(reports).to.have.length(1);
    expect(reports[0]!.type).to.equal('$bus.schema.changed');
    const { type, version, before, now } = reports[0]!.payload as Record<string, unknown>;
    expect([type, version]).to.deep.equal(['a', 1]);
    expect(before).to.not.equal(now);
    const [document] = await store.listDocuments('schemas');
    expect(document!.value).to.deep.include({ hash: now, previousHash: before });
  });

  it('keep the hash alone of one that is larger than 64 KiB', async () => {
    const { bus } = await createTestBus({
      events: { a: z.enum(Array.from({ length: 9_000 }, (_, i) => `value ${i}`)) },
    });
    const info = await bus.schemas.get('a');
    expect(info).to.not.have.property('jsonSchema');
    expect(info!.hash).to.be.a('string');
  });

  it('are refused where they are none, and those registered with them are kept', async () => {
    const { bus } = await createTestBus();
    bus.schemas.register('a', 1, z.string());
    expect(() => bus.schemas.register('b', 1, {} as never)).to.throw('a Standard Schema');
    expect(() => bus.schemas.register('c', 1, z.string(), null as never)).to.throw('to be a plain object');
    bus.schemas.register('d', 1, z.string());
    expect((await bus.schemas.list()).map(({ type }) => type)).to.deep.equal(['a', 'd']);
  });

  it('are kept beside one that the store does not take, which is tried again with the next', async () => {
    const store = new FlakyStore();
    const put = store.putDocument.bind(store);
    let broken = true;
    store.putDocument = (collection, key, ...rest) =>
      broken && key === 'a@1' ? Promise.reject(new Error('no room')) : put(collection, key, ...rest);
    const { bus } = await createTestBus({ store, events: { a: z.string(), b: z.string() } });
    const reports = await reportsOf(bus, '$bus.schemas.failed');
    const keys = async () => {
      await bus.schemas.list();
      return (await store.listDocuments('schemas')).map(({ key }) => key);
    };
    expect(await keys()).to.deep.equal(['b@1']);
    expect(reports).to.have.length(1);
    broken = false;
    bus.schemas.register('c', 1, z.string());
    expect(await keys()).to.have.members(['a@1', 'b@1', 'c@1']);
  });

  it('are written in the background: a store that cannot is reported, and the bus goes on', async () => {
    const store = new FlakyStore();
    store.putDocument = () => Promise.reject(new Error('no room'));
    const { bus } = await createTestBus({ store, events: { a: z.string() } });
    const reports = await reportsOf(bus, '$bus.schemas.failed');
    await bus.publish('a', 'x');
    await bus.flush();
    await turn();
    expect(reports).to.have.length(1);
    await bus.close();
  });

  it('are on disk when close resolves, and are read by a later program', async () => {
    const folder = await mkdtemp(join(quickFolder(), 'telltale-schemas-'));
    const bus = await createBus({ store: jsonFile(folder), events: { a: z.string(), b: z.number() } });
    await bus.close();
    const reader = await createBus({ store: jsonFile(folder, { readOnly: true }), events: { c: z.string() } });
    const found = await reader.schemas.list();
    expect(found.map(({ type, declared }) => [type, declared])).to.deep.equal([
      ['a', false],
      ['b', false],
      ['c', true],
    ]);
    await reader.close();
    await rm(folder, { recursive: true });
  });
});

/** Three events of `a`, two of them strings; then a bus that declares numbers. */
const changed = async (events: object, heard = true, options: Omit<BusOptions, 'clock'> = {}) => {
  const store = memory();
  const first = await createTestBus({ store });
  for (const payload of ['x', 7, 'y']) first.bus.emit('a', payload);
  first.bus.emit('b', 1, { schemaVersion: 3 });
  first.bus.emit('b', 2, { schemaVersion: 3 });
  await first.bus.close();
  const { bus } = await createTestBus({ ...options, store, events: events as never });
  return { bus, reports: heard ? await reportsOf(bus, '$bus.schema.*') : [] };
};

describe('stored events whose schema has changed', () => {
  it('are told once per type and delivered as stored where the schema refuses them', async () => {
    let checks = 0;
    const validate = (value: unknown): object => {
      checks++;
      return typeof value === 'number' ? { value } : { issues: [{ message: 'not a number' }] };
    };
    const { bus, reports } = await changed({ a: schemaOf({}, validate) });
    const { events } = await bus.query({ type: 'a' });
    expect(events.map(({ payload }) => payload)).to.deep.equal(['x', 7, 'y']);
    await bus.query({ type: 'a' });
    expect(reports).to.have.length(1);
    expect(reports[0]).to.deep.include({ type: '$bus.schema.refused' });
    expect(reports[0]!.payload).to.deep.include({
      type: 'a',
      version: 1,
      code: 'SCHEMA_REFUSED',
      eventId: events[0]!.id,
    });
    expect(checks).to.equal(1);
  });

  it('are not looked at where nobody listens', async () => {
    let checks = 0;
    const validate = (value: unknown): object => {
      checks++;
      return { value };
    };
    const { bus } = await changed({ a: schemaOf({}, validate) }, false);
    await bus.query({ type: 'a' });
    expect(checks).to.equal(0);
    bus.on('$bus.**', () => undefined);
    await bus.query({ type: 'a' });
    expect(checks).to.equal(3);
  });

  it('are told once per type and delivered as stored where this program does not know their version', async () => {
    const { bus, reports } = await changed({ b: { version: 2, schema: z.number() } });
    const { events } = await bus.query({ type: 'b' });
    expect(events.map(({ payload, schemaVersion }) => [payload, schemaVersion])).to.deep.equal([
      [1, 3],
      [2, 3],
    ]);
    await bus.timeline(events[0]!.correlationId);
    expect(reports.map(({ type }) => type)).to.deep.equal(['$bus.schema.unknown']);
    expect(reports[0]!.payload).to.deep.include({ type: 'b', version: 3, code: 'UNKNOWN_TYPE' });
  });

  it('are told where this program does not declare their type at all, and they have a version above 1', async () => {
    const { bus, reports } = await changed({});
    for (let i = 0; i < 2; i++) await bus.query({});
    expect(reports.map(({ type }) => type)).to.deep.equal(['$bus.schema.unknown']);
    expect(reports[0]!.payload).to.deep.include({ type: 'b', version: 3 });
    expect((reports[0]!.payload as { message: string }).message).to.include('this program does not declare it');
  });

  it('are told where the schema does not take what it has made under `transform`, and the report says so', async () => {
    const { bus, reports } = await changed({ a: z.number() }, true, { validate: 'transform' });
    const { events } = await bus.query({ type: 'a' });
    expect(events.map(({ payload }) => payload)).to.deep.equal(['x', 7, 'y']);
    expect(reports.map(({ type }) => type)).to.deep.equal(['$bus.schema.refused']);
    expect((reports[0]!.payload as { message: string }).message).to.include("validate is 'transform'");
    const fills = await changed({ a: z.union([z.string().trim(), z.number()]) }, true, { validate: 'transform' });
    await fills.bus.query({ type: 'a' });
    expect(fills.reports).to.deep.equal([]);
  });

  it('are checked behind the upcast', async () => {
    const upcast = { 1: (payload: unknown) => Number(payload) || 0 };
    const { bus, reports } = await changed({ a: { version: 2, schema: z.number(), upcast } });
    const { events } = await bus.query({ type: 'a' });
    expect(events.map(({ payload }) => payload)).to.deep.equal([0, 7, 0]);
    expect(reports).to.deep.equal([]);
  });

  it('are told once and left alone where the schema answers with a Promise', async () => {
    const { bus, reports } = await changed({ a: z.string().refine(async () => true) });
    await bus.query({ type: 'a' });
    expect(reports).to.have.length(1);
    expect(reports[0]!.payload).to.deep.include({ code: 'SCHEMA_ASYNC' });
  });
});

/** Changes what it was given, before it fails as well. */
const upcast = (payload: unknown): unknown => {
  const given = payload as { lines: object[]; total?: number };
  given.total = given.lines.length;
  given.lines.push({ sku: 'fee' });
  if (given.total > 1) throw new Error('too many');
  return given;
};

describe('an upcaster', () => {
  for (const kind of ['memory', 'json-file'] as const) {
    it(`may change the payload it is given, and nobody else sees that (${kind})`, async () => {
      const folder = await mkdtemp(join(quickFolder(), 'telltale-upcast-'));
      const store = kind === 'memory' ? memory() : jsonFile(folder);
      const { bus } = await createTestBus({ store });
      await bus.publish('order', { lines: [{ sku: 'a' }] });
      await bus.publish('order', { lines: [{ sku: 'a' }, { sku: 'b' }] });
      bus.schemas.register('order', 2, undefined, { upcast });
      for (let i = 0; i < 2; i++) {
        const { events } = await bus.query({ type: 'order' });
        expect(events.map(({ schemaVersion, payload }) => [schemaVersion, payload])).to.deep.equal([
          [2, { lines: [{ sku: 'a' }, { sku: 'fee' }], total: 1 }],
          [1, { lines: [{ sku: 'a' }, { sku: 'b' }] }],
        ]);
      }
      await bus.close();
      await rm(folder, { recursive: true });
    });
  }
});
