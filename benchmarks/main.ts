import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Benchmark } from './benchmark.ts';
import { drawChart } from './chart.ts';
import { FULL, QUICK, compare, type Outcome } from './measure.ts';
import { describeMachine, findRoot, formatBounds, formatFacts, formatOutcome, isHeld, type Report } from './report.ts';

// Loaded one by one: a rival that is not measured must not be in memory.
const BENCHMARKS: Readonly<Record<string, () => Promise<Benchmark>>> = {
  emit: async () => (await import('./emit.ts')).emit,
  route: async () => (await import('./route.ts')).route,
  subscribe: async () => (await import('./subscribe.ts')).subscribe,
  actors: async () => (await import('./actors.ts')).actors,
  ask: async () => (await import('./ask.ts')).ask,
  append: async () => (await import('./append.ts')).append,
  read: async () => (await import('./read.ts')).read,
  writers: async () => (await import('./writers.ts')).writers,
  lowdb: async () => (await import('./lowdb.ts')).lowdb,
  open: async () => (await import('./open.ts')).open,
  replay: async () => (await import('./replay.ts')).replay,
  consume: async () => (await import('./consume.ts')).consume,
  query: async () => (await import('./query.ts')).query,
  link: async () => (await import('./link.ts')).link,
  retention: async () => (await import('./retention.ts')).retention,
  import: async () => (await import('./import.ts')).importing,
  million: async () => (await import('./million.ts')).million,
};

const { values, positionals } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, store: { type: 'string' } },
  allowPositionals: true,
});
const names = positionals.length > 0 ? positionals : Object.keys(BENCHMARKS);
const unknown = names.filter((name) => !Object.hasOwn(BENCHMARKS, name));
if (unknown.length > 0) {
  console.error(`no benchmark is named ${unknown.join(', ')}; there are ${Object.keys(BENCHMARKS).join(', ')}`);
  process.exit(2);
}

const pace = values.quick ? QUICK : FULL;
const machine = describeMachine();
console.log(`${JSON.stringify(machine, null, 1).replace(/\n */g, ' ')}\n${pace.rounds} alternating rounds, medians\n`);
const reports: Report[] = [];
for (const name of names) reports.push(await runBenchmark(name));
writeResults();
const missed = reports.flatMap(({ outcomes, bounds }) => [
  ...outcomes.flatMap(({ targets }) => targets.filter(({ held, later }) => !held && later !== true)),
  ...bounds.filter((bound) => !isHeld(bound)),
]);
console.log(missed.length === 0 ? 'every target held' : `${missed.length} targets missed`);

async function runBenchmark(name: string): Promise<Report> {
  const benchmark = await BENCHMARKS[name]!();
  const outcomes: Outcome[] = [];
  for (const prepare of benchmark.comparisons ?? []) {
    const comparison = await prepare(pace);
    if (comparison === undefined) continue;
    const outcome = await compare(comparison, pace);
    outcomes.push(outcome);
    console.log(`${formatOutcome(outcome)}\n`);
  }
  const bounded = await benchmark.bounded?.(values.quick);
  const bounds = bounded?.bounds ?? [];
  const facts = bounded?.facts ?? (await benchmark.facts?.(values.quick)) ?? {};
  const lines = [formatFacts(facts), formatBounds(bounds)].filter((text) => text !== '');
  if (lines.length > 0) console.log(`${name}\n${lines.join('\n')}\n`);
  return { name, outcomes, facts, bounds };
}

function writeResults(): void {
  const folder = join(findRoot(), 'benchmarks/results');
  const file = join(folder, values.quick ? 'quick' : names.join('-'));
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    `${file}.json`,
    `${JSON.stringify({ at: new Date().toISOString(), machine, pace, reports }, null, 2)}\n`,
  );
  writeFileSync(
    `${file}.svg`,
    drawChart(reports, `Telltale benchmarks, Node ${process.version}, ${String(machine['processor'])}`),
  );
  console.log(`${file}.json and .svg written`);
}
