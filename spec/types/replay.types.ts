// Type tests: compiling this file is the test. Nothing here runs.
/* oxlint-disable typescript/no-unnecessary-type-parameters -- types are what is under test */
import { Subject } from 'rxjs';
import { z } from 'zod';
import type { Bus, ReplayPreview, ReplayResult, StoredEvent } from '../../lib/index.ts';
import { defineEvents, type PayloadsOf } from '../../lib/event/define-events.ts';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<_T extends true>(): void {}

const events = defineEvents({
  'task.created': z.object({ title: z.string() }),
  'task.completed': z.object({ ms: z.number() }),
  token: z.string(),
});

export async function typed(bus: Bus<PayloadsOf<typeof events>>, other: Bus): Promise<void> {
  bus.replay({
    pattern: 'task.*',
    into: (event, { emit }) => {
      holds<Same<typeof event.type, 'task.created' | 'task.completed'>>();
      holds<Same<typeof event.position, number>>();
      if (event.type === 'task.completed') emit('token', `${event.payload.ms}`);
    },
  });
  bus.replay({ pattern: 'task.created', into: { next: ({ payload }) => payload.title } });
  bus.replay({ into: { 'task.*': ({ payload }) => payload } });
  bus.replay({ into: bus });
  bus.replay({ into: other });
  other.replay({ into: other, speed: 2, order: 'time' });
  other.replay({ into: new Subject<StoredEvent>() });
  const result = await bus.replay({ into: () => undefined }).finished;
  holds<Same<typeof result, ReplayResult>>();
  const preview = await bus.replay({ dryRun: true, pattern: 'task.*' }).finished;
  holds<Same<typeof preview, ReplayPreview>>();
}
