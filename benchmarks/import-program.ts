import { isMainThread, parentPort, workerData } from 'node:worker_threads';

/** Imports packages in a process of its own, when it is told to, or at once in a thread; answers how many names it got. */
async function load(packages: readonly string[]): Promise<number> {
  const modules = await Promise.all(packages.map((name) => import(name) as Promise<object>));
  return modules.flatMap((module) => Object.keys(module)).length;
}

if (isMainThread) {
  process.once('message', (packages: readonly string[]) => void load(packages).then((names) => process.send!(names)));
  process.send!('ready');
} else {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  parentPort!.postMessage(await load(workerData as readonly string[]));
}
