import { expect } from 'chai';
import { Worker } from 'node:worker_threads';
import { createBus, memory, type Bus } from '../../lib/index.ts';
import { connectToParent, connectWorker, connectWorkers, type WorkerPool } from '../../plugins/worker-threads/index.ts';
import { createHurriedClock, UNRESPONSIVE } from '../support/hurried-clock.ts';
import { leastHoldMs } from '../support/loop-hold.ts';
import { turn } from '../support/turn.ts';
import { refusalOf } from '../support/code-of.ts';
import { rejectionOf } from '../support/rejection-of.ts';

const SCRIPT = new URL('script.js', import.meta.url);
/** Events in each direction. */
const FLOOD = 20_000;
/** What no flood may hold up the timers of the parent for. */
const HOLD_MS = 20;
const QUICK = { restart: { delay: 1, maxDelay: 20 } } as const;

describe('workers in threads', function () {
  this.timeout(60_000);
  let bus: Bus;
  beforeEach(async () => {
    bus = await createBus({ source: 'main', store: memory() });
    bus.on('$bus.**', () => undefined);
  });
  afterEach(() => bus.close());

  const start = async (options: Partial<Parameters<typeof connectWorkers>[1]> = {}): Promise<WorkerPool> => {
    const pool = connectWorkers(bus, { script: SCRIPT, ...QUICK, ...options });
    await pool.ready;
    return pool;
  };

  it('share events, emit into the bus and answer its questions', async () => {
    const pool = await start({ size: 2 });
    const threads = new Set<unknown>();
    bus.on('job.done', ({ payload }) => void threads.add((payload as { threadId: number }).threadId));
    for (let n = 0; n < 20; n++) bus.emit('job.given', { n });
    await bus.settled();
    await bus.flush();
    expect(threads.size).to.equal(2);
    expect(await bus.count({ where: { type: 'job.done' } })).to.equal(20);
    expect(pool.workers().map(({ handled }) => handled)).to.deep.equal([10, 10]);
    bus.answer('secret', ({ payload }) => `${String(payload)}!`);
    expect(await bus.ask('relay', 'psst')).to.equal('psst!');
    const parts: unknown[] = [];
    for await (const part of bus.askStream('parts', 1)) parts.push(part);
    expect(parts).to.have.length(40);
    const error = await rejectionOf(bus.ask('failing', 1));
    expect(error).to.deep.include({ code: 'ASK_FAILED' });
    expect(error.cause).to.deep.include({ name: 'TypeError', message: 'wrong', code: 'E_WRONG' });
    expect((error.cause as Error).cause).to.deep.include({ message: 'below' });
    const all = await bus.ask('thread', 1, { to: 'all' });
    expect(all).to.have.length(2);
  });

  it('that throw, exit or run out of memory, before they have emitted or after, lose nothing: the killers are letters', async () => {
    const done = new Set<unknown>();
    bus.on('job.done', ({ payload }) => void done.add((payload as { n: number }).n));
    const pool = await start({ size: 2, resourceLimits: { maxOldGenerationSizeMb: 24 } });
    const killers = new Map([
      [6, { n: 6, end: 'throw', when: 'before' }],
      [11, { n: 11, end: 'exit', when: 'after' }],
      [17, { n: 17, end: 'memory', when: 'after' }],
    ]);
    for (let n = 0; n < 30; n++) bus.emit('job.given', killers.get(n) ?? { n });
    await bus.settled();
    await bus.flush();
    const letters = await bus.deadLetters.list();
    expect(letters.map(({ error }) => error.code)).to.deep.equal(Array.from(killers, () => 'WORKER_FAILED'));
    const missing = Array.from({ length: 30 }, (_, n) => n).filter((n) => !done.has(n));
    expect([...killers.keys()]).to.include.members(missing);
    const restarts = pool.workers().reduce((sum, worker) => sum + worker.restarts, 0);
    expect(restarts).to.be.within(3, 6);
  });

  it('that stand still are started again, and lose nothing: the killer is a letter', async () => {
    const clock = createHurriedClock();
    const hurried = await createBus({ source: 'main', store: memory(), clock });
    const hurry = (worker: Worker): void => void worker.on('message', (message) => message === 'loop' && clock.hurry());
    process.on('worker', hurry);
    try {
      for (const type of ['$worker.**', '$bus.**']) hurried.on(type, () => undefined);
      const done: unknown[] = [];
      hurried.on('job.done', ({ payload }) => done.push((payload as { n: number }).n));
      const pool = connectWorkers(hurried, { script: SCRIPT, ...QUICK, unresponsive: UNRESPONSIVE });
      await pool.ready;
      for (let n = 0; n < 8; n++) hurried.emit('job.given', n === 3 ? { n, end: 'loop', when: 'before' } : { n });
      await hurried.settled();
      await hurried.flush();
      expect([...new Set(done)]).to.have.members([0, 1, 2, 4, 5, 6, 7]);
      const [letter, ...others] = await hurried.deadLetters.list();
      expect(letter!.error).to.deep.include({ code: 'WORKER_FAILED' });
      expect(letter!.error.message).to.include('did not respond');
      expect(others).to.deep.equal([]);
      expect(pool.workers()[0]!.restarts).to.equal(2);
    } finally {
      process.off('worker', hurry);
      await hurried.close();
    }
  });

  it('that are killed from outside are started again', async () => {
    const pool = await start();
    const died = bus.once('$worker.died');
    expect(pool.kill(pool.workers()[0]!.name)).to.equal(true);
    expect((await died).payload).to.deep.include({ inFlight: 0 });
    bus.emit('job.given', { n: 1 });
    await bus.once('job.done');
  });

  it('keep the parent’s timers going in floods of 20,000 events each way, and what waits is bounded', async () => {
    await start({ credits: 512 });
    let floods = 0;
    const up = await leastHoldMs(async () => {
      floods++;
      expect(await bus.ask('flood.wanted', FLOOD, { timeout: '60s' })).to.equal(FLOOD);
    }, HOLD_MS);
    expect(await bus.count({ where: { type: 'flood.up' } })).to.equal(floods * FLOOD);
    floods = 0;
    let queued = 0;
    const load = (): number => {
      const { running, queued: waiting } = bus.metrics().subscriptions.find(({ pattern }) => pattern === 'flood.down')!;
      queued = Math.max(queued, running + waiting);
      return running + waiting;
    };
    const down = await leastHoldMs(async () => {
      floods++;
      for (let n = 0; n < FLOOD; n++) {
        bus.emit('flood.down', { n, text: 'x'.repeat(100) }, { transient: true });
        if (n % 50 === 49)
          do await turn();
          while (load() > 4_000);
      }
      await bus.settled();
    }, HOLD_MS);
    expect(await bus.ask('counted', 1)).to.equal(floods * FLOOD);
    expect(queued, 'what waits is bounded').to.be.below(5_000);
    expect(up, 'events from the worker').to.be.below(HOLD_MS);
    expect(down, 'events to the worker').to.be.below(HOLD_MS);
  });

  it('may be there already, and go on talking with whoever started them', async () => {
    const worker = new Worker(SCRIPT);
    const answered = new Promise((resolve) => worker.once('message', resolve));
    const pool = connectWorker(bus, worker);
    await pool.ready;
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread has no origin
    worker.postMessage('hello from the user');
    expect(await answered).to.equal('hello from the worker');
    expect(await bus.ask('thread', 1)).to.equal(worker.threadId);
    const exited = new Promise((resolve) => worker.once('exit', resolve));
    await pool.close();
    expect(await exited, 'it is its owner’s to terminate').to.equal(0);
  });

  it('that are somebody else’s and die fail what they had', async () => {
    const worker = new Worker(SCRIPT);
    const pool = connectWorker(bus, worker);
    await pool.ready;
    bus.emit('job.given', { n: 1, end: 'exit', when: 'before' });
    await bus.settled();
    expect(pool.workers()[0]!.status).to.equal('failed');
    await bus.flush();
    expect(await bus.deadLetters.list()).to.have.length(1);
  });

  it('whose script does not exist, or throws at start, reject `ready` with the script and the cause', async () => {
    const missing = connectWorkers(bus, { script: new URL('no-such-script.js', import.meta.url), ...QUICK });
    const error = await rejectionOf(missing.ready);
    expect(error.code).to.equal('WORKER_FAILED');
    expect(error.message).to.match(/no-such-script\.js.*Cannot find module/);
    const throwing = connectWorkers(bus, { script: SCRIPT, workerData: { at: 'start' }, ...QUICK, name: 'sick' });
    const thrown = await rejectionOf(throwing.ready);
    expect(thrown.message).to.match(/script\.js.*no licence/);
    expect(thrown.cause).to.deep.include({ message: 'no licence' });
    expect(throwing.workers()[0]!.restarts).to.equal(2);
    expect(bus.health().notices.join()).to.contain('worker `sick` of pool `sick` is given up');
  });

  it('end with the bus, which waits for what they do', async () => {
    const pool = await start({ size: 2 });
    for (let n = 0; n < 50; n++) bus.emit('job.given', { n });
    let done = 0;
    bus.on('job.done', () => void done++);
    expect(await bus.close()).to.deep.equal({ cut: 0, stillRunning: 0, unstored: 0 });
    expect(done).to.equal(50);
    expect(pool.workers().map(({ status }) => status)).to.deep.equal(['closed', 'closed']);
  });

  const wrong = (given: object): string => refusalOf(() => connectWorkers(bus, given as never)).message;

  it('refuses what is wrong with its options, and a bus that is none', async () => {
    expect(wrong({})).to.match(/`script` of connectWorkers/);
    expect(wrong({ script: SCRIPT, size: 0 })).to.match(/`size` of connectWorkers .* got 0/);
    expect(wrong({ script: SCRIPT, credits: 0.5 })).to.match(/`credits` of connectWorkers/);
    expect(wrong({ script: SCRIPT, deliver: 'two' })).to.match(/'one' or 'every'/);
    expect(wrong({ script: SCRIPT, restart: { limits: 1 } })).to.match(/`limits` is not an option/);
    expect(wrong({ script: SCRIPT, threads: 1 })).to.match(/`threads` is not an option of connectWorkers/);
    expect(refusalOf(() => connectWorkers({} as never, { script: SCRIPT })).message).to.match(/`bus` to be a bus/);
    expect(refusalOf(() => connectWorker(bus, {} as never)).message).to.match(/`worker` to be a Worker/);
    expect(await rejectionOf(connectToParent())).to.deep.include({ code: 'LINK_BROKEN' });
  });
});
