// Type tests: compiling this file is the test. Nothing here runs; `typed-patterns.spec.ts` proves that it can fail.
import { z } from 'zod';
import { createBus, defineEvents, memory, type Sink } from '../../lib/index.ts';

const events = defineEvents({ 'order.placed': z.object({ cents: z.number() }), 'order.overdue': z.string() });

/** Never called: only its types matter. */
export async function schedulesAndEffectsKnowTheirTypes(sink: Sink): Promise<void> {
  const bus = await createBus({
    events,
    store: memory(),
    sinks: [memory(), sink, { sink, pattern: ['**', '$effect.*'] }],
  });

  const { event } = await bus.schedule('order.overdue', 'order/1', { after: '1h', key: 'k', entity: 'order/1' });
  event.payload.toUpperCase();
  // @ts-expect-error no such type
  await bus.schedule('order.overdeu', 'x', { after: 1 });
  // @ts-expect-error another payload
  await bus.schedule('order.overdue', 1, { after: 1 });
  // @ts-expect-error when it is emitted is its time
  await bus.schedule('order.overdue', 'x', { after: 1, time: 1 });
  // @ts-expect-error no duration
  await bus.schedule('order.overdue', 'x', { after: 'soon' });

  bus.on('order.placed', async ({ payload }, { effect }) => {
    const receipt = await effect('charge', async () => ({ number: payload.cents }));
    receipt.number.toFixed();
    // @ts-expect-error no such field
    void receipt.colour;
    // @ts-expect-error no function
    await effect('charge', 5);
  });
}
