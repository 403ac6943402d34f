import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { z } from 'zod';
import { TelltaleError, show } from '../lib/errors.ts';
import { copyStore, createBus, defineEvents } from '../lib/index.ts';
import { mustKnow, parseWith, unknownOption } from '../lib/parse-options.ts';
import { createTestBus } from '../lib/testing.ts';
import { jsonFile } from '../plugins/json-file/index.ts';
import { memory } from '../plugins/memory/index.ts';
import { postgres, postgresTarget } from '../plugins/postgres/index.ts';
import { sqlite, sqliteTarget } from '../plugins/sqlite/index.ts';
import { refusalOf } from './support/code-of.ts';
import { rejectionOf } from './support/rejection-of.ts';

const schema = z.strictObject({
  name: z.string().min(2).optional(),
  size: z.int().min(1).max(9).default(1),
  mode: z.enum(['fast', 'safe']).default('safe'),
  paths: z.array(z.string()).max(2).default([]),
  inner: z.strictObject({ on: z.boolean().optional(), off: z.boolean().optional() }).optional(),
  said: z.int('an integer from 1').min(1, 'an integer from 1').optional(),
});

const cases: readonly (readonly [given: unknown, text: string])[] = [
  [7, 'expected the options of thing to be an object, got 7 (number)'],
  [null, 'expected the options of thing to be an object, got null'],
  [{ name: 7 }, 'expected `name` of thing to be a string, got 7 (number)'],
  [{ name: 'a' }, 'expected `name` of thing to be at least 2 characters long, got "a" (string)'],
  [{ size: 0 }, 'expected `size` of thing to be at least 1, got 0 (number)'],
  [{ size: 10 }, 'expected `size` of thing to be at most 9, got 10 (number)'],
  [{ size: 1.5 }, 'expected `size` of thing to be an integer, got 1.5 (number)'],
  [{ size: NaN }, 'expected `size` of thing to be a number, got NaN (number)'],
  [{ mode: 'slow' }, "expected `mode` of thing to be one of 'fast', 'safe', got \"slow\" (string)"],
  [{ paths: 'a' }, 'expected `paths` of thing to be an array, got "a" (string)'],
  [{ paths: ['a', 7] }, 'expected `paths.1` of thing to be a string, got 7 (number)'],
  [{ paths: ['a', 'b', 'c'] }, 'expected `paths` of thing to be at most 2 items long, got an array of 3'],
  [{ inner: { on: 1 } }, 'expected `inner.on` of thing to be true or false, got 1 (number)'],
  [{ said: 0 }, 'expected `said` of thing to be an integer from 1, got 0 (number)'],
  [{ foo: 1 }, '`foo` is not an option of thing (known: name, size, mode, paths, inner, said)'],
  [{ inner: { up: 1 } }, '`inner.up` is not an option of thing (known: on, off)'],
];

const nothing = (): undefined => undefined;

