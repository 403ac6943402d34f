// Compiled with everything else: a line that should not compile carries the proof that it does not.
import { map } from 'rxjs';
import { z } from 'zod';
import { caused, createBus, defineEvents } from '../../lib/index.ts';

const events = defineEvents({
  'sensor.read': z.object({ value: z.number() }),
  'alert.raised': z.object({ values: z.array(z.number()) }),
});

/** Never called: only its types matter. */
export async function pipelinesOfDeclaredEvents(): Promise<void> {
  const bus = await createBus({ events });
  bus.pipeline('one', 'sensor.*', (source) =>
    source.pipe(map((event) => caused(event, { type: 'alert.raised', payload: { values: [event.payload.value] } }))),
  );
  bus.pipeline('options', 'sensor.*', (source) =>
    source.pipe(
      map((event) =>
        caused([event], { type: 'alert.raised', payload: { values: [1] }, options: { entity: 'sensor/1' } }),
      ),
    ),
  );
  bus.pipeline('plain', 'sensor.*', (source) =>
    source.pipe(map(() => ({ type: 'alert.raised' as const, payload: { values: [1] } }))),
  );
  bus.pipeline('unknown type', 'sensor.*', (source) =>
    // @ts-expect-error no such type is declared
    source.pipe(map((event) => caused(event, { type: 'alert.risen', payload: { values: [1] } }))),
  );
}

export async function pipelinesOfAnyEvents(): Promise<void> {
  const bus = await createBus();
  bus.pipeline('any', '**', (source) =>
    source.pipe(map((event) => caused(event, { type: 'seen', payload: event.id }))),
  );
}
