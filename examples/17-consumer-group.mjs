// Durable consumers: a group shares the orders; a projection counts each of them once, over a failure and a restart.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBus, fileTarget, jsonFile } from 'telltale';

const folder = mkdtempSync(join(tmpdir(), 'telltale-'));
let bus = await createBus({ store: jsonFile(join(folder, 'events')) });
for (let n = 1; n <= 90; n++) bus.emit('order.placed', { n }, { entity: `customer/${n % 30}` });

// Each order goes to one of them, those of one customer in order.
const packed = new Map();
const packer = (by) => {
  const pack = ({ entity, payload }) => packed.set(entity, [...(packed.get(entity) ?? []), `${by} ${payload.n}`]);
  return bus.consume('packers', 'order.*', pack, { group: true, key: 'entity' });
};
await Promise.all(['ann', 'bob', 'cem'].map((by) => packer(by).started));
await bus.settled();
console.log(`${[...packed.values()].flat().length} orders packed`);
console.log(packed.get('customer/7').map((text) => text.split(' ')[1]));

// State and checkpoint change together, in one file.
const totals = fileTarget(join(folder, 'totals.json'), { orders: 0, sum: 0 });
let legible = false;
const count = ({ payload }, { tx }) => {
  if (payload.n === 50 && !legible) throw new Error('order 50 cannot be read');
  tx.state = { orders: tx.state.orders + 1, sum: tx.state.sum + payload.n };
};
bus.on('$bus.handler.failed', ({ payload }) => console.log('failed:', payload.error.message));
const counter = bus.consume('totals', 'order.*', count, { checkpointIn: totals, onFailure: 'pause', retry: false });
await bus.once('$bus.consumer.paused');
console.log(`${counter.status}, ${counter.lag.events} to go:`, await totals.read());
await bus.close();

legible = true;
bus = await createBus({ store: jsonFile(join(folder, 'events')) });
await bus.consume('totals', 'order.*', count, { checkpointIn: totals }).caughtUp();
console.log('after a restart:', await totals.read());
await bus.close();
