import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { Benchmark } from './benchmark.ts';
import type { Comparison, Contender } from './measure.ts';

const PROGRAM = join(import.meta.dirname, 'import-program.js');
/** Ours is the built package, which finds itself by its own name. */
const CONTENDERS: readonly (readonly string[])[] = [['telltale'], ['rxjs', 'zod', 'eventemitter3']];
const nameOf = (packages: readonly string[]): string => packages.join(' + ') || 'nothing';
const RIVAL = nameOf(CONTENDERS[1]!);

/** What an import takes in a process that has started and loaded nothing yet. */
function inProcess(packages: readonly string[]): Contender {
  let child: ChildProcess;
  let imported = 0;
  return {
    name: nameOf(packages),
    before: async () => {
      imported = 0;
      child = fork(PROGRAM);
      await once(child, 'message');
    },
    run: async () => {
      child.send([...packages]);
      if ((await answer(child)) > 0) imported++;
    },
    done: () => imported,
    after: async () => {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}

/** From the call that starts a thread until it has imported. */
function inThread(packages: readonly string[]): Contender {
  let worker: Worker;
  let imported = 0;
  return {
    name: nameOf(packages),
    run: async () => {
      imported = 0;
      worker = new Worker(PROGRAM, { workerData: packages });
      if ((await answer(worker)) > 0 || packages.length === 0) imported++;
    },
    done: () => imported,
    after: async () => void (await worker.terminate()),
  };
}

async function answer(asked: ChildProcess | Worker): Promise<number> {
  const [names] = (await once(asked, 'message')) as [number];
  return names;
}

const processes: Comparison = {
  title: 'import in a new process, its own start not counted',
  operation: 'import',
  contenders: CONTENDERS.map(inProcess),
  // At most 1.3 times as long.
  targets: [{ rival: RIVAL, ratio: 1 / 1.3 }],
  count: 1,
};

const threads: Comparison = {
  title: 'start of a worker thread that imports',
  operation: 'thread',
  contenders: [...CONTENDERS, ['telltale/plugins/worker-threads'], []].map(inThread),
  targets: [],
  count: 1,
};

export const importing: Benchmark = { comparisons: [() => processes, () => threads] };
