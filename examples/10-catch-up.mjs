// A subscriber that comes late reads what it has missed and then goes on live, with no gap and nothing twice.
import { createBus, memory } from 'telltale';

const bus = await createBus({ source: 'meter', store: memory() });
const read = (value) => bus.emit('meter.read', { value }, { entity: 'meter/1' });
for (let value = 1; value <= 3_000; value++) read(value);
await bus.flush();

// A projection that begins at the beginning, while the meter goes on at full speed.
let total = 0;
let last = 0;
let gaps = 0;
const project = ({ payload, position }) => {
  if (position !== last + 1) gaps++;
  last = position;
  total += payload.value;
  if (position % 1_000 === 0 && position <= 5_000) read(position + 2_000);
};
bus.on('meter.read', project, { from: 'earliest' });
for (let value = 3_001; value <= 6_000; value++) read(value);
await bus.settled();
console.log(`projected up to position ${last} with ${gaps} gaps, total ${total}`);

// A slow reader misses nothing: what it has not asked for waits in the log.
const slow = [];
for await (const { position } of bus.iterate('meter.read', { from: 6_001 })) {
  slow.push(position);
  if (slow.length < 4) read(0);
  if (slow.length === 8) break;
}
console.log(`the slow reader saw ${slow.join(', ')}`);

const first = await bus.once('meter.read', { from: 1, where: { 'payload.value': { $gt: 2_500 } } });
console.log(`the first value above 2,500 was ${first.payload.value}, at position ${first.position}`);
await bus.close();
