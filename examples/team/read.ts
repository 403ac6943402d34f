import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HandlerContext, TelltaleEvent } from 'telltale';
import type { TeamEvents } from './events.ts';
import { parse } from './parse.ts';

const MAX_BYTES = 16 * 1024 * 1024;

/** A file that is to be read. */
export type Found = TelltaleEvent<'file.found', TeamEvents['file.found']>;

/**
 * Reads a file and says what is in it. Of one that cannot be read it throws, and the bus keeps a dead letter.
 *
 * The reader may die at any moment, and another one is given the file. The id follows from that of `file.found`: said a
 * second time, it is stored once.
 */
export function read({ id, entity, payload }: Found, { emit }: HandlerContext<TeamEvents>): void {
  const { root, path, stamp } = payload;
  const text = readText(join(root, path));
  const parsed = { path, stamp, bytes: Buffer.byteLength(text), facts: parse(path, text) };
  emit('file.parsed', parsed, { id: `${id}/parsed`, entity: entity! });
}

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
