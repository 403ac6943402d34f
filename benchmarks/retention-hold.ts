// Plans and clears away most of a large log and watches the event loop meanwhile; prints one JSON object. In a process
// of its own, so that nothing else is collected or waited for.
import { rm } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as wait } from 'node:timers/promises';
import { createBus, jsonFile, memory, type Bus, type RetentionRule } from '../lib/index.ts';
import type { Store } from '../lib/plugin.ts';
import { correlationOf } from './filled-log.ts';
import { createFolder } from './log-contender.ts';
import { median } from './measure.ts';

const LIMIT_MS = 20;
const LIMIT_TIMES = 3;
const ROUNDS = 5;
const BATCH = 5_000;
const total = Number(process.argv[2] ?? 1_000_000);
/** Of four events one stays for ever, so that what goes lies in as many ranges. */
const KEPT = 4;
const KEEP_COUNT = Math.round(total / 10);
const GOING = total - total / KEPT - KEEP_COUNT;

const RULES: readonly RetentionRule[] = [
  { match: 'tool.failed' },
  { match: 'tool.*', keepCount: KEEP_COUNT, keepPriority: 'high' },
];
const CHAINS: readonly RetentionRule[] = [{ match: 'tool.*', keepCount: KEEP_COUNT, wholeCorrelations: true }];

async function fill(store: Store): Promise<Bus> {
  const bus = await createBus({ source: 'benchmark', store, retention: { rules: RULES } });
  for (let done = 0; done < total; done += BATCH) {
    for (let n = done; n < Math.min(done + BATCH, total); n++)
      bus.emit(
        n % KEPT === 0 ? 'tool.failed' : 'tool.finished',
        { n, tool: 'websearch', outcome: 'found what was looked for', input: { query: 'how does group commit work' } },
        { correlationId: correlationOf(n) },
      );
    await bus.flush();
  }
  return bus;
}

/** Filter and sort: everything read into one array, the ones the rule is about sorted, the newest kept. */
async function naive(store: Store): Promise<number> {
  const events = [];
  for await (const event of store.read()) events.push(event);
  const decided = events.filter(({ type }) => /^tool\.[^.]+$/.test(type) && type !== 'tool.failed');
  const newestFirst = decided.toSorted((a, b) => b.position - a.position);
  return newestFirst.slice(KEEP_COUNT).filter(({ metadata }) => metadata.priority !== 'high').length;
}

interface Measured {
  readonly tookMs: number;
  readonly holdMs: number;
}

async function measure(work: () => Promise<number>, wanted: number): Promise<Measured> {
  globalThis.gc?.();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  // A block right behind `enable` is not seen.
  await wait(50);
  delay.reset();
  const start = performance.now();
  const did = await work();
  const tookMs = performance.now() - start;
  await wait(5);
  delay.disable();
  if (did !== wanted) throw new Error(`expected ${wanted}, got ${did}`);
  return { tookMs, holdMs: delay.max / 1e6 };
}

function holdOf(rounds: readonly Measured[]): number {
  // The best round: a machine that pauses us holds the loop as well.
  return Number(Math.min(...rounds.map(({ holdMs }) => holdMs)).toFixed(1));
}

async function figuresOf(name: string, bus: Bus, store: Store): Promise<Record<string, number>> {
  const plans: Measured[] = [];
  const chains: Measured[] = [];
  const naives: Measured[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    plans.push(await measure(async () => (await bus.retention.preview()).removes.events, GOING));
    naives.push(await measure(() => naive(store), GOING));
    const going = Math.floor((total - KEEP_COUNT) / 200) * 200;
    chains.push(await measure(async () => (await bus.retention.preview({ rules: CHAINS })).removes.events, going));
  }
  const plan = await bus.retention.preview();
  const removal = await measure(async () => (await bus.retention.enforce(plan)).removed.events, GOING);
  const times = median(plans.map(({ tookMs }, round) => tookMs / naives[round]!.tookMs));
  if (times > LIMIT_TIMES) console.error(`${name}: a plan takes ${times.toFixed(2)} times as long as filter and sort`);
  const holds = { plan: holdOf(plans), 'plan, whole correlations': holdOf(chains), removal: holdOf([removal]) };
  for (const [what, holdMs] of Object.entries(holds))
    if (holdMs > LIMIT_MS) console.error(`${name}: ${what} held the event loop ${holdMs} ms`);
  const longest = Object.entries(holds).map(
    ([what, holdMs]) => [`${name}: ${what}, longest hold, ms (at most ${LIMIT_MS})`, holdMs] as const,
  );
  return {
    [`${name}: plan, ms`]: Math.round(median(plans.map(({ tookMs }) => tookMs))),
    [`${name}: filter and sort, ms`]: Math.round(median(naives.map(({ tookMs }) => tookMs))),
    [`${name}: plan, times filter and sort (at most ${LIMIT_TIMES})`]: Number(times.toFixed(2)),
    [`${name}: plan, whole correlations, ms`]: Math.round(median(chains.map(({ tookMs }) => tookMs))),
    [`${name}: removal of ${GOING}, ms`]: Math.round(removal.tookMs),
    ...Object.fromEntries(longest),
  };
}

const inMemory = memory({ capacity: total });
const memoryBus = await fill(inMemory);
const facts = await figuresOf('memory', memoryBus, inMemory);
await memoryBus.close();

const folder = await createFolder();
try {
  await (await fill(jsonFile(folder))).close();
  const onDisk = jsonFile(folder);
  const bus = await createBus({ store: onDisk, retention: { rules: RULES } });
  Object.assign(facts, await figuresOf('json-file', bus, onDisk));
  await bus.close();
} finally {
  await rm(folder, { recursive: true, force: true });
}
console.log(JSON.stringify({ events: total, ...facts }));
