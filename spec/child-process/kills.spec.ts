import { expect } from 'chai';
import { endAll, startPool, type Started } from './pool.ts';

const EVENTS = 1_000;
/** How many events of a thousand have been seen when the process is killed. */
const POINTS = [1, 700];
const CREDITS = 16;
const numbers = Array.from({ length: EVENTS }, (_, n) => n);

/** SIGKILL whenever so many events of a type have arrived. */
function killAt(points: readonly number[], { bus }: Started, type: string, pidOf: () => number): () => number {
  let seen = 0;
  let kills = 0;
  bus.on(type, () => {
    if (++seen !== points[kills]) return;
    kills++;
    process.kill(pidOf(), 'SIGKILL');
  });
  return () => kills;
}

describe('a child process that is killed in the middle', function () {
  this.timeout(60_000);
  afterEach(endAll);

  it('loses nothing that it has acknowledged; the rest is handled again, in a process that is started for it', async () => {
    const started = await startPool({ credits: CREDITS, restart: { delay: 1 } });
    const { bus, pool, until, ofType, noted } = started;
    await pool.ready;
    let pid = 0;
    bus.on('job.done', ({ payload }) => void (pid = (payload as { pid: number }).pid));
    const kills = killAt(POINTS, started, 'job.done', () => pid);
    for (const n of numbers) bus.emit('job.asked', { n });
    await until(() => new Set(ofType('job.done').map(({ payload }) => (payload as { n: number }).n)).size === EVENTS);
    await bus.settled();
    await bus.flush();
    expect(kills()).to.equal(POINTS.length);
    expect(pool.workers()[0]).to.deep.include({ restarts: POINTS.length, handled: EVENTS });
    expect(await bus.deadLetters.list()).to.deep.equal([]);
    // What a handler had not ended when it died is not noted, and what it has is noted once more at most.
    expect([...new Set(noted())].toSorted((a, b) => a - b)).to.deep.equal(numbers);
    expect(noted().length - EVENTS).to.be.at.most(CREDITS * POINTS.length);
    expect(ofType('$worker.died')).to.have.length(POINTS.length);
    expect(ofType('$worker.died')[0]!.payload).to.deep.include({ worker: 'child' });
    expect((ofType('$worker.died')[0]!.payload as { message: string }).message).to.include('SIGKILL');
  });

  it('has stored what was acknowledged to it, once, however often it is sent again', async () => {
    const started = await startPool({ role: 'source', restart: { delay: 1 } });
    const { bus, pool, until, ofType, noted } = started;
    const pidOf = (): number => ofType('source.started').at(-1)!.payload as number;
    const kills = killAt(POINTS, started, 'fact.found', pidOf);
    await until(() => ofType('source.done').length === 1);
    await bus.flush();
    expect(kills()).to.equal(POINTS.length);
    expect(pool.workers()[0]!.restarts).to.equal(POINTS.length);
    const stored: unknown[] = [];
    for await (const { payload } of bus.query({ where: { type: 'fact.found' } })) stored.push(payload);
    expect(stored).to.deep.equal(numbers);
    expect(ofType('fact.found')).to.have.length(EVENTS);
    expect(new Set(noted()).size).to.equal(EVENTS);
  });

  it('by one and the same event twice is not handed it again, and the rest goes on', async () => {
    const { bus, pool, ofType } = await startPool({ restart: { delay: 1, limit: 2 } });
    await pool.ready;
    const first = bus.emit('die', 'error');
    await bus.settled();
    bus.emit('job.asked', { n: 1 });
    await bus.settled();
    expect(ofType('job.done')).to.have.length(1);
    // The third death within a minute is one too many.
    const second = bus.emit('die', 'exit');
    await bus.settled();
    const third = bus.emit('job.asked', { n: 2 });
    await bus.settled();
    await bus.flush();
    const letters = (await bus.deadLetters.list()).toReversed();
    expect(letters.map(({ eventId }) => eventId)).to.deep.equal([first.id, second.id, third.id]);
    expect(letters.map(({ error }) => error.code)).to.deep.equal(Array(3).fill('WORKER_FAILED'));
    expect(letters[0]!.error.message).to.include('2 workers that died').and.to.include('enough');
    expect(letters[1]!.error.message).to.include('given up').and.to.include('ended with code 7');
    expect(bus.health().notices.join()).to.include('given up');
    expect(pool.workers()[0]).to.deep.include({ status: 'failed', restarts: 2 });
  });

  it('because it does not respond is started again', async () => {
    const { bus, pool, ofType, until } = await startPool({ restart: { delay: 1 }, unresponsive: '600ms' });
    await pool.ready;
    bus.emit('die', 'loop');
    bus.emit('job.asked', { n: 1 });
    await until(() => ofType('job.done').length === 1);
    await bus.settled();
    expect((ofType('$worker.died')[0]!.payload as { message: string }).message).to.include('did not respond');
    expect(pool.workers()[0]!.restarts).to.be.within(1, 3);
  });
});
