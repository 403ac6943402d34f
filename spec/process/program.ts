// Small programs as users write them; each ends by itself, and what it prints and how it exits is the test.
import { setImmediate as turn } from 'node:timers/promises';
import { createBus, jsonFile, memory, type Bus } from '../../lib/index.ts';
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

function storeThatIsAway(): FlakyStore {
  const store = new FlakyStore();
  store.faults.push({ before: new Error('away') }, { before: new Error('away') });
  return store;
}

/** Workers that have done something, one of them killed and started again. */
async function work(bus: Bus, size: number): Promise<WorkerPool> {
  bus.on('$worker.**', () => undefined);
  const script = new URL('../worker-threads/script.js', import.meta.url);
  const pool = connectWorkers(bus, { script, size, restart: { delay: 1 } });
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
  /** One after the other: where one of them did not keep the process alive, nothing more would be said. */
  async 'await what takes its time'() {
    for (const [what, program] of Object.entries(AWAITED)) say([what, await program()]);
  },
  async 'emit into a store that is away, without close'() {
    const bus = await createBus({ store: storeThatIsAway() });
    bus.emit('a', 1);
    process.on('exit', () => say(bus.metrics().stored));
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
    await bus.settled();
    say(await leftovers());
  },
  async 'close workers'() {
    const bus = await createBus({ store: jsonFile(folder) });
    const pool = await work(bus, 2);
    await pool.close();
    say([pool.workers().map(({ status }) => status), await leftovers()]);
    const other = await createBus();
    const its = await work(other, 1);
    await other.close();
    say([its.workers().map(({ status }) => status), await leftovers()]);
  },
};

/** Nothing but what is awaited keeps the process alive meanwhile. */
const AWAITED: Readonly<Record<string, () => Promise<unknown>>> = {
  async 'close while a handler is tried again'() {
    const bus = await createBus({ store: jsonFile(folder) });
    bus.on('a', failing, { retry });
    bus.emit('a', 1);
    return bus.close();
  },
  async 'close with a handler that never ends'() {
    const bus = await createBus({ closeTimeout: 100 });
    bus.on('a', never);
    bus.emit('a', 1);
    return bus.close();
  },
  async 'once with a timeout'() {
    const bus = await createBus();
    return bus.once('a', { timeout: 60 }).catch(codeOf);
  },
  async 'join with a timeout'() {
    const bus = await createBus();
    return bus.join('c', { a: 1 }, { timeout: 60 }).catch(codeOf);
  },
  async 'settled with a timeout'() {
    const bus = await createBus();
    bus.on('a', never);
    bus.emit('a', 1);
    return bus.settled({ timeout: 60 }).catch(codeOf);
  },
  async 'publish into a store that is away'() {
    const bus = await createBus({ store: storeThatIsAway() });
    return (await bus.publish('a', 1)).position;
  },
  async 'iterate over a store that is away'() {
    const store = new FlakyStore();
    const bus = await createBus({ store });
    await bus.publish('a', 1);
    store.readFaults.push(new Error('away'), new Error('away'));
    for await (const { payload } of bus.iterate('a', { from: 'earliest' })) return payload;
    return 'ended';
  },
  async 'caughtUp of a consumer that waits for somebody else'() {
    const bus = await createBus({ store: memory() });
    const consumer = bus.consume('c', 'a', () => undefined);
    await consumer.started;
    consumer.pause();
    await bus.publish('a', 1);
    setTimeout(() => consumer.resume(), 60).unref();
    await consumer.caughtUp();
    return consumer.position;
  },
  async 'close with a join that nobody awaits'() {
    const bus = await createBus();
    void bus.join('c', { a: 1 });
    return bus.close();
  },
};

await PROGRAMS[name!]!();
