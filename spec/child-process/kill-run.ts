import { expect } from 'chai';
import { createGate } from '../support/turns.ts';
import { startPool, type Started } from './pool.ts';

export const EVENTS = 1_000;
const CREDITS = 16;
const numbers = Array.from({ length: EVENTS }, (_, n) => n);

/** Kills a process that handles a thousand events whenever it has answered so many of them. */
export async function killWhileHandling(points: readonly number[]): Promise<void> {
  const started = await startPool({ credits: CREDITS, restart: { delay: 1, limit: points.length } });
  const { bus, pool, noted } = started;
  await pool.ready;
  let pid = 0;
  const done = new Set<number>();
  const all = createGate();
  bus.on('job.done', ({ payload }) => {
    const job = payload as { n: number; pid: number };
    ({ pid } = job);
    if (done.add(job.n).size === EVENTS) all.open();
  });
  const kills = killAt(points, started, 'job.done', () => pid);
  for (const n of numbers) bus.emit('job.asked', { n });
  await all.promise;
  await bus.settled();
  await bus.flush();
  expectKills(started, kills(), points.length);
  expect(pool.workers()[0]!.handled).to.equal(EVENTS);
  expect(await bus.deadLetters.list()).to.deep.equal([]);
  // What a handler had not ended when it died is not noted, and what it has is noted once more at most.
  expect([...new Set(noted())].toSorted((a, b) => a - b)).to.deep.equal(numbers);
  expect(noted().length - EVENTS).to.be.at.most(CREDITS * points.length);
}

/** Kills a process that publishes a thousand events whenever so many of them have arrived. */
export async function killWhileSending(points: readonly number[]): Promise<void> {
  const started = await startPool({ role: 'source', restart: { delay: 1, limit: points.length } });
  const { bus, ofType, noted } = started;
  const ended = bus.once('source.done');
  const pidOf = (): number => ofType('source.started').at(-1)!.payload as number;
  const kills = killAt(points, started, 'fact.found', pidOf);
  await ended;
  await bus.flush();
  expectKills(started, kills(), points.length);
  const stored: number[] = [];
  for await (const { payload } of bus.query({ where: { type: 'fact.found' } })) stored.push(payload as number);
  expect(
    stored.toSorted((a, b) => a - b),
    'once each, however often they are sent',
  ).to.deep.equal(numbers);
  expect(ofType('fact.found')).to.have.length(EVENTS);
  expect(new Set(noted()).size).to.equal(EVENTS);
}

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

function expectKills({ pool, ofType }: Started, kills: number, expected: number): void {
  expect(kills).to.equal(expected);
  expect(pool.workers()[0]!.restarts).to.equal(expected);
  const died = ofType('$worker.died').map(({ payload }) => payload as { worker: string; message: string });
  expect(died).to.have.length(expected);
  for (const { worker, message } of died) expect(`${worker}: ${message}`).to.match(/^child: .*SIGKILL/);
}
