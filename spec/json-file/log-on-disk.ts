import { createVirtualClock } from '../../lib/clock.ts';
import { isTelltaleError } from '../../lib/errors.ts';
import type { TelltaleError } from '../../lib/errors.ts';
import type { TelltaleEvent } from '../../lib/event/event.ts';
import type { AppendReceipt, PendingAppend, Store } from '../../lib/store/port.ts';
import type { FileSystem } from '../../plugins/json-file/file-system.ts';
import { parseOptions } from '../../plugins/json-file/options.ts';
import type { JsonFileOptions } from '../../plugins/json-file/options.ts';
import { JsonFileStore } from '../../plugins/json-file/store.ts';
import { MemoryDisk } from '../support/fault-fs.ts';

export const FOLDER = '/events';
export const FIRST_SEGMENT = `${FOLDER}/0000000000000001.ndjson`;

/** A closed store over a disk in memory. `force`, because the process that "died" is this one. */
export function storeOn(disk: FileSystem, options: JsonFileOptions = {}): JsonFileStore {
  return new JsonFileStore(
    FOLDER,
    parseOptions(FOLDER, { force: options.readOnly !== true, ...options }),
    disk,
    'spec',
  );
}

export async function openOn(disk: FileSystem, options: JsonFileOptions = {}): Promise<JsonFileStore> {
  const store = storeOn(disk, options);
  await store.open({ clock: createVirtualClock() });
  return store;
}

let serial = 0;

export function event(overrides: Partial<TelltaleEvent> = {}): TelltaleEvent {
  const id = overrides.id ?? `id-${String(++serial).padStart(8, '0')}`;
  return {
    id,
    type: 'task.created',
    source: 'spec',
    time: serial,
    correlationId: id,
    schemaVersion: 1,
    payload: { n: serial, text: 'äöü 😀' },
    metadata: {},
    ...overrides,
  };
}

/** An event whose line has about `bytes` bytes. */
export function sized(bytes: number): TelltaleEvent {
  return event({ payload: 'x'.repeat(Math.max(0, bytes - 260)) });
}

/** Appends several batches as one group commit. */
export function commit(
  store: Store,
  batches: readonly (readonly TelltaleEvent[])[],
): Promise<PromiseSettledResult<AppendReceipt>[]> {
  const answers = batches.map(
    (events) =>
      new Promise<AppendReceipt>((acknowledged, failed) => {
        const append: PendingAppend = { events, bytes: 0, fresh: true, admitted: true, acknowledged, failed };
        store.enqueue(append);
      }),
  );
  return Promise.allSettled(answers);
}

export async function idsOf(store: Store): Promise<string[]> {
  const ids: string[] = [];
  for await (const { id } of store.read()) ids.push(id);
  return ids;
}

export interface Written {
  readonly disk: MemoryDisk;
  readonly bytes: Buffer;
  /** Ids in position order. */
  readonly ids: readonly string[];
  /** Last position of each commit. */
  readonly commits: readonly number[];
  /** Last position of each batch. */
  readonly batches: readonly number[];
}

/** A closed log of one segment, about `bytes` long: commits of one to three batches of one to three events. */
export async function writeLog(bytes: number, eventBytes = 300): Promise<Written> {
  const disk = new MemoryDisk();
  const store = await openOn(disk);
  const ids: string[] = [];
  const commits: number[] = [];
  const batches: number[] = [];
  for (let i = 0; disk.bytes(FIRST_SEGMENT).length < bytes; i++) {
    const sizes = [[1], [2, 1], [1, 3], [1, 1, 2], [3]][i % 5]!;
    const events = sizes.map((size) => Array.from({ length: size }, () => sized(eventBytes)));
    await commit(store, events);
    for (const batch of events) {
      ids.push(...batch.map(({ id }) => id));
      batches.push(ids.length);
    }
    commits.push(ids.length);
  }
  await store.close();
  return { disk, bytes: disk.bytes(FIRST_SEGMENT), ids, commits, batches };
}

/** The code a promise rejects with; fails when it does not. */
export async function rejection(promise: Promise<unknown>): Promise<TelltaleError> {
  const thrown = await promise.then(
    () => new Error('expected a rejection'),
    (error: unknown) => error,
  );
  if (isTelltaleError(thrown)) return thrown;
  throw thrown as Error;
}
