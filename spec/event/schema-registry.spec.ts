import { expect } from 'chai';
import { z } from 'zod';
import { defineEvents, transient } from '../../lib/event/define-events.ts';
import type { TelltaleEvent } from '../../lib/event/event.ts';
import { SchemaRegistry } from '../../lib/event/schema-registry.ts';
import type { StandardSchema } from '../../lib/event/schema.ts';
import { codeOf, refusalOf } from '../support/code-of.ts';

const task = z.object({ title: z.string(), tags: z.array(z.string()).default([]) });

describe('defineEvents', () => {
  it('answers a frozen copy of what it was given', () => {
    const given = { 'task.created': task };
    const events = defineEvents(given);
    expect(events).to.deep.equal(given);
    expect(events === given).to.equal(false);
    expect(Object.isFrozen(events)).to.equal(true);
  });

  const bad: [name: string, declarations: object, code: string, text: string][] = [
    ['a type that is none', { 'task created': task }, 'INVALID_TYPE', '"task created"'],
    ['a type of the bus', { '$bus.x': task }, 'RESERVED_TYPE', '`$bus.x` cannot be declared'],
    ['no schema', { a: 5 }, 'INVALID_OPTION', 'the declaration of `a` to be a Standard Schema'],
    ['null', { a: null }, 'INVALID_OPTION', 'the declaration of `a`'],
    ['an unknown key', { a: { schema: task, versions: 2 } }, 'INVALID_OPTION', 'unknown key `versions`'],
    ['a schema that is none', { a: { schema: {} } }, 'INVALID_OPTION', '`schema` in the declaration of `a`'],
    ['version 0', { a: { version: 0 } }, 'INVALID_OPTION', '`version` in the declaration of `a`'],
    [
      'an upcaster from the current version',
      { a: { version: 2, upcast: { 2: String } } },
      'INVALID_OPTION',
      'a version from 1 to 1',
    ],
    ['an upcaster that is none', { a: { version: 2, upcast: { 1: 'x' } } }, 'INVALID_OPTION', '`upcast[1]`'],
  ];
  for (const [name, declarations, code, text] of bad) {
    it(`refuses ${name}`, () => {
      const error = refusalOf(() => defineEvents(declarations as never));
      expect(error.code).to.equal(code);
      expect(error.message).to.contain(text);
    });
  }
});

