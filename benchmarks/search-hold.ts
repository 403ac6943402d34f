// Searches a large log and watches the event loop meanwhile; prints one JSON object. In a process of its own, so that
// nothing else is collected or waited for.
import { rm } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { createBus, jsonFile, memory, type Bus } from '../lib/index.ts';
import { CHAIN, fillLog, RARE, WORD } from './filled-log.ts';
import { createFolder } from './log-contender.ts';

const LIMIT_MS = 20;
const ROUNDS = 3;
const total = Number(process.argv[2] ?? 1_000_000);

interface Measured {
  readonly tookMs: number;
  readonly holdMs: number;
}

/** The best of some rounds, because a machine that pauses us holds the loop as well. */
async function measure(read: () => Promise<number>, wanted: number): Promise<Measured> {
  let best: Measured = { tookMs: Infinity, holdMs: Infinity };
  for (let round = 0; round < ROUNDS; round++) {
    globalThis.gc?.();
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    // A block right behind `enable` is not seen.
    await wait(50);
    delay.reset();
    const start = performance.now();
    const found = await read();
    const tookMs = performance.now() - start;
    await wait(5);
    delay.disable();
    if (found !== wanted) throw new Error(`expected ${wanted}, got ${found}`);
    const holdMs = delay.max / 1e6;
    if (holdMs < best.holdMs) best = { tookMs, holdMs };
  }
  return best;
}

async function search(bus: Bus): Promise<number> {
  let hits = 0;
  for await (const { matches } of bus.search(`${WORD} answered`)) hits += matches.length / 2;
  return hits;
}

/** Sums and percentiles of a few groups. */
async function summarize(bus: Bus): Promise<number> {
  const { rows } = await bus.summarize({
    by: 'payload.outcome',
    sum: 'payload.n',
    p95: 'payload.n',
    last: 'payload.n',
  });
  return rows.reduce((sum, { count }) => sum + count, 0);
}

/** From each event of a correlation to the next. */
async function pair(bus: Bus): Promise<number> {
  const { count, negative } = await bus.durations({ start: 'tool.*', end: 'tool.*' });
  return count + negative.count;
}

async function figuresOf(name: string, bus: Bus): Promise<Record<string, number>> {
  const searched = await measure(() => search(bus), Math.floor(total / RARE));
  const counted = await measure(() => bus.count({ where: { 'payload.n': { $gt: 10 } } }), total - 11);
  const told = await measure(async () => (await bus.stats()).events, total);
  const summarized = await measure(() => summarize(bus), total);
  const paired = await measure(() => pair(bus), total - total / CHAIN);
  const judged = await measure(async () => (await bus.anomalies({ bucket: '1s' })).keys, 1);
  const figures = Object.entries({
    search: searched,
    count: counted,
    'stats, again': told,
    summarize: summarized,
    durations: paired,
    anomalies: judged,
  });
  for (const [what, { holdMs }] of figures)
    if (holdMs > LIMIT_MS) console.error(`${name}: ${what} held the event loop ${holdMs.toFixed(1)} ms`);
  return Object.fromEntries(
    figures.flatMap(([what, { tookMs, holdMs }]) => [
      [`${name}: ${what}, ms`, Math.round(tookMs)],
      [`${name}: ${what}, longest hold of the event loop, ms (at most ${LIMIT_MS})`, Number(holdMs.toFixed(1))],
    ]),
  );
}

const inMemory = await fillLog(memory({ capacity: total }), total);
const facts = await figuresOf('memory', inMemory);
await inMemory.close();

const folder = await createFolder();
try {
  await (await fillLog(jsonFile(folder), total)).close();
  const onDisk = await createBus({ store: jsonFile(folder) });
  Object.assign(facts, await figuresOf('json-file', onDisk));
  await onDisk.close();
} finally {
  await rm(folder, { recursive: true, force: true });
}
console.log(JSON.stringify({ events: total, ...facts }));
