// Type tests: compiling this file is the test. Nothing here runs.
/* oxlint-disable typescript/no-unnecessary-type-parameters -- types are what is under test */
import { z } from 'zod';
import { createBus, defineEvents, type Bus, type Query, type QueryOptions, type Search } from '../../lib/index.ts';
import type { StoredEvent, StoredEventOf } from '../../lib/index.ts';
import type { PayloadsOf } from '../../lib/event/define-events.ts';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<_T extends true>(): void {}

const events = defineEvents({
  'task.created': z.object({ title: z.string() }),
  'task.completed': z.object({ ms: z.number() }),
  token: z.string(),
});
type E = PayloadsOf<typeof events>;
type Created = StoredEvent<'task.created', { title: string }>;
type Task = Created | StoredEvent<'task.completed', { ms: number }>;

/** Never called: only its types matter. */
export async function answersOfDeclaredEvents(): Promise<void> {
  const bus = await createBus({ events });

  // One page, by type, by types, by pattern.
  const [created] = (await bus.query({ type: 'task.created' })).events;
  holds<Same<typeof created, Created | undefined>>();
  created?.payload.title.toUpperCase();
  // @ts-expect-error a misspelt field
  void created?.payload.titel;
  const several = await bus.query({ type: ['task.created', 'token'], order: 'time' });
  holds<Same<(typeof several.events)[number], Created | StoredEvent<'token', string>>>();
  const { events: tasks, cursor } = await bus.query({ pattern: 'task.*' });
  holds<Same<(typeof tasks)[number], Task>>();
  holds<Same<typeof cursor, string | undefined>>();
  // @ts-expect-error a union has only what all have
  void tasks[0]?.payload.title;
  // A type says more than a pattern.
  const both = await bus.query({ pattern: 'task.*', type: 'task.created' });
  holds<Same<(typeof both.events)[number], Created>>();

  // All of them, one by one.
  for await (const event of bus.query({ pattern: 'task.*' }))
    if (event.type === 'task.completed') event.payload.ms.toFixed(event.position);
  // @ts-expect-error no such type in the union
  for await (const event of bus.query({ pattern: 'task.*' })) if (event.type === 'token') return;

  // Hits.
  const { hits } = await bus.search('x', { type: 'task.created', in: 'payload' });
  holds<Same<(typeof hits)[number]['event'], Created>>();
  // @ts-expect-error a misspelt field
  void hits[0]?.event.payload.titel;
  for await (const { event, matches } of bus.search('x', { pattern: 'task.*' })) {
    holds<Same<typeof event, Task>>();
    void matches[0]?.path;
  }

  // Replays by type.
  bus.replay({ type: 'task.created', into: ({ payload }) => payload.title });
  // @ts-expect-error a misspelt field
  bus.replay({ type: 'task.created', into: ({ payload }) => void payload.titel });
  // @ts-expect-error a misspelt path
  bus.replay({ type: 'task.created', into: () => undefined, where: { 'payload.titel': 'x' } });
  bus.replay({ type: 'task.created', dryRun: true, where: { 'payload.title': 'x' } });

  // Folds.
  void bus.fold(0, (sum, event) => sum + event.payload.ms, { type: 'task.completed' });
  // @ts-expect-error a misspelt field
  void bus.fold(0, (sum, event) => sum + (event.payload.mss === 1 ? 1 : 0), { type: 'task.completed' });

  // What nobody declared, and what is only known when the program runs.
  const [unknown] = (await bus.query({ type: 'legacy.thing' })).events;
  holds<Same<typeof unknown, StoredEvent<'legacy.thing'> | undefined>>();
  const asked: QueryOptions = { type: 'task.created' };
  const found = await bus.query(asked);
  holds<Same<(typeof found.events)[number], StoredEvent>>();
  // @ts-expect-error unknown until it is looked at
  void found.events[0]?.payload.title;

  // They are what they were before, only narrower.
  const query: Query = bus.query({ pattern: 'task.*' });
  const search: Search = bus.search('x');
  const narrow: Query<StoredEventOf<E, 'task.created'>> = bus.query({ type: 'task.created' });
  // @ts-expect-error other events
  const other: Query<StoredEventOf<E, 'token'>> = bus.query({ type: 'task.created' });
  void [query, search, narrow, other];
}

export async function answersOfAnyEvents(bus: Bus, numbers: Bus<Readonly<Record<string, number>>>): Promise<void> {
  const { events: found } = await bus.query({ pattern: 'task.*' });
  holds<Same<(typeof found)[number], StoredEvent>>();
  // @ts-expect-error unknown until it is looked at
  void found[0]?.payload.title;
  const { hits } = await bus.search('x');
  holds<Same<(typeof hits)[number]['event'], StoredEvent>>();
  const sum = await numbers.query({ type: 'a' });
  holds<Same<(typeof sum.events)[number], StoredEvent<string, number>>>();
}
