// Three orders, and a power failure behind the first payment. The saga itself is in 19-saga/saga.mjs.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBus, jsonFile } from 'telltale';
import { runSagas } from './19-saga/saga.mjs';

const folder = await mkdtemp(join(tmpdir(), 'telltale-saga-'));
const say = (text, answer) => (console.log(`  ${text}`), answer);
// What is outside is asked once for each order, and answers later.
const world = {
  reserve: async ({ name }) => (name === 'Cy' ? say('nobody answers for Cy', false) : say(`goods for ${name}`, true)),
  pay: async ({ name, cents }) => say(`${cents} from ${name}`, cents < 10_000),
  afterPayment: () => new Promise(() => say('… and the power fails')),
  ship: async ({ name }) => say(`parcel to ${name}`),
  release: async ({ name }) => say(`goods of ${name} are free again`),
};
const order = (bus, entity, payload) => bus.publish('order.placed', payload, { entity });

const first = await createBus({ store: jsonFile(folder), closeTimeout: 200 });
runSagas(first, world);
await order(first, 'order/1', { name: 'Ada', cents: 500 });
await first.once('$effect.done', { where: { 'payload.name': 'pay' } });
await first.close();

world.afterPayment = () => undefined;
const bus = await createBus({ store: jsonFile(folder) });
runSagas(bus, world);
await bus.once('order.shipped', { from: 'earliest' });
await order(bus, 'order/2', { name: 'Bob', cents: 50_000 });
await bus.once('order.cancelled', { from: 'earliest' });
await order(bus, 'order/3', { name: 'Cy', cents: 900, patience: '50ms' });
await bus.once('order.cancelled', { timeout: '5s' }); // a schedule alone keeps no process alive
for (const entity of ['order/1', 'order/2', 'order/3'])
  console.log(entity, (await bus.query({ entity })).events.map(({ type }) => type.slice(6)).join(' → '));
await bus.close();
await rm(folder, { recursive: true });
