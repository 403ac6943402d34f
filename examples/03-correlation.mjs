// Correlation and cause go along by themselves, through awaits and timers, and the store answers the tree.
import { setTimeout as wait } from 'node:timers/promises';
import { createBus, memory } from 'telltale';

const bus = await createBus({ source: 'shop', store: memory() });

bus.on('order.placed', async ({ payload }, { emit }) => {
  await wait(5);
  for (const item of payload.items) emit('item.reserved', { item });
});
bus.on('item.reserved', async ({ payload }) => {
  await wait(1);
  if (payload.item === 'unicorn') throw new Error('no unicorns left');
  bus.emit('item.packed', payload);
});
bus.on('$bus.handler.failed', () => {});

const { event } = await bus.publish('order.placed', { items: ['book', 'unicorn'] });
while ((await bus.count({ type: 'item.packed' })) < 1) await wait(5);
await bus.settled();
await bus.flush();

const timeline = await bus.timeline(event.correlationId);
console.log(timeline.map(({ type }) => type).join('\n'));
console.log(
  'all of one correlation:',
  timeline.every(({ correlationId }) => correlationId === event.id),
);
const packed = timeline.find(({ type }) => type === 'item.packed');
console.log('item.packed came from:', (await bus.causes(packed.id)).map(({ type }) => type).join(' < '));
await bus.close();
