// Four orders, and a power failure behind the first payment. The saga itself is in 19-saga/saga.mjs.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { createBus, jsonFile } from 'telltale';
import { runSagas } from './19-saga/saga.mjs';

const folder = await mkdtemp(join(tmpdir(), 'telltale-saga-'));
const say = (text, answer) => (console.log(`  ${text}`), answer);
// What is outside is asked once for each order, and answers later.
const world = {
  reserve: async ({ name }) => (name === 'Cy' ? say('nobody answers for Cy', false) : say(`goods for ${name}`, true)),
  pay: async ({ name, cents, ms = 0 }) => (await setTimeout(ms), say(`${cents} from ${name}`, cents < 10_000)),
  afterPayment: () => new Promise(() => say('… and the power fails')),
  ship: async ({ name }) => say(`parcel to ${name}`),
  refund: async ({ name, cents }) => say(`${cents} back to ${name}`),
  release: async ({ name }) => say(`goods of ${name} are free again`),
};

const first = await createBus({ store: jsonFile(folder), closeTimeout: 1_000 });
runSagas(first, world);
await first.publish('order.placed', { name: 'Ada', cents: 500 }, { entity: 'order/1' });
await first.once('$effect.done', { where: { 'payload.name': 'pay' } });
await first.close();

world.afterPayment = () => undefined;
const bus = await createBus({ store: jsonFile(folder) });
runSagas(bus, world);
await bus.once('order.shipped', { from: 'earliest' });
await bus.publish('order.placed', { name: 'Bob', cents: 50_000 }, { entity: 'order/2' });
await bus.once('order.cancelled', { from: 'earliest' });
await bus.publish('order.placed', { name: 'Cy', cents: 900, patience: '50ms' }, { entity: 'order/3' });
await bus.publish('order.placed', { name: 'Dee', cents: 700, patience: '1s', ms: 2_000 }, { entity: 'order/4' });
await bus.once('order.cancelled', { where: { entity: 'order/4' }, timeout: '20s' }); // a schedule alone keeps no process alive
for (const entity of ['order/1', 'order/2', 'order/3', 'order/4'])
  console.log(entity, (await bus.query({ entity })).events.map(({ type }) => type.slice(6)).join(' → '));
await bus.close();
await rm(folder, { recursive: true });
