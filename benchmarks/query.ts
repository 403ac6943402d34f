import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createBus, jsonFile, memory, type Bus } from '../lib/index.ts';
import type { Benchmark } from './benchmark.ts';
import { CHAIN, correlationOf, fillLog } from './filled-log.ts';
import { createFolder } from './log-contender.ts';
import { FULL, type Comparison, type Contender, type Pace } from './measure.ts';
import type { Report } from './report.ts';

const FEW = 10_000;
const NAME = 'among 10,000';

/** Timelines of correlations all over the log. */
function timelines(name: string, bus: Bus, total: number, close: () => unknown): Contender {
  let next = 0;
  let done = 0;
  return {
    name,
    before: () => {
      done = 0;
    },
    async run(count) {
      for (let i = 0; i < count; i++) {
        next = (next + 7_919 * CHAIN) % total;
        const events = await bus.timeline(correlationOf(next));
        if (events.length === CHAIN) done++;
      }
    },
    done: () => done,
    close,
  };
}

const manyOf = (pace: Pace): number => (pace === FULL ? 1_000_000 : 100_000);

async function inMemory(name: string, total: number): Promise<Contender> {
  const bus = await fillLog(memory({ capacity: total }), total);
  return timelines(name, bus, total, () => bus.close());
}

async function inFiles(name: string, total: number): Promise<Contender> {
  const folder = await createFolder();
  await (await fillLog(jsonFile(folder), total)).close();
  // Opened anew: nothing is known but what lies on the disk.
  const bus = await createBus({ store: jsonFile(folder) });
  return timelines(name, bus, total, async () => {
    await bus.close();
    await rm(folder, { recursive: true, force: true });
  });
}

async function compareSizes(
  where: string,
  open: (name: string, total: number) => Promise<Contender>,
  { pace, most, count }: { readonly pace: Pace; readonly most: number; readonly count: number },
): Promise<Comparison> {
  const many = manyOf(pace);
  return {
    title: `timeline of ${CHAIN} events in ${where}`,
    operation: 'timeline',
    contenders: [await open(`among ${many.toLocaleString('en')}`, many), await open(NAME, FEW)],
    targets: [{ rival: NAME, ratio: 1 / most }],
    count,
  };
}

async function holds(quick: boolean): Promise<Report['facts']> {
  const program = join(import.meta.dirname, 'search-hold.js');
  const args = ['--expose-gc', program, quick ? '100000' : '1000000'];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { encoding: 'utf8' });
  process.stderr.write(stderr);
  return JSON.parse(stdout) as Report['facts'];
}

export const query: Benchmark = {
  comparisons: [
    (pace) => compareSizes('memory', inMemory, { pace, most: 1.5, count: 2_000 }),
    (pace) => compareSizes('json-file', inFiles, { pace, most: 3, count: 200 }),
  ],
  facts: holds,
};
