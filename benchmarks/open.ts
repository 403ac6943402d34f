import { readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32, gunzipSync } from 'node:zlib';
import { createIdSource } from '../lib/ids.ts';
import type { StoredEvent } from '../lib/index.ts';
import { nodeFileSystem } from '../plugins/json-file/file-system.ts';
import { parseOptions } from '../plugins/json-file/options.ts';
import type { JsonFileOptions } from '../plugins/json-file/options.ts';
import { JsonFileStore } from '../plugins/json-file/store.ts';
import type { Benchmark } from './benchmark.ts';
import { createFolder } from './log-contender.ts';
import { FULL, type Comparison, type Contender, type Pace } from './measure.ts';
import { PAYLOAD_350 } from './payloads.ts';

const SEGMENT = 32_768;
/** Half a segment beyond whole ones: opening reads the newest, so both logs must have the same there. */
const HALF = SEGMENT / 2;
const COMMIT = 1_024;
/** As long as it takes at most, measured in reading all. */
const PART = 0.05;

/** Opens, and closes again outside of the time: what counts is that the log knows where it goes on. */
function opening(name: string, folder: string, events: number): Contender {
  let store: JsonFileStore;
  return {
    name,
    before: () => {
      store = storeOn(folder);
    },
    run: () => store.open(),
    done: async () => ((await store.head()).position === events ? 1 : 0),
    after: () => store.close(),
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

function reading(folder: string, events: number): Contender {
  let told = 0;
  return {
    name: 'reading, CRC and parsing',
    before: () => {
      told = 0;
    },
    run: async () => {
      for (const file of (await readdir(folder)).toSorted())
        if (/\.ndjson(?:\.gz)?$/.test(file)) told += parseAll(await contentOf(join(folder, file)));
    },
    done: () => (told === events ? 1 : 0),
  };
}

async function contentOf(path: string): Promise<Buffer> {
  const bytes = await readFile(path);
  return path.endsWith('.gz') ? gunzipSync(bytes) : bytes;
}

function parseAll(bytes: Buffer): number {
  let events = 0;
  for (let at = bytes.indexOf(10) + 1; at < bytes.length;) {
    const end = bytes.indexOf(10, at);
    const event = JSON.parse(bytes.toString('utf8', at, end)) as StoredEvent & { readonly crc: string };
    if (crc32(bytes.subarray(at + 18, end)) === Number.parseInt(event.crc, 16)) events++;
    at = end + 1;
  }
  return events;
}

function storeOn(folder: string, options: JsonFileOptions = {}): JsonFileStore {
  return new JsonFileStore(folder, parseOptions(folder, options), nodeFileSystem, 'benchmark');
}

async function fill(events: number, options: JsonFileOptions): Promise<string> {
  const folder = await createFolder();
  const store = storeOn(folder, { durability: 'os', segmentEvents: SEGMENT, ...options });
  await store.open();
  const id = createIdSource();
  for (let n = 0; n < events; n += COMMIT) {
    const count = Math.min(COMMIT, events - n);
    await store.append(
      Array.from({ length: count }, (_, i) => {
        const own = id();
        const correlationId = `run-${Math.floor((n + i) / 20)}`;
        const payload = { n: n + i, ...PAYLOAD_350 };
        const rest = { type: 'tool.finished', source: 'benchmark', time: Date.now(), schemaVersion: 1, metadata: {} };
        return { id: own, correlationId, payload, ...rest };
      }),
    );
  }
  await store.idle();
  await store.close();
  return folder;
}

async function openLog(pace: Pace, options: JsonFileOptions, form: string): Promise<Comparison> {
  const many = (pace === FULL ? 30 : 6) * SEGMENT + HALF;
  const few = 3 * SEGMENT + HALF;
  const [large, small] = [await fill(many, options), await fill(few, options)];
  const count = many.toLocaleString('en');
  return {
    title: `open a json-file log of ${count} events, ${form}`,
    operation: 'log',
    contenders: [
      opening('opening', large, many),
      opening(`opening one of ${few.toLocaleString('en')}`, small, few),
      reading(large, many),
    ],
    // At full length only: the newest segment is always read, and is a large part of a small log.
    targets:
      pace === FULL
        ? [
            { rival: 'reading, CRC and parsing', ratio: 1 / PART },
            { rival: `opening one of ${few.toLocaleString('en')}`, ratio: 1 / 1.5 },
          ]
        : [],
    count: 1,
  };
}

export const open: Benchmark = {
  comparisons: [(pace) => openLog(pace, {}, 'plain'), (pace) => openLog(pace, { compress: true }, 'compressed')],
};
