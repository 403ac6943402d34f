// One segment, any number of segments, filters on the payload; and what each of them gets.
import { createBus } from 'telltale';

const bus = await createBus({ source: 'patterns' });
const heard = new Map();
const listen = (name, pattern, options) =>
  bus.on(pattern, ({ type }) => heard.set(name, [...(heard.get(name) ?? []), type]), options);

listen('order.*', 'order.*');
listen('order.**', 'order.**');
listen('*.failed', '*.failed');
listen('**', '**');
listen('big orders', 'order.placed', { where: { 'payload.total': { $gte: 100 } } });
listen('Ada or Bob', '**', { where: { 'payload.by': { $in: ['ada', 'bob'] } } });
const undo = listen('until undone', 'order.*');

bus.emit('order.placed', { total: 20, by: 'ada' });
bus.emit('order.placed', { total: 250, by: 'eve' });
undo();
bus.emit('order.item.added', { by: 'bob' });
bus.emit('payment.failed', { by: 'eve' });

for (const [name, types] of heard) console.log(`${name.padEnd(12)} ${types.length}  ${types.join(', ')}`);
await bus.close();
