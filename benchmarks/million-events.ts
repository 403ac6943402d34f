// Appends many events through a bus to a json-file log, opens it again and reads everything back; prints one JSON object.
import { readFile, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { createBus, jsonFile } from '../lib/index.ts';
import { createFolder } from './log-contender.ts';
import { PAYLOAD_350 } from './payloads.ts';

/** Emitted before each wait for the disk; well below the bound of the backlog. */
const BURST = 5_000;
const MIB = 2 ** 20;
/** Memory may grow so much behind the first tenth of a million events, and never beyond the bound. */
const GROWTH = 1.3;
const BOUND_MIB = 400;

const total = Number(process.argv[2] ?? 1_000_000);
const folder = await createFolder();
try {
  globalThis.gc?.();
  const startMib = rssMib();
  const { appendMs, firstTenthMib, peakMib: appendPeakMib } = await append();
  const { openMs, readMs, peakMib: readPeakMib } = await readBack();
  const { bytes, rawMs } = await readRaw();
  checkMemory(firstTenthMib, appendPeakMib, readPeakMib);
  const facts = {
    events: total,
    'log, MiB': Math.round(bytes / MIB),
    'emitted and on disk, events per second': Math.round((total * 1000) / appendMs),
    'read back, events per second': Math.round((total * 1000) / readMs),
    'open, ms': Math.round(openMs),
    'open, part of reading and parsing all bytes': Number((openMs / rawMs).toFixed(4)),
    'read, times as fast as reading, CRC and parsing the same bytes': Number((rawMs / readMs).toFixed(2)),
    'RSS at the start, MiB': startMib,
    'RSS, highest in the first tenth of the appends, MiB': firstTenthMib,
    'RSS, highest while appending, MiB': appendPeakMib,
    'RSS, highest while reading, MiB': readPeakMib,
  };
  console.log(JSON.stringify(facts));
} finally {
  await rm(folder, { recursive: true, force: true });
}

function checkMemory(firstTenthMib: number, ...peaksMib: readonly number[]): void {
  // A tenth of fewer events is still warming up.
  const most = total < 1_000_000 ? BOUND_MIB : Math.min(BOUND_MIB, firstTenthMib * GROWTH);
  const highest = Math.max(...peaksMib);
  if (highest > most) throw new Error(`expected at most ${Math.round(most)} MiB for ${total} events, got ${highest}`);
}

async function append(): Promise<{ appendMs: number; firstTenthMib: number; peakMib: number }> {
  const bus = await createBus({ source: 'benchmark', store: jsonFile(folder) });
  const start = performance.now();
  let firstTenthMib = 0;
  let peakMib = 0;
  for (let done = 0; done < total; done += BURST) {
    for (let n = done; n < Math.min(done + BURST, total); n++) bus.emit('tool.finished', { n, ...PAYLOAD_350 });
    await bus.flush();
    peakMib = Math.max(peakMib, rssMib());
    if (done < total / 10) firstTenthMib = peakMib;
  }
  const appendMs = performance.now() - start;
  await bus.close();
  return { appendMs, firstTenthMib, peakMib };
}

async function readBack(): Promise<{ openMs: number; readMs: number; peakMib: number }> {
  globalThis.gc?.();
  const store = jsonFile(folder);
  const opening = performance.now();
  await store.open();
  const openMs = performance.now() - opening;
  const start = performance.now();
  let expected = 0;
  let peakMib = 0;
  for await (const { position, payload } of store.read()) {
    const { n } = payload as { readonly n: number };
    if (n !== expected || position !== expected + 1)
      throw new Error(`event ${expected} came back as ${n} at ${position}`);
    expected++;
    if (expected % BURST === 0) peakMib = Math.max(peakMib, rssMib());
  }
  const readMs = performance.now() - start;
  if (expected !== total) throw new Error(`${expected} of ${total} events came back`);
  await store.close();
  return { openMs, readMs, peakMib };
}

/** The least that reading can cost: all bytes, a checksum and a parse of every line. */
async function readRaw(): Promise<{ bytes: number; rawMs: number }> {
  const files = (await readdir(folder, { recursive: true })).filter((file) => /\.(?:ndjson|log)$/.test(file));
  if (files.length === 0) throw new Error(`no segment in ${(await readdir(folder)).join(', ')}`);
  const start = performance.now();
  let bytes = 0;
  for (const file of files) {
    const content = await readFile(join(folder, file));
    bytes += content.length;
    for (let from = 0, end = content.indexOf(10); end !== -1; from = end + 1, end = content.indexOf(10, from)) {
      crc32(content.subarray(from, end));
      JSON.parse(content.toString('utf8', from, end));
    }
  }
  return { bytes, rawMs: performance.now() - start };
}

function rssMib(): number {
  return Math.round(process.memoryUsage.rss() / MIB);
}
