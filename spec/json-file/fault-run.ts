import type { Store } from '../../lib/store/port.ts';
import { MemoryDisk } from '../support/fault-fs.ts';
import type { Fault, Leftover, Operation } from '../support/fault-fs.ts';
import { commit, openOn, sized } from './log-on-disk.ts';

/** What a run was told: acknowledged ids with their positions. */
export type Acknowledged = ReadonlyMap<string, number>;

export const OPTIONS = { segmentEvents: 16 } as const;
const COMMITS = 8;
/** Events of a run in which nothing fails. */
export const EVENTS = COMMITS * 3;

/** Appends and a document, over several segments; goes on after each failure, as a bus would. */
async function work(store: Store, acknowledged: Map<string, number>): Promise<void> {
  for (let i = 0; i < COMMITS; i++) {
    const batches = [[sized(300)], [sized(300), sized(900)]];
    const answers = await commit(store, batches);
    answers.forEach((answer, batch) => {
      if (answer.status !== 'fulfilled') return;
      batches[batch]!.forEach(({ id }, n) => acknowledged.set(id, answer.value.position + n));
    });
    if (i === 2) await store.putDocument('checkpoints', 'reader', { i }).catch(() => undefined);
  }
}

export interface Run {
  readonly disk: MemoryDisk;
  /** Still open. */
  readonly store: Store;
  readonly acknowledged: Acknowledged;
  /** How many operations changed the disk. */
  readonly operations: number;
}

/** Opens the disk anew and compares: nothing acknowledged is missing, moved or doubled. */
export async function loss(disk: MemoryDisk, acknowledged: Acknowledged): Promise<string[]> {
  const store = await openOn(disk, OPTIONS);
  const found = new Map<string, number>();
  const problems: string[] = [];
  for await (const { id, position } of store.read()) {
    if (found.has(id)) problems.push(`${id} twice`);
    found.set(id, position);
  }
  for (const [id, position] of acknowledged)
    if (found.get(id) !== position) problems.push(`${id} of ${position} at ${found.get(id)}`);
  const positions = [...found.values()];
  const removed = await store.removed();
  const isRemoved = (position: number): boolean => removed.some(({ from, to }) => from <= position && position <= to);
  for (let p = 1; p <= (await store.head()).position; p++)
    if (!positions.includes(p) && !isRemoved(p)) problems.push(`hole at ${p}`);
  await store.close();
  return problems;
}

export async function run(fault: (operation: Operation) => Fault | undefined, lies = false): Promise<Run> {
  const disk = new MemoryDisk();
  disk.lies = lies;
  const store = await openOn(disk, OPTIONS);
  const first = disk.serial;
  disk.fault = (operation) => fault({ ...operation, serial: operation.serial - first });
  const acknowledged = new Map<string, number>();
  await work(store, acknowledged);
  return { disk, store, acknowledged, operations: disk.serial - first };
}

/** Fails one operation after another, up to `most` of them, and collects what was lost or doubled. */
export async function failEach(
  kind: Fault,
  most: number,
  leftovers: readonly Leftover[] = ['nothing'],
): Promise<string[]> {
  const problems: string[] = [];
  for (let n = 1; n <= most; n++) {
    const { disk, store, acknowledged, operations } = await run(({ serial }) => (serial === n ? kind : undefined));
    for (const problem of await loss(disk.killed(), acknowledged)) problems.push(`killed, ${kind} at ${n}: ${problem}`);
    for (const leftover of leftovers)
      for (const problem of await loss(disk.powerCut(leftover), acknowledged))
        problems.push(`power cut (${leftover}), ${kind} at ${n}: ${problem}`);
    await store.close().catch(() => undefined);
    if (n > operations) break;
  }
  return problems;
}
