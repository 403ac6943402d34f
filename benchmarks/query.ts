import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createBus, jsonFile, memory } from '../lib/index.ts';
import type { Benchmark } from './benchmark.ts';
import { fillLog } from './filled-log.ts';
import { createFolder } from './log-contender.ts';
import type { Contender } from './measure.ts';
import type { Report } from './report.ts';
import { compareSizes, timelines } from './timelines.ts';

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
