// Small programs as users write them; each ends by itself, and what it prints and how it exits is the test.
import { setImmediate as turn } from 'node:timers/promises';
import { createBus, jsonFile, type Bus } from '../../lib/index.ts';
import { connectWorkers, type WorkerPool } from '../../plugins/worker-threads/index.ts';
import { FlakyStore } from '../support/flaky-store.ts';

const [, , name, folder = ''] = process.argv;
const say = (value: unknown): void => console.log(JSON.stringify(value));
const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code;
const never = (): Promise<never> => new Promise(() => undefined);
const failing = (): never => {
  throw new Error('no network');
};
const retry = { attempts: 3, delay: 40, jitter: 0 } as const;

/** Two workers that have done something, one of them killed and started again. */
async function work(bus: Bus): Promise<WorkerPool> {
  bus.on('$worker.**', () => undefined);
  const script = new URL('../worker-threads/script.js', import.meta.url);
  const pool = connectWorkers(bus, { script, size: 2, restart: { delay: 1 } });
  await pool.ready;
  const again = bus.once('$worker.ready');
  pool.kill(pool.workers()[0]!.name);
  await again;
  for (let n = 0; n < 10; n++) bus.emit('job.given', { n });
  await bus.settled();
  return pool;
}

/** What would keep the process alive, its output apart, once Node has had some turns to give back what was closed. */
async function leftovers(): Promise<readonly string[]> {
  for (let i = 0; i < 10; i++) await turn();
  return process.getActiveResourcesInfo().filter((resource) => /worker|port|timeout|immediate/i.test(resource));
}

const PROGRAMS: Readonly<Record<string, () => Promise<void>>> = {
  async 'close while a handler is tried again'() {
    const bus = await createBus({ store: jsonFile(folder) });
    bus.on('a', failing, { retry });
    bus.emit('a', 1);
    say(await bus.close());
  },
  async 'close with a handler that never ends'() {
    const bus = await createBus({ closeTimeout: 100 });
    bus.on('a', never);
    bus.emit('a', 1);
    say(await bus.close());
  },
  async 'once with a timeout'() {
    const bus = await createBus();
    await bus.once('a', { timeout: 60 }).catch((error: unknown) => say(codeOf(error)));
  },
  async 'join with a timeout'() {
    const bus = await createBus();
    await bus.join('c', { a: 1 }, { timeout: 60 }).catch((error: unknown) => say(codeOf(error)));
  },
  async 'settled with a timeout'() {
    const bus = await createBus();
    bus.on('a', never);
    bus.emit('a', 1);
    await bus.settled({ timeout: 60 }).catch((error: unknown) => say(codeOf(error)));
  },
  async 'emit into a store that is away, without close'() {
    const store = new FlakyStore();
    const bus = await createBus({ store });
    store.faults.push({ before: new Error('away') }, { before: new Error('away') });
    bus.emit('a', 1);
    process.on('exit', () => say(bus.metrics().stored));
  },
  async 'publish into a store that is away'() {
    const store = new FlakyStore();
    const bus = await createBus({ store });
    store.faults.push({ before: new Error('away') }, { before: new Error('away') });
    say((await bus.publish('a', 1)).position);
  },
  async 'forget to close'() {
    const bus = await createBus({ store: jsonFile(folder) });
    bus.on('a', () => undefined);
    for (let i = 0; i < 10; i++) bus.emit('a', i);
    process.on('exit', () => say(bus.metrics().stored));
  },
  async housekeeping() {
    const bus = await createBus();
    bus.on('$bus.**', () => undefined);
    bus.on('a', failing);
    // Reported, and what comes within the next second would be summed up.
    bus.emit('a', 1);
    const emitted = performance.now();
    process.on('exit', () => say(performance.now() - emitted < 900));
  },
  async 'a pool that is closed'() {
    const bus = await createBus({ store: jsonFile(folder) });
    const pool = await work(bus);
    await pool.close();
    say([pool.workers().map(({ status }) => status), await leftovers()]);
  },
  async 'a bus with a pool that is closed'() {
    const bus = await createBus();
    const pool = await work(bus);
    await bus.close();
    say([pool.workers().map(({ status }) => status), await leftovers()]);
  },
  async 'a join nobody awaits'() {
    const bus = await createBus();
    void bus.join('c', { a: 1 });
    await bus.close();
    say('closed');
  },
};

await PROGRAMS[name!]!();
