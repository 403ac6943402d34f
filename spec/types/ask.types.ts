// Type tests: compiling this file is the test. Nothing here runs; `typed-patterns.spec.ts` proves that it can fail.
/* oxlint-disable typescript/no-unnecessary-type-parameters -- types are what is under test */
import { z } from 'zod';
import { createBus, defineEvents, type Answer } from '../../lib/index.ts';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<_T extends true>(): void {}

const events = defineEvents({ 'price.get': z.object({ item: z.string() }), 'job.do': z.number() });

/** Never called: only its types matter. */
export async function askingDeclaredTypes(): Promise<void> {
  const bus = await createBus({ events });

  bus.answer('price.get', ({ payload }, { deadline, ask }) => {
    deadline?.toFixed();
    return [payload.item.length, ask('job.do', 1)];
  });
  bus.answer('price.get', () => 1, { where: { 'payload.item': 'tea' }, key: 'payload.item', concurrency: 2 });
  // @ts-expect-error a misspelt path
  bus.answer('price.get', () => 1, { where: { 'payload.itme': 'tea' } });
  // @ts-expect-error no such type
  bus.answer('price.gte', () => 1);
  // @ts-expect-error a misspelt field
  bus.answer('price.get', ({ payload }) => payload.itme);

  // The payload is checked, and the answer has the type it is given to.
  const price: number = await bus.ask('price.get', { item: 'tea' }, { timeout: '1s' });
  price.toFixed();
  const unknown = await bus.ask('price.get', { item: 'tea' });
  holds<Same<typeof unknown, unknown>>();
  const named = await bus.ask<'price.get', { cents: number }>('price.get', { item: 'tea' });
  holds<Same<typeof named, { cents: number }>>();
  // @ts-expect-error a wrong payload
  await bus.ask('price.get', { item: 1 });
  // @ts-expect-error no such type
  await bus.ask('price.gte', { item: 'tea' });
  // @ts-expect-error a request is transient or stored
  await bus.ask('job.do', 1, { transient: true });

  // Of many there are as many answers.
  const answers = await bus.ask<'job.do', string>('job.do', 1, { to: 'all' });
  holds<Same<typeof answers, readonly Answer<string>[]>>();
  const quorum: readonly Answer<string>[] = await bus.ask('job.do', 1, { to: { quorum: 2 } });
  for (const answer of quorum) (answer.ok ? answer.value : answer.error.code).toUpperCase();
  // @ts-expect-error only where it is ok
  void quorum[0]?.value;

  for await (const answer of bus.askEach<'job.do', string>('job.do', [1, 2], { concurrency: 2 }))
    if (answer.ok) answer.value.toUpperCase();
  // @ts-expect-error a wrong payload
  bus.askEach('job.do', ['1']);
  for await (const part of bus.askStream<'job.do', string>('job.do', 1)) part.toUpperCase();
}
