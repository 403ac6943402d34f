import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Benchmark } from './benchmark.ts';
import type { Report } from './report.ts';

/** In a process of its own, so that the event loop holds nothing else. */
async function runAlone(quick: boolean): Promise<Report['facts']> {
  const program = join(import.meta.dirname, 'retention-hold.js');
  const args = ['--expose-gc', program, quick ? '100000' : '1000000'];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, { encoding: 'utf8' });
  process.stderr.write(stderr);
  return JSON.parse(stdout) as Report['facts'];
}

export const retention: Benchmark = { facts: runAlone };
