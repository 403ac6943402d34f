/**
 * A process that appends to several logs until it is killed and says on its standard output what was acknowledged:
 * `open <log>` for each, `swept <events>` for each removal, `<id> <position>` for each event, written before the next
 * append of its lane begins; ids begin with the number of their log. Arguments: seed; the write at which the first log
 * tears a record, each other one a write later, up to the seventh (0 for never, `sweep` to remove events instead), to
 * kill itself once all of them are torn; the folders.
 */
import { writeSync } from 'node:fs';
import type { Store } from '../../lib/plugin.ts';
import { nodeFileSystem } from '../../plugins/json-file/file-system.ts';
import type { FileSystem, OpenFile } from '../../plugins/json-file/file-system.ts';
import type { ParsedOptions } from '../../plugins/json-file/options.ts';
import { JsonFileStore } from '../../plugins/json-file/store.ts';
import { randomSource } from '../json-file/random.ts';

const [seed = '1', tornWrite = '0', ...folders] = process.argv.slice(2);
const random = randomSource(Number(seed));
let torn = 0;
const IN_FLIGHT = 3;
/** Written out: loading zod would take half of a writer's short life. */
const OPTIONS: ParsedOptions = {
  durability: 'disk',
  create: true,
  readOnly: false,
  force: false,
  segmentBytes: 64 * 1024 * 1024,
  segmentEvents: tornWrite === 'sweep' ? 48 : 2_000,
  index: [],
  compress: true,
  pollMs: 250,
};

/** Writes the beginning, or all but a piece in the middle, as a machine may that loses its power: only checksums tell. */
async function tear(file: OpenFile, bytes: Buffer, position: number): Promise<void> {
  const from = Math.ceil(bytes.length * random());
  const to = random() < 0.5 ? bytes.length : from + Math.ceil((bytes.length - from) * random());
  await file.write(bytes.subarray(0, from), position);
  await file.write(bytes.subarray(to), position + to);
}

/** The real disk, except that the Nth write of the log stays half done until the process dies of the last such write. */
function tearing(nth: number): FileSystem {
  let writes = 0;
  const tears = (file: OpenFile): OpenFile => ({
    read: (target, position) => file.read(target, position),
    datasync: () => file.datasync(),
    truncate: (bytes) => file.truncate(bytes),
    size: () => file.size(),
    close: () => file.close(),
    write: async (bytes, position) => {
      if (++writes === nth) {
        await tear(file, bytes, position);
        if (++torn === folders.length) process.kill(process.pid, 'SIGKILL');
        await new Promise(() => undefined);
      }
      return file.write(bytes, position);
    },
  });
  return {
    ...nodeFileSystem,
    open: async (path, mode) => {
      const file = await nodeFileSystem.open(path, mode);
      return mode === 'update' ? tears(file) : file;
    },
  };
}

// From 256 bytes to 256 kB, small ones as often as large ones.
function payload(): string {
  return 'x'.repeat(Math.floor(2 ** (8 + random() * 9)));
}

/** Removes and rewrites what `compare` can tell from a loss by its record. */
async function sweep(store: Store, head: number): Promise<void> {
  const from = Math.max(1, head - Math.floor(random() * 40));
  const count = await store.remove([{ from, to: from + Math.floor(random() * 20) }], 'swept').catch(() => 0);
  if (count > 0) writeSync(1, `swept ${count}\n`);
}

async function appendForEver(store: Store, lane: string): Promise<void> {
  for (let n = 0; ; n++) {
    const events = Array.from({ length: 1 + Math.floor(random() * 3) }, (_, i) => {
      const id = `${lane}-${n}-${i}`;
      const entity = `lane/${lane}`;
      return {
        id,
        entity,
        type: 'a.b',
        source: 's',
        time: n,
        correlationId: id,
        schemaVersion: 1,
        payload: payload(),
        metadata: {},
      };
    });
    const { position } = await store.append(events);
    if (tornWrite === 'sweep' && lane.endsWith('-0')) void sweep(store, position);
    writeSync(1, events.map(({ id }, i) => `${id} ${position + i}\n`).join(''));
  }
}

async function write(folder: string, log: number): Promise<void> {
  const files =
    tornWrite === '0' || tornWrite === 'sweep' ? nodeFileSystem : tearing(1 + ((Number(tornWrite) - 1 + log) % 7));
  const store = new JsonFileStore(folder, OPTIONS, files, 'kill-writer');
  await store.open();
  writeSync(1, `open ${log}\n`);
  await Promise.all(Array.from({ length: IN_FLIGHT }, (_, lane) => appendForEver(store, `${log}-${seed}-${lane}`)));
}

await Promise.all(folders.map(write));