describe('SchemaRegistry', () => {
  describe('on the way in', () => {
    it('accepts or refuses, and stores the input', () => {
      const schemas = declared({ 'task.created': task });
      const payload = { title: 'x', extra: 1 };
      expect(schemas.check('task.created', 1, payload)).to.equal(payload);
      const error = refusalOf(() => schemas.check('task.created', 1, { title: 5, tags: ['a', 6] }));
      expect(error.code).to.equal('SCHEMA_REFUSED');
      expect(error.message)
        .to.contain('`task.created` version 1 is refused by its schema: payload.title: ')
        .and.to.contain('payload.tags[1]: ');
      expect(error.details['issues']).to.have.length(2);
    });

    it('stores what the schema made of it where validate is transform', () => {
      const schemas = declared({ 'task.created': task }, { validate: 'transform' });
      expect(schemas.check('task.created', 1, { title: 'x', extra: 1 })).to.deep.equal({ title: 'x', tags: [] });
    });

    it('takes any Standard Schema, a function too', () => {
      const schemas = declared({ even, odd: Object.assign(() => true, even) });
      expect(schemas.check('even', 1, 4)).to.equal(4);
      expect(refusalOf(() => schemas.check('even', 1, 5)).message).to.contain('payload: is odd');
      expect(codeOf(() => schemas.check('odd', 1, 5))).to.equal('SCHEMA_REFUSED');
    });

    it('names three issues and counts the rest', () => {
      const schemas = declared({
        wide: z.object({ a: z.string(), b: z.string(), c: z.string(), d: z.string(), e: z.string() }),
      });
      expect(refusalOf(() => schemas.check('wide', 1, {})).message).to.match(/; and 2 more$/);
    });

    it('refuses a schema that answers with a Promise, and no rejection is left behind', async () => {
      const late = z.string().refine(async () => Promise.resolve(true));
      const rejecting = schemaOf(async () => Promise.reject(new Error('late')));
      const schemas = declared({ late, rejecting });
      const unhandled = unhandledRejections();
      expect(codeOf(() => schemas.check('late', 1, 'x'))).to.equal('SCHEMA_ASYNC');
      expect(codeOf(() => schemas.check('rejecting', 1, 'x'))).to.equal('SCHEMA_ASYNC');
      expect(await unhandled).to.deep.equal([]);
    });

    it('refuses where a schema throws, and keeps the cause', () => {
      const cause = new Error('broken');
      const schemas = declared({
        broken: schemaOf(() => {
          throw cause;
        }),
      });
      const error = refusalOf(() => schemas.check('broken', 1, 'x'));
      expect([error.code, error.cause]).to.deep.equal(['SCHEMA_REFUSED', cause]);
    });

    it('accepts types and versions without a schema', () => {
      const schemas = declared({ 'task.created': { version: 3, schema: task } });
      expect(schemas.check('other', 1, 5)).to.equal(5);
      expect(schemas.check('task.created', 2, 5)).to.equal(5);
    });

    it('refuses them where unknownTypes is refuse, naming the versions there are', () => {
      const schemas = declared({ 'task.created': { version: 3, schema: task }, free: {} }, { unknownTypes: 'refuse' });
      expect(codeOf(() => schemas.check('other', 1, 5))).to.equal('UNKNOWN_TYPE');
      expect(refusalOf(() => schemas.check('task.created', 2, 5)).message).to.contain('it is declared in version 3');
      expect(schemas.check('free', 1, 5)).to.equal(5);
    });

    it('refuses a version that is none', () => {
      for (const version of [0, 1.5, NaN, '1', null]) {
        expect(codeOf(() => new SchemaRegistry().check('a', version as number, 1))).to.equal('INVALID_OPTION');
      }
    });

    it('knows transient types', () => {
      const schemas = declared({ token: transient(z.string()), 'token.bare': transient(), stored: task });
      expect(['token', 'token.bare', 'stored', 'other'].map((type) => schemas.isTransient(type))).to.deep.equal([
        true,
        true,
        false,
        false,
      ]);
      expect(codeOf(() => schemas.check('token', 1, 5))).to.equal('SCHEMA_REFUSED');
      expect(schemas.check('token.bare', 1, 5)).to.equal(5);
    });
  });

  describe('declarations', () => {
    it('says the same twice without complaint', () => {
      const events = defineEvents({ 'task.created': task, token: transient() });
      const schemas = declared(events);
      schemas.declare(events);
      expect(schemas.list().map(({ type }) => type)).to.deep.equal(['task.created', 'token']);
    });

    it('refuses another schema, another upcaster or other storage for the same type and version', () => {
      const schemas = declared({ a: { version: 2, schema: task, upcast: { 1: (payload) => payload } } });
      expect(codeOf(() => schemas.register('a', 2, even))).to.equal('SCHEMA_CONFLICT');
      expect(codeOf(() => schemas.register('a', 2, task, { upcast: () => 1 }))).to.equal('SCHEMA_CONFLICT');
      expect(codeOf(() => schemas.register('a', 2, task, { transient: true }))).to.equal('SCHEMA_CONFLICT');
    });

    it('refuses what cannot be registered, and is as it was', () => {
      const schemas = new SchemaRegistry();
      const bad: [code: string, text: string, ...given: unknown[]][] = [
        ['INVALID_TYPE', 'the event type', 'a b', 1, even],
        ['RESERVED_TYPE', '`$a` cannot be registered', '$a', 1, even],
        ['INVALID_OPTION', '`schemaVersion`', 'a', 0, even],
        ['INVALID_OPTION', 'the schema registered for `a`', 'a', 1, {}],
        ['INVALID_OPTION', 'the schema registered for `a`', 'a', 1, 5],
        ['INVALID_OPTION', 'the schema registered for `a`', 'a', 1, null],
        ['INVALID_OPTION', 'the options of schemas.register', 'a', 1, even, null],
        ['INVALID_OPTION', '`upcst` is not an option', 'a', 2, even, { upcst: String }],
        ['INVALID_OPTION', '`upcast` of `schemas.register` to be a function', 'a', 2, even, { upcast: 5 }],
        ['INVALID_OPTION', 'nothing comes before version 1', 'a', 1, even, { upcast: String }],
        ['INVALID_OPTION', '`transient` of `schemas.register`', 'a', 1, even, { transient: 1 }],
        ['INVALID_OPTION', '`payload` of `schemas.register`', 'a', 1, even, { payload: 'trusted' }],
      ];
      for (const [code, text, ...given] of bad) {
        const error = refusalOf(() => (schemas.register as (...all: unknown[]) => void).apply(schemas, given));
        expect([code, error.message]).to.deep.equal([error.code, error.message]);
        expect(error.message).to.contain(text);
      }
      expect(schemas.list()).to.deep.equal([]);
    });

    it('is as it was where a registration conflicts', () => {
      const schemas = declared({ a: { version: 2, schema: task, upcast: { 1: (payload) => payload } } });
      const before = schemas.list();
      expect(codeOf(() => schemas.register('a', 3, even, { payload: 'plain', transient: true }))).to.equal(
        'SCHEMA_CONFLICT',
      );
      expect(codeOf(() => schemas.register('a', 2, even, { payload: 'plain' }))).to.equal('SCHEMA_CONFLICT');
      expect(codeOf(() => schemas.register('a', 2, task, { upcast: () => 1, payload: 'plain' }))).to.equal(
        'SCHEMA_CONFLICT',
      );
      expect(schemas.list()).to.deep.equal(before);
      expect(schemas.payloadMode('a')).to.equal(undefined);
    });

    it('lists what it knows', () => {
      const schemas = declared({ a: { version: 2, schema: task, upcast: { 1: (payload) => payload } } });
      schemas.register('a', 1, even);
      expect(schemas.list()).to.deep.equal([
        { type: 'a', version: 2, transient: false, schemas: [2, 1], upcasts: [1] },
      ]);
    });

    it('takes the highest version for the current one', () => {
      const schemas = new SchemaRegistry();
      schemas.register('a', 2, task);
      schemas.register('a', 1, even);
      expect([schemas.version('a'), schemas.version('b')]).to.deep.equal([2, 1]);
    });
  });

  describe('on the way out', () => {
    const upcast = {
      1: (payload: unknown) => ({ title: payload }),
      2: (payload: unknown, event: TelltaleEvent) => ({ ...(payload as object), was: event.schemaVersion }),
    };

    it('runs 1 → 2 → 3 and leaves the event as it was', () => {
      const schemas = declared({ 'task.created': { version: 3, upcast } });
      const stored = Object.freeze(eventOf(1, 'x'));
      expect(schemas.upcast(stored)).to.deep.equal({ ...stored, schemaVersion: 3, payload: { title: 'x', was: 2 } });
      expect(stored.payload).to.equal('x');
    });

    it('answers with the event itself where it is current, newer, or of an unknown type', () => {
      const schemas = declared({ 'task.created': { version: 3, upcast } });
      for (const event of [eventOf(3, 'x'), eventOf(4, 'x'), { ...eventOf(1, 'x'), type: 'other' }]) {
        expect(schemas.upcast(event)).to.equal(event);
      }
    });

    it('names the missing link', () => {
      const schemas = declared({ 'task.created': { version: 3, upcast: { 1: upcast[1] } } });
      const error = refusalOf(() => schemas.upcast(eventOf(1, 'x')));
      expect(error.code).to.equal('UPCAST_FAILED');
      expect(error.message).to.contain('no upcaster leads from version 2 to 3');
    });

    it('wraps what an upcaster throws, and refuses one that answers with a Promise', () => {
      const cause = new Error('broken');
      const throwing = declared({
        'task.created': {
          version: 2,
          upcast: {
            1: () => {
              throw cause;
            },
          },
        },
      });
      const error = refusalOf(() => throwing.upcast(eventOf(1, 'x')));
      expect([error.code, error.cause]).to.deep.equal(['UPCAST_FAILED', cause]);
      const late = declared({ 'task.created': { version: 2, upcast: { 1: async () => Promise.reject(cause) } } });
      expect(codeOf(() => late.upcast(eventOf(1, 'x')))).to.equal('UPCAST_FAILED');
    });

    it('takes upcasters registered one version at a time', () => {
      const schemas = new SchemaRegistry();
      schemas.register('task.created', 2, undefined, { upcast: upcast[1] });
      schemas.register('task.created', 3, undefined, { upcast: upcast[2] });
      expect(schemas.upcast(eventOf(2, { a: 1 })).payload).to.deep.equal({ a: 1, was: 2 });
    });
  });
});

/** What nobody has handled by the end of this turn of the event loop. */
async function unhandledRejections(): Promise<unknown[]> {
  const found: unknown[] = [];
  const note = (reason: unknown) => void found.push(reason);
  process.on('unhandledRejection', note);
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', note);
  return found;
}

const even = schemaOf((value) => (Number(value) % 2 === 0 ? { value } : { issues: [{ message: 'is odd' }] }));

function schemaOf(validate: StandardSchema['~standard']['validate']): StandardSchema {
  return { '~standard': { version: 1, vendor: 'by hand', validate } };
}

function declared(
  declarations: Parameters<SchemaRegistry['declare']>[0],
  options?: ConstructorParameters<typeof SchemaRegistry>[0],
): SchemaRegistry {
  const schemas = new SchemaRegistry(options);
  schemas.declare(defineEvents(declarations));
  return schemas;
}

function eventOf(schemaVersion: number, payload: unknown): TelltaleEvent {
  return {
    id: '1',
    type: 'task.created',
    source: 's',
    time: 1,
    correlationId: '1',
    schemaVersion,
    payload,
    metadata: {},
  };
}
