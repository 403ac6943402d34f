// Type tests: compiling this file is the test. Nothing here runs; `typed-patterns.spec.ts` proves that it can fail.
import { z } from 'zod';
import { createBus, defineEvents, transient, type Filter, type QueryOptions } from '../../lib/index.ts';

const user = z.object({
  name: z.string(),
  address: z.object({ city: z.object({ zip: z.object({ code: z.string() }) }) }),
});
const events = defineEvents({
  'task.created': z.object({ title: z.string(), size: z.enum(['small', 'large']), due: z.number().optional() }),
  'task.completed': z.object({ title: z.string().nullable(), ms: z.number(), tags: z.array(z.string()) }),
  'user.joined': z.object({ user, prefs: z.record(z.string(), z.number()), raw: z.unknown() }),
  'line.read': z.string(),
  'free.thing': transient(),
});
declare const anyPattern: string;
const nothing = (): void => undefined;

/** Never called: only its types matter. */
export async function filtersOfDeclaredEvents(): Promise<void> {
  const bus = await createBus({ events });

  // Paths of the matching types, with values of their types.
  bus.on('task.created', nothing, { where: { 'payload.title': 'x', 'payload.size': { $in: ['small'] } } });
  bus.on('task.*', nothing, {
    where: { 'payload.title': null, 'payload.ms': { $gt: 5 }, 'payload.due': { $exists: true } },
  });
  bus.on('task.created', nothing, { where: { 'payload.size': { $like: 's*', $gt: 'a', $not: { $eq: 'large' } } } });
  // @ts-expect-error a misspelt path
  bus.on('task.created', nothing, { where: { 'payload.titel': 'x' } });
  // @ts-expect-error a path of another type
  bus.on('task.created', nothing, { where: { 'payload.ms': 5 } });
  // @ts-expect-error a title is no number
  bus.on('task.created', nothing, { where: { 'payload.title': 5 } });
  // @ts-expect-error no such size
  bus.on('task.created', nothing, { where: { 'payload.size': 'huge' } });
  // @ts-expect-error no such size among several
  bus.on('task.created', nothing, { where: { 'payload.size': { $in: ['small', 'huge'] } } });
  // @ts-expect-error due is a number
  bus.on('task.created', nothing, { where: { 'payload.due': { $lt: 'tomorrow' } } });
  // @ts-expect-error no such operator
  bus.on('task.created', nothing, { where: { 'payload.due': { $above: 5 } } });
  // @ts-expect-error no such field
  bus.on('task.created', nothing, { where: { title: 'x' } });
  // @ts-expect-error a payload that is a string has no paths
  bus.on('line.read', nothing, { where: { 'payload.length': 5 } });

  // The envelope and metadata are free, and there are filters within filters.
  bus.on('task.created', nothing, {
    where: { source: 'team', time: { $gt: new Date() }, 'metadata.userId': 'u', entity: 'task/*' },
  });
  bus.on('task.*', nothing, { where: { $or: [{ 'payload.ms': 5 }, { $not: { 'payload.title': 'x' } }], $and: [] } });
  // @ts-expect-error a misspelt path within $or
  bus.on('task.*', nothing, { where: { $or: [{ 'payload.mss': 5 }] } });
  // @ts-expect-error a misspelt path within $not
  bus.on('task.*', nothing, { where: { $not: { 'payload.mss': 5 } } });

  // Four keys deep, then free; arrays, records and unknown are free.
  bus.on('user.joined', nothing, {
    where: { 'payload.user.address.city': { zip: { code: 'x' } }, 'payload.user.address.city.zip': { $exists: true } },
  });
  bus.on('user.joined', nothing, { where: { 'payload.user.address.city.zip.code.any': 1 } });
  bus.on('user.joined', nothing, {
    where: { 'payload.prefs.any': 1, 'payload.raw.any.thing': 'x', 'payload.raw': [] },
  });
  bus.on('task.completed', nothing, { where: { 'payload.tags': { $contains: 'x' }, 'payload.tags.0': 'x' } });
  // @ts-expect-error a misspelt key on the way
  bus.on('user.joined', nothing, { where: { 'payload.user.adress.city': {} } });
  // @ts-expect-error an array has elements only
  bus.on('task.completed', nothing, { where: { 'payload.tags.length': 1 } });

  // All who listen.
  // @ts-expect-error misspelt
  void bus.once('task.created', { where: { 'payload.titel': 'x' } });
  // @ts-expect-error misspelt
  bus.observe('task.created', { where: { 'payload.titel': 'x' } });
  // @ts-expect-error misspelt
  bus.iterate('task.created', { where: { 'payload.titel': 'x' } });
  // @ts-expect-error misspelt
  bus.on('task.created', (_, context) => context.once('task.completed', { where: { 'payload.titel': 'x' } }));

  // All who ask, by pattern, by type, by both ends.
  void bus.query({ pattern: 'task.*', where: { 'payload.ms': 5 }, order: 'time' });
  void bus.count({ type: ['task.created', 'task.completed'], where: { 'payload.due': 5, 'payload.ms': 5 } });
  void bus.durations({ start: 'task.created', end: ['task.completed'], where: { 'payload.due': 5, 'payload.ms': 5 } });
  // @ts-expect-error misspelt
  void bus.query({ pattern: 'task.*', where: { 'payload.titel': 'x' } });
  // @ts-expect-error a path of another type
  void bus.count({ type: 'task.created', where: { 'payload.ms': 5 } });
  // @ts-expect-error misspelt
  void bus.search('x', { pattern: 'task.*', where: { 'payload.titel': 'x' } });
  // @ts-expect-error misspelt
  void bus.summarize({ type: 'task.completed', by: 'type', where: { 'payload.mss': 5 } });
  // @ts-expect-error misspelt
  void bus.anomalies({ pattern: 'task.*', where: { 'payload.mss': 5 } });
  // @ts-expect-error misspelt
  void bus.durations({ start: 'task.created', end: 'task.completed', where: { 'payload.mss': 5 } });
  // @ts-expect-error options are checked as before
  void bus.query({ pattern: 'task.*', oder: 'time' });

  // One type whose payload may be anything makes everything possible; so does a pattern nobody declared.
  bus.on('**', nothing, { where: { 'payload.anything': 1 } });
  void bus.query({ where: { 'payload.anything': 1 } });
  bus.on('legacy.*', nothing, { where: { 'payload.anything': 1 } });

  // What is only known when the program runs is free.
  const where: Filter = { 'payload.title': 'x' };
  const asked: QueryOptions = { where };
  void bus.query(asked);
  bus.on(anyPattern, nothing, { where });
}

export async function filtersOfAnyEvents(): Promise<void> {
  const bus = await createBus();
  const where: Filter = { 'payload.title': 'x' };
  bus.on('task.*', nothing, { where });
  bus.on('task.created', nothing, { where: { 'payload.titel': 5, $or: [where] } });
  void bus.query({ pattern: 'task.*', type: 'task.created', where: { 'payload.titel': { $gt: 5 } } });
  void bus.durations({ start: 'a', end: ['b', 'c'], where });
}
