// Plans and clears away most of a large log and watches the event loop meanwhile; prints one JSON object. In a process
// of its own, so that nothing else is collected or waited for.
import { rm } from 'node:fs/promises';
import { createBus, jsonFile, memory, type Bus, type RetentionRule } from '../lib/index.ts';
import type { Store } from '../lib/plugin.ts';
import { longestHoldMs, ranMs } from '../spec/support/loop-hold.ts';
import { correlationOf } from './filled-log.ts';
import { createFolder } from './log-contender.ts';
import { median } from './measure.ts';
import type { Bound, Report } from './report.ts';

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
  let tookMs = 0;
  const holdMs = await longestHoldMs(async () => {
    const start = performance.now();
    const did = await work();
    tookMs = performance.now() - start;
    if (did !== wanted) throw new Error(`expected ${wanted}, got ${did}`);
  }, ranMs);
  return { tookMs, holdMs };
}

function holdOf(rounds: readonly Measured[]): number {
  return Number(median(rounds.map(({ holdMs }) => holdMs)).toFixed(1));
}

type Figures = { readonly facts: Report['facts']; readonly bounds: readonly Bound[] };

async function figuresOf(name: string, bus: Bus, store: Store): Promise<Figures> {
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
  const times = Number(median(plans.map(({ tookMs }, round) => tookMs / naives[round]!.tookMs)).toFixed(2));
  const holds = { plan: holdOf(plans), 'plan, whole correlations': holdOf(chains), removal: holdOf([removal]) };
  return {
    facts: {
      [`${name}: plan, ms`]: Math.round(median(plans.map(({ tookMs }) => tookMs))),
      [`${name}: filter and sort, ms`]: Math.round(median(naives.map(({ tookMs }) => tookMs))),
      [`${name}: plan, whole correlations, ms`]: Math.round(median(chains.map(({ tookMs }) => tookMs))),
      [`${name}: removal of ${GOING}, ms`]: Math.round(removal.tookMs),
    },
    bounds: [
      { what: `${name}: plan, times filter and sort`, reached: times, atMost: LIMIT_TIMES },
      ...Object.entries(holds).map(([what, reached]) => ({
        what: `${name}: ${what}, longest hold, ms`,
        reached,
        atMost: LIMIT_MS,
      })),
    ],
  };
}

const inMemory = memory({ capacity: total });
const memoryBus = await fill(inMemory);
const ofMemory = await figuresOf('memory', memoryBus, inMemory);
await memoryBus.close();

const folder = await createFolder();
try {
  await (await fill(jsonFile(folder))).close();
  const onDisk = jsonFile(folder);
  const bus = await createBus({ store: onDisk, retention: { rules: RULES } });
  const ofFiles = await figuresOf('json-file', bus, onDisk);
  const facts = { events: total, ...ofMemory.facts, ...ofFiles.facts };
  console.log(JSON.stringify({ facts, bounds: [...ofMemory.bounds, ...ofFiles.bounds] }));
  await bus.close();
} finally {
  await rm(folder, { recursive: true, force: true });
}
