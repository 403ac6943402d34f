// Type tests: compiling this file is the test. Nothing here runs; `typed-patterns.spec.ts` proves that it can fail.
import { z } from 'zod';
import { createBus, defineEvents, transient, type SearchOptions, type SummarizeOptions } from '../../lib/index.ts';

const user = z.object({
  age: z.number().nullable(),
  address: z.object({ city: z.object({ zip: z.object({ code: z.string() }) }) }),
});
const declared = {
  'task.created': z.object({ title: z.string(), size: z.enum(['small', 'large']), due: z.number().optional() }),
  'task.completed': z.object({ title: z.string().nullable(), ms: z.number(), tags: z.array(z.string()) }),
  'user.joined': z.object({ user, prefs: z.record(z.string(), z.number()), raw: z.unknown() }),
  'mixed.thing': z.object({ cost: z.union([z.number(), z.object({ amount: z.number(), currency: z.string() })]) }),
  'line.read': z.string(),
  'level.read': z.number(),
};
const nothing = (): void => undefined;

/** Never called: only its types matter. */
export async function pathsOfDeclaredEvents(): Promise<void> {
  const bus = await createBus({ events: defineEvents(declared) });

  // Where words are looked for.
  void bus.search('x', { in: 'payload.title' });
  void bus.search('x', { in: ['type', 'entity', 'payload', 'metadata', 'metadata.userId', 'payload.user.address'] });
  void bus.search('x', { pattern: 'task.*', in: ['payload.tags', 'payload.tags.0', 'payload.due'] });
  // @ts-expect-error a misspelt path
  void bus.search('x', { in: 'payload.titel' });
  // @ts-expect-error no such field
  void bus.search('x', { in: 'nonsense' });
  // @ts-expect-error a misspelt path among several
  void bus.search('x', { in: ['payload.title', 'payload.titel'] });
  // @ts-expect-error a path of another type
  void bus.search('x', { type: 'task.created', in: 'payload.ms' });
  // @ts-expect-error a payload that is a string has no paths
  void bus.search('x', { type: 'line.read', in: 'payload.length' });

  // Groups.
  void bus.summarize({ by: 'payload.title' });
  void bus.summarize({ by: ['payload.size', 'source', 'metadata.userId'], bucket: '1h', count: true, top: 10 });
  // @ts-expect-error a misspelt path
  void bus.summarize({ by: 'payload.titel' });
  // @ts-expect-error no such field
  void bus.summarize({ by: 'nonsense' });
  // @ts-expect-error a path of another type
  void bus.summarize({ pattern: 'task.*', by: ['payload.title', 'payload.user.age'] });

  // Measures: numbers, but for the first and the last.
  void bus.summarize({ sum: 'payload.ms', avg: 'payload.due', min: 'payload.user.age', max: 'time' });
  void bus.summarize({ p50: 'payload.prefs.any', p95: 'payload.raw', p99: 'metadata.cost', top: 3 });
  void bus.summarize({ type: 'level.read', sum: 'payload' });
  void bus.summarize({ sum: 'payload.cost', avg: 'payload.cost.amount', max: 'storedAt' });
  void bus.summarize({ first: 'payload.title', last: 'payload.user' });
  // @ts-expect-error a title is no number
  void bus.summarize({ sum: 'payload.title' });
  // @ts-expect-error a misspelt path
  void bus.summarize({ avg: 'payload.mss' });
  // @ts-expect-error an id is no number
  void bus.summarize({ min: 'id' });
  // @ts-expect-error tags are no number
  void bus.summarize({ max: 'payload.tags' });
  // @ts-expect-error a user is no number
  void bus.summarize({ p50: 'payload.user' });
  // @ts-expect-error a string is no number
  void bus.summarize({ type: 'line.read', p95: 'payload' });
  // @ts-expect-error a number of another type
  void bus.summarize({ type: 'task.created', p99: 'payload.ms' });
  // @ts-expect-error a misspelt path
  void bus.summarize({ first: 'payload.titel' });
  // @ts-expect-error a misspelt path
  void bus.summarize({ last: 'payload.titel' });

  // What both ends have in common.
  void bus.durations({ start: 'task.created', end: 'task.completed', by: 'payload.title' });
  void bus.durations({ start: 'task.created', end: 'task.completed', by: 'causationId' });
  void bus.durations({ start: 'task.created', end: 'task.completed', by: ({ payload }) => payload.title });
  // @ts-expect-error a misspelt path
  void bus.durations({ start: 'task.created', end: 'task.completed', by: 'payload.titel' });
  // @ts-expect-error a path of another type
  void bus.durations({ start: 'task.created', end: 'task.completed', by: 'payload.user' });
  // @ts-expect-error a misspelt field
  void bus.durations({ start: 'task.created', end: 'task.completed', by: ({ payload }) => void payload.titel });

  // What is judged by itself.
  void bus.anomalies({ by: ['type', 'payload.size'] });
  // @ts-expect-error a misspelt path
  void bus.anomalies({ by: 'payload.zzz' });

  // Lanes.
  bus.on('task.*', nothing, { key: 'payload.title' });
  bus.on('task.*', nothing, { key: 'entity', concurrency: 4 });
  bus.on('task.created', nothing, { key: ({ payload }) => payload.title });
  bus.replay({ pattern: 'task.*', into: nothing, key: 'payload.title' });
  // @ts-expect-error a misspelt path
  bus.on('task.*', nothing, { key: 'payload.zzz' });
  // @ts-expect-error a misspelt field
  bus.on('task.created', nothing, { key: ({ payload }) => void payload.titel });
  // @ts-expect-error a misspelt path
  bus.replay({ pattern: 'task.*', into: nothing, key: 'payload.zzz' });

  // Four keys deep, then free; arrays, records and unknown are free.
  void bus.anomalies({ by: ['payload.user.address.city.zip', 'payload.user.address.city.zip.code'] });
  void bus.anomalies({ by: ['payload.prefs.any', 'payload.raw.any.thing', 'payload.tags.0.any'] });
  // @ts-expect-error a misspelt key on the way
  void bus.anomalies({ by: 'payload.user.adress.city' });
  // @ts-expect-error an array has elements only
  void bus.anomalies({ by: 'payload.tags.length' });

  // What nobody declared, and what is only known when the program runs, is free.
  void bus.summarize({ pattern: 'legacy.*', by: 'payload.anything', sum: 'payload.anything' });
  const figures: SummarizeOptions = { by: 'payload.anything', sum: 'payload.anything' };
  void bus.summarize(figures);
  const words: SearchOptions = { in: ['payload.anything'] };
  void bus.search('x', words);
}

export async function pathsOfAnyEvents(): Promise<void> {
  const bus = await createBus();
  void bus.search('x', { pattern: 'task.*', in: ['payload.titel', 'type'] });
  void bus.summarize({ type: 'task.created', by: 'payload.titel', sum: 'payload.titel', first: 'payload.titel' });
  void bus.durations({ start: 'a', end: ['b', 'c'], by: 'payload.titel' });
  void bus.durations({ start: 'a', end: 'b', by: (event) => event.position });
  void bus.anomalies({ by: 'payload.titel' });
  bus.on('task.*', nothing, { key: 'payload.titel' });
  bus.on('task.*', nothing, { key: (event) => event.id });

  // One type whose payload may be anything makes everything possible.
  const free = await createBus({ events: defineEvents({ ...declared, 'free.thing': transient() }) });
  void free.summarize({ by: 'payload.anything', sum: 'payload.anything' });
  // @ts-expect-error a misspelt path of a type that is known
  void free.summarize({ type: 'task.created', by: 'payload.anything' });
}
