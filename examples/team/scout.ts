import { createHash } from 'node:crypto';
import { workerData } from 'node:worker_threads';
import { createBus } from 'telltale';
import { teamEvents } from './events.ts';
import type { TeamEvents } from './events.ts';
import { serveLink } from './link-worker.ts';
import { walk } from './walk.ts';
import type { Step, WalkOptions } from './walk.ts';

/** What a scout is told when its thread starts. */
export interface ScoutData extends WalkOptions {
  /** Path → stamp of the files whose outcome is in the log. */
  readonly settled: ReadonlyMap<string, string>;
  /** Names, for the record. */
  readonly readers: readonly string[];
}

// So that somebody who watches sees it move, however many files are known already.
const MOST_AT_ONCE = 2_000;
const { settled, readers, ...options } = workerData as ScoutData;
const bus = await createBus({ source: 'scout', events: teamEvents });
let steps: Generator<Step, void, undefined> | undefined;

// Runs in its own thread: walks the folder as far as it is asked to, and announces every file that has no outcome yet,
// each the beginning of its own correlation. It knows where it is; a new thread in its place is told by `after`.
serveLink(bus, { 'files.wanted': ({ payload }) => look(payload) }, { chain: 'new' });

function look({ count, after, started }: TeamEvents['files.wanted']): void {
  steps ??= walk({ ...options, ...(after !== undefined && { after }) });
  const listed = { looked: 0, known: 0, done: false };
  let last = after;
  for (let announced = 0; announced < count && listed.looked < MOST_AT_ONCE;) {
    const next = steps.next();
    if (next.done === true) {
      listed.done = true;
      break;
    }
    const step = next.value;
    last = step.path;
    if ('reason' in step) {
      bus.emit('folder.failed', step);
      continue;
    }
    listed.looked++;
    if (settled.get(step.path) === step.stamp) {
      listed.known++;
      continue;
    }
    announce(step, announced === 0 && !started);
    announced++;
  }
  bus.emit('files.listed', { ...listed, ...(last !== undefined && { after: last }) });
}

function announce({ path, stamp }: { readonly path: string; readonly stamp: string }, first: boolean): void {
  const { root } = options;
  if (first) bus.emit('scan.started', { root, readers });
  bus.emit('file.found', { root, path, stamp }, { entity: entityOf(path) });
}

/** An entity holds at most 512 bytes; a longer path is named by its end and a hash. */
function entityOf(path: string): string {
  if (Buffer.byteLength(path) <= 400) return `file/${path}`;
  return `file/${createHash('sha256').update(path).digest('hex').slice(0, 16)}/${Buffer.from(path.slice(-80)).toString()}`;
}
