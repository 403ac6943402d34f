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
  const ask = (): ChildProcess => {
    child.send([...packages]);
    return child;
  };
  return contender(packages, ask, {
    before: async () => {
      child = fork(PROGRAM);
      await once(child, 'message');
    },
    after: async () => {
      child.disconnect();
      await once(child, 'exit');
    },
  });
}

/** From the call that starts a thread until it has imported. */
function inThread(packages: readonly string[]): Contender {
  let worker: Worker;
  const ask = (): Worker => (worker = new Worker(PROGRAM, { workerData: packages }));
  return contender(packages, ask, { after: async () => void (await worker.terminate()) });
}

/** Imports once a round; who is asked answers how many names it has got. */
function contender(
  packages: readonly string[],
  ask: () => ChildProcess | Worker,
  around: Pick<Contender, 'before' | 'after'>,
): Contender {
  let imported = 0;
  return {
    name: nameOf(packages),
    ...around,
    run: async () => {
      const [names] = (await once(ask(), 'message')) as [number];
      imported = names > 0 || packages.length === 0 ? 1 : 0;
    },
    done: () => imported,
  };
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