describe('options', () => {
  for (const [given, text] of cases)
    it(`${JSON.stringify(given)} are refused in words of the house`, () => {
      expect(refusalOf(() => parseWith(schema, given, 'thing'))).to.include({ code: 'INVALID_OPTION', message: text });
    });

  it('that are right are answered with their defaults', () => {
    expect(parseWith(schema, {}, 'thing')).to.deep.equal({ size: 1, mode: 'safe', paths: [] });
  });

  it('that are unknown are told in one wording, wherever they are given', async () => {
    const { bus } = await createTestBus();
    const foo = { foo: 1 } as never;
    const refusals = [
      refusalOf(() => memory(foo)),
      refusalOf(() => jsonFile('x', foo)),
      refusalOf(() => bus.emit('a', null, foo)),
      await rejectionOf(bus.publish('a', null, foo)),
      refusalOf(() => bus.batch(foo)),
      refusalOf(() => bus.on('a', () => undefined, foo)),
      await rejectionOf(bus.once('a', foo)),
      refusalOf(() => bus.observe('a', foo)),
      refusalOf(() => bus.iterate('a', foo)),
      refusalOf(() => bus.withContext(foo, () => undefined)),
      await rejectionOf(bus.join('c', { a: 1 }, foo)),
      await rejectionOf(bus.settled(foo)),
      await rejectionOf(bus.deadLetters.list(foo)),
      await rejectionOf(bus.count(foo)),
      await rejectionOf((async () => bus.query(foo))()),
    ];
    for (const { message } of refusals)
      expect(message).to.match(/^`foo` is not an option of [\w .()"]+ \(known: \w+(, \w+)*\)$/);
    await bus.close();
  });

  class Settings {
    #every = 5;
    get every(): number {
      return this.#every;
    }
  }

  it('that are of a class are refused everywhere, because nothing would be read of them', async () => {
    const { bus } = await createTestBus({ store: memory() });
    const actor = { initial: 0, receive: nothing, apply: (state: number) => state };
    const given: Readonly<Record<string, (odd: never) => unknown>> = {
      createBus: (odd) => createBus(odd),
      'createBus: ingress': (odd) => createBus({ ingress: odd }),
      'createBus: mailbox': (odd) => createBus({ mailbox: odd }),
      'createBus: cache': (odd) => createBus({ cache: odd, store: memory() }),
      'createBus: events': (odd) => createBus({ events: odd }),
      'createBus: deadLetters': (odd) => createBus({ deadLetters: odd }),
      'createBus: deadLetters.retry': (odd) => createBus({ deadLetters: { retry: odd } }),
      'createBus: retention': (odd) => createBus({ retention: odd, store: memory() }),
      'createBus: sinks[0].retry': (odd) => createBus({ store: memory(), sinks: [{ sink: memory(), retry: odd }] }),
      memory: (odd) => memory(odd),
      jsonFile: (odd) => jsonFile('x', odd),
      sqlite: (odd) => sqlite('x.db', odd),
      sqliteTarget: (odd) => sqliteTarget('x.db', odd),
      postgres: (odd) => postgres(odd),
      'postgres: connection': (odd) => postgres({ connection: odd }),
      postgresTarget: (odd) => postgresTarget(odd),
      copyStore: (odd) => copyStore(memory(), memory(), odd),
      defineEvents: (odd) => defineEvents(odd),
      emit: (odd) => bus.emit('a', null, odd),
      publish: (odd) => bus.publish('a', null, odd),
      batch: (odd) => bus.batch(odd),
      on: (odd) => bus.on('a', nothing, odd),
      'on: retry': (odd) => bus.on('a', nothing, { retry: odd }),
      'on: mailbox': (odd) => bus.on('a', nothing, { mailbox: odd }),
      once: (odd) => bus.once('a', odd),
      observe: (odd) => bus.observe('a', odd),
      iterate: (odd) => bus.iterate('a', odd),
      ask: (odd) => bus.ask('a', null, odd),
      answer: (odd) => bus.answer('a', nothing, odd),
      schedule: (odd) => bus.schedule('a', null, odd),
      consume: (odd) => bus.consume('c', 'a', nothing, odd),
      'consume: batch': (odd) => bus.consume('d', 'a', nothing, { batch: odd }),
      'actor: snapshot': (odd) => bus.actor('one', { ...actor, snapshot: odd }),
      'actor: supervise': (odd) => bus.actor('two', { ...actor, supervise: odd }),
      'actor: mailbox': (odd) => bus.actor('three', { ...actor, mailbox: odd }),
      withContext: (odd) => bus.withContext(odd, nothing),
      join: (odd) => bus.join('c', { a: 1 }, odd),
      settled: (odd) => bus.settled(odd),
      'deadLetters.list': (odd) => bus.deadLetters.list(odd),
      'retention.preview': (odd) => bus.retention.preview(odd),
      replay: (odd) => bus.replay(odd),
      query: async (odd) => bus.query(odd),
      count: (odd) => bus.count(odd),
      stats: (odd) => bus.stats(odd),
    };
    const accepted: string[] = [];
    for (const [name, call] of Object.entries(given))
      for (const odd of [new Map(), new Date(0), ['a'], new Settings()]) {
        const error: unknown = await (async () => call(odd as never))().then(nothing, (thrown: unknown) => thrown);
        const isRefused = error instanceof TelltaleError && /^INVALID_(?:OPTION|QUERY)$/.test(error.code);
        if (!isRefused || !/, got an? \w+/.test(error.message))
          accepted.push(`${name}: ${show(odd)}: ${String(error)}`);
      }
    expect(accepted).to.deep.equal([]);
    await bus.close();
  });

  it('may inherit from each other, be of another realm, or have no prototype at all', () => {
    const options = { name: 'abc' };
    for (const given of [
      Object.create(options),
      runInNewContext(`({ name: 'abc' })`),
      Object.assign(Object.create(null), options),
    ])
      expect(parseWith(schema, given, 'thing').name).to.equal('abc');
  });

  it('of the stores are told without a word of the parser', () => {
    const told = [
      refusalOf(() => jsonFile('x', { durability: 'memory' as never })),
      refusalOf(() => jsonFile('x', { segmentBytes: 1 })),
      refusalOf(() => jsonFile('x', { pollMs: 'often' as never })),
      refusalOf(() => jsonFile('x', { index: ['id'] })),
      refusalOf(() => memory({ capacity: 0 })),
    ].map(({ message }) => message);
    expect(told).to.deep.equal([
      "expected `durability` of jsonFile to be one of 'disk', 'os', got \"memory\" (string)",
      'expected `segmentBytes` of jsonFile to be an integer from 65536 to 1073741824, got 1 (number)',
      'expected `pollMs` of jsonFile to be a number from 1 to 60000, got "often" (string)',
      'expected `index.0` of jsonFile to be source or a dotted path into payload or metadata, of at most 512 characters; other fields of the envelope have an index already, got "id" (string)',
      'expected `capacity` of memory to be an integer from 1, got 0 (number)',
    ]);
  });

  it('are compared with what is known, with the code of the caller', () => {
    mustKnow({ a: 1 }, ['a', 'b'], 'thing');
    const error = refusalOf(() => mustKnow({ a: 1, c: 2 }, ['a', 'b'], 'thing', 'INVALID_QUERY'));
    expect(error).to.include({ code: 'INVALID_QUERY', message: unknownOption('c', 'thing', ['a', 'b']).message });
    expect(error.details).to.deep.equal({ option: 'c', known: ['a', 'b'] });
  });
});
