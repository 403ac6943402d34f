import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Benchmark } from './benchmark.ts';

/** In a process of its own, so that the event loop holds nothing else. */
const runAlone: Benchmark['bounded'] = async (quick) => {
  const program = join(import.meta.dirname, 'retention-hold.js');
  const args = ['--expose-gc', program, quick ? '100000' : '1000000'];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { encoding: 'utf8' });
  process.stderr.write(stderr);
  return JSON.parse(stdout) as Awaited<ReturnType<NonNullable<Benchmark['bounded']>>>;
};

export const retention: Benchmark = { bounded: runAlone };
