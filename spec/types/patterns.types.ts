// Type tests: compiling this file is the test. Nothing here runs; `typed-patterns.spec.ts` proves that it can fail.
/* oxlint-disable typescript/no-unnecessary-type-parameters -- types are what is under test */
import { z } from 'zod';
import { defineEvents, transient, type PayloadsOf } from '../../lib/event/define-events.ts';
import type { TelltaleEvent } from '../../lib/event/event.ts';
import type { StandardSchema } from '../../lib/event/schema.ts';
import type { AnyEvents, EventOf, Matching } from '../../lib/event/typed-patterns.ts';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<_T extends true>(): void {}

declare const byHand: StandardSchema<{ n: number }>;
const events = defineEvents({
  'task.created': z.object({ title: z.string() }),
  'task.completed': z.object({ ms: z.number() }),
  'task.step.completed': { version: 2, schema: z.object({ step: z.string() }), upcast: { 1: (payload) => payload } },
  task: byHand,
  token: transient(z.string()),
  tick: transient(),
  'deep.a.b.c': z.null(),
});
type E = PayloadsOf<typeof events>;

// Payloads.
holds<Same<E['task.created'], { title: string }>>();
holds<Same<E['task.step.completed'], { step: string }>>();
holds<Same<E['task'], { n: number }>>();
holds<Same<E['token'], string>>();
holds<Same<E['tick'], unknown>>();

// Patterns.
type Task = 'task.created' | 'task.completed';
holds<Same<Matching<E, 'task.created'>, 'task.created'>>();
holds<Same<Matching<E, 'task.*'>, Task>>();
holds<Same<Matching<E, 'task.**'>, 'task' | Task | 'task.step.completed'>>();
holds<Same<Matching<E, '*.completed'>, 'task.completed'>>();
holds<Same<Matching<E, '**.completed'>, 'task.completed' | 'task.step.completed'>>();
holds<Same<Matching<E, '*'>, 'task' | 'token' | 'tick'>>();
holds<Same<Matching<E, '**'>, keyof E>>();
holds<Same<Matching<E, '*.*'>, Task>>();
holds<Same<Matching<E, '*.**'>, keyof E>>();
holds<Same<Matching<E, '**.*'>, keyof E>>();
holds<Same<Matching<E, 'task.*.**'>, Task | 'task.step.completed'>>();
holds<Same<Matching<E, 'task.*.completed'>, 'task.step.completed'>>();
holds<Same<Matching<E, 'deep.**.c'>, 'deep.a.b.c'>>();
holds<Same<Matching<E, 'deep.*.c'>, never>>();
holds<Same<Matching<E, 'deep.*.b.**'>, 'deep.a.b.c'>>();
holds<Same<Matching<E, 'deep.*.c.**'>, never>>();
holds<Same<Matching<E, 'task.created.**'>, 'task.created'>>();
holds<Same<Matching<E, 'task.*' | 'token'>, Task | 'token'>>();
holds<Same<Matching<E, 'taks.*'>, never>>();
type WithBus = { 'task.created': 1; '$bus.lagged': 2; $odd: 3 };
holds<Same<Matching<WithBus, '**'>, 'task.created'>>();
holds<Same<Matching<WithBus, '*'>, never>>();
holds<Same<Matching<WithBus, '$bus.**'>, '$bus.lagged'>>();

// Events narrow by their type.
declare function on<P extends string>(pattern: P, handler: (event: EventOf<E, P>) => void): void;
on('task.*', (event) => {
  holds<Same<typeof event.type, Task>>();
  if (event.type === 'task.created') event.payload.title.toUpperCase();
  else event.payload.ms.toFixed();
  // @ts-expect-error a union has only what all have
  void event.payload.title;
  // @ts-expect-error no such type in the union
  if (event.type === 'token') return;
  // @ts-expect-error events are immutable
  event.id = 'x';
});
on('task.created', (event) => {
  // @ts-expect-error a misspelt field
  void event.payload.titel;
});
on('task.step.*', ({ payload }) => {
  // @ts-expect-error a string is no number
  void payload.step.toFixed;
});
on('token', (event) => event.payload.toUpperCase());
// @ts-expect-error the payload of a token is a string
on('token', (event: TelltaleEvent<'token', number>) => event.payload.toFixed());
on('$bus.**', (event) => {
  holds<Same<typeof event, TelltaleEvent>>();
  // @ts-expect-error unknown until it is looked at
  void event.payload.missed;
});
on('legacy.thing', (event) => holds<Same<typeof event.type, 'legacy.thing'>>());

// A bus without declarations: any type, any pattern, unknown payloads.
declare function onAny<P extends string>(pattern: P, handler: (event: EventOf<AnyEvents, P>) => void): void;
onAny('task.*', (event) => {
  holds<Same<typeof event, TelltaleEvent>>();
  if (typeof event.payload === 'string') event.payload.toUpperCase();
});
onAny('task.created', (event) => holds<Same<typeof event.type, 'task.created'>>());
declare const anyPattern: string;
onAny(anyPattern, (event) => void event.id);
on(anyPattern, (event) => holds<Same<typeof event, TelltaleEvent>>());

// Declarations.
// @ts-expect-error neither schema nor entry
defineEvents({ a: 5 });
// @ts-expect-error a version is a number
defineEvents({ a: { version: '2' } });
// @ts-expect-error not a schema
transient({});
