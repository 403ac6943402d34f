import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { workerData } from 'node:worker_threads';
import { createBus } from 'telltale';
import { teamEvents } from './events.ts';
import { serveLink } from './link-worker.ts';
import { parse } from './parse.ts';

const MAX_BYTES = 16 * 1024 * 1024;
const { name } = workerData as { name: string };
const bus = await createBus({ source: name, events: teamEvents });

// Runs in its own thread: reads one file, says what is in it. A file it cannot read makes it throw, and that is all.
serveLink(bus, {
  'file.found': ({ payload: { root, path, stamp }, entity }) => {
    const options = entity === undefined ? {} : { entity };
    const text = readText(join(root, path));
    const read = bus.emit('file.read', { path, stamp, bytes: Buffer.byteLength(text) }, options);
    bus.withContext({ correlationId: read.correlationId, causationId: read.id }, () =>
      bus.emit('file.parsed', { path, facts: parse(path, text) }, options),
    );
  },
});

// Synchronous: nobody else waits for this thread, and the process has four threads for all asynchronous file calls.
function readText(file: string): string {
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    if (size > MAX_BYTES) throw failure('FILE_TOO_LARGE', `too large: ${size} bytes, at most ${MAX_BYTES} are read`);
    return decode(readFileSync(descriptor));
  } finally {
    closeSync(descriptor);
  }
}

function decode(bytes: Buffer): string {
  const zero = bytes.indexOf(0);
  if (zero >= 0) throw failure('FILE_BINARY', `binary: a NUL byte at offset ${zero}`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw failure('FILE_NOT_UTF8', 'not UTF-8 text');
  }
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
