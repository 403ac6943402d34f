import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { createBus, jsonFile, memory, type Bus, type StoredEvent } from '../lib/index.ts';
import type { Store } from '../lib/plugin.ts';
import type { Benchmark } from './benchmark.ts';
import { FULL, type Comparison, type Contender, type Pace } from './measure.ts';
import { PAYLOAD_350 } from './payloads.ts';

const BATCH = 1_000;
const NEWLINE = 10;
/** What stands before the bytes that a line's checksum covers: `{"crc":"00000000"`. */
const SEALED_FROM = 18;
const CHUNK_BYTES = 4 * 1024 * 1024;

async function filledBus(store: Store, count: number): Promise<Bus> {
  const bus = await createBus({ source: 'benchmark', store });
  for (let done = 0; done < count; done += BATCH) {
    const batch = bus.batch();
    for (let i = 0; i < BATCH; i++) batch.add('tool.finished', PAYLOAD_350, { entity: `agent/${i % 50}` });
    await batch.commit();
  }
  return bus;
}

/** A handler that looks at the event, counted where it is called. */
function replaying(bus: Bus, close: () => unknown): Contender {
  let told = 0;
  let sum = 0;
  const into = ({ position }: StoredEvent): void => {
    told++;
    sum += position;
  };
  return {
    name: 'telltale replay',
    before: () => {
      told = 0;
    },
    async run() {
      await bus.replay({ into }).finished;
    },
    done: () => (sum > 0 ? told : 0),
    close: async () => {
      await bus.close();
      await close();
    },
  };
}

async function fromFiles(pace: Pace): Promise<Comparison> {
  const count = pace === FULL ? 100_000 : 20_000;
  const folder = mkdtempSync(join(tmpdir(), 'telltale-replay-'));
  const bus = await filledBus(jsonFile(folder), count);
  await bus.close();
  const reopened = await createBus({ source: 'benchmark', store: jsonFile(folder) });
  return {
    title: `replay from json-file, ${count} events of 350 bytes`,
    operation: 'event',
    contenders: [replaying(reopened, () => rmSync(folder, { recursive: true, force: true })), rawReader(folder)],
    targets: [
      { rival: 'read, CRC, parse', ratio: 0.6 },
      { rival: 'read, CRC, parse', ratio: 0.7, later: true },
    ],
    count,
  };
}

/** The same bytes: read in large pieces, each line's checksum taken and compared, each line parsed. */
function rawReader(folder: string): Contender {
  let parsed = 0;
  const line = (bytes: Buffer, start: number, end: number): void => {
    const crc = crc32(bytes.subarray(start + SEALED_FROM, end));
    const event = JSON.parse(bytes.toString('utf8', start, end)) as { readonly crc: string; readonly type?: string };
    if (Number.parseInt(event.crc, 16) === crc && event.type !== undefined) parsed++;
  };
  return {
    name: 'read, CRC, parse',
    before: () => {
      parsed = 0;
    },
    async run() {
      for (const name of readdirSync(folder).filter((file) => /^\d{16}\.ndjson$/.test(file))) {
        const file = await open(join(folder, name));
        await readLines(file, line);
        await file.close();
      }
    },
    done: () => parsed,
  };
}

async function readLines(file: FileHandle, line: (bytes: Buffer, start: number, end: number) => void): Promise<void> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  let kept = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, kept, buffer.length - kept);
    if (bytesRead === 0) return;
    const bytes = buffer.subarray(0, kept + bytesRead);
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
      line(bytes, start, end);
      start = end + 1;
    }
    kept = buffer.copy(buffer, 0, start, bytes.length);
  }
}

async function fromMemory(pace: Pace): Promise<Comparison> {
  const count = pace === FULL ? 100_000 : 20_000;
  const store = memory({ capacity: count });
  const bus = await filledBus(store, count);
  const events: StoredEvent[] = [];
  for await (const event of store.read()) events.push(event);
  let called = 0;
  let sum = 0;
  const handler = ({ position }: StoredEvent): void => {
    called++;
    sum += position;
  };
  const array: Contender = {
    name: 'array of the same objects',
    before: () => {
      called = 0;
    },
    run: () => {
      for (const event of events) handler(event);
    },
    done: () => (sum > 0 ? called : 0),
  };
  return {
    title: `replay from memory, ${count} events`,
    operation: 'event',
    contenders: [replaying(bus, () => undefined), array],
    targets: [{ rival: 'array of the same objects', ratio: 0.2, later: true }],
    count,
  };
}

export const replay: Benchmark = { comparisons: [fromFiles, fromMemory] };
