import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { FileSystem } from './file-system.ts';
import { errorCode } from './file-system.ts';
import { readPath } from './io.ts';

/** Who has a log open for writing, as the lock file says it. */
export interface Owner {
  readonly token: string;
  readonly host: string;
  /** Changes with every start of the machine; empty where the platform does not tell. */
  readonly boot: string;
  readonly pid: number;
  /** When the process started, in a form that only this platform compares: tells a reused pid from the owner. */
  readonly started: string;
  /** File and line that opened the log. */
  readonly opener: string;
}

/**
 * What lies at a lock's path. `torn`: the beginning of a lock, from a process that is just writing it or died of it.
 * `foreign`: nothing that this version writes; whoever made it may be alive.
 */
export type Found =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'owned'; readonly owner: Owner; readonly stamp: string }
  | { readonly kind: 'torn'; readonly what: string; readonly stamp: string; readonly ageMs: number }
  | { readonly kind: 'foreign'; readonly what: string; readonly stamp: string };

const MAX_BYTES = 64 * 1024;
const BEGINNING = '{"token":';
const TOKEN = /^[\w-]{1,64}$/;

export async function readLock(fs: FileSystem, path: string): Promise<Found> {
  const facts = await fs.facts(path);
  if (facts === undefined) return { kind: 'nothing' };
  const { kind, bytes, stamp, changedAt } = facts;
  if (kind !== 'file') return { kind: 'foreign', what: kind === 'folder' ? 'a folder' : 'no plain file', stamp };
  if (bytes > MAX_BYTES) return { kind: 'foreign', what: `${bytes} bytes`, stamp };
  try {
    const text = (await readPath(fs, path)).toString('utf8');
    const owner = decode(text);
    if (owner !== undefined) return { kind: 'owned', owner, stamp };
    // Wall time, because the file's is.
    if (isTorn(text)) return { kind: 'torn', what: inWords(text), stamp, ageMs: Date.now() - changedAt };
    return { kind: 'foreign', what: inWords(text), stamp };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return { kind: 'nothing' };
    throw error;
  }
}

export function encodeOwner(owner: Owner): Buffer {
  return Buffer.from(`${JSON.stringify(owner)}\n`);
}

/** This process, with a token of its own for every lock. */
export function newOwner(opener: string): Owner {
  const { started } = processFacts(process.pid);
  return { token: newToken(), host: hostname(), boot: bootId(), pid: process.pid, started, opener };
}

/** Says yes only of a process of this host that surely runs no more. */
export function isGone(owner: Owner): boolean {
  if (owner.host !== hostname()) return false;
  const boot = bootId();
  if (boot !== '' && owner.boot !== '' && owner.boot !== boot) return true;
  if (!isAlive(owner.pid)) return true;
  const { state, started } = processFacts(owner.pid);
  // A killed process stays as a zombie until its parent has asked for it.
  if (state === 'Z' || state === 'X') return true;
  return started !== '' && owner.started !== '' && started !== owner.started;
}

export function describeOwner({ host, pid, opener }: Owner): string {
  const self = host === hostname() && pid === process.pid;
  return self ? `this process at ${opener}` : `process ${pid} on ${host}, at ${opener}`;
}

function decode(text: string): Owner | undefined {
  const value = parsed(text);
  if (typeof value !== 'object' || value === null) return undefined;
  const { token, host, boot, pid, started, opener } = value as Partial<Record<keyof Owner, unknown>>;
  // The token becomes part of file names, and a pid below 1 would ask for a whole group of processes.
  if (typeof token !== 'string' || !TOKEN.test(token)) return undefined;
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid < 1) return undefined;
  if (typeof host !== 'string' || typeof boot !== 'string') return undefined;
  if (typeof started !== 'string' || typeof opener !== 'string') return undefined;
  return { token, host, boot, pid, started, opener };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

// After a power cut a file may have its length and no content.
function isTorn(text: string): boolean {
  return text.replaceAll('\0', '') === '' || (text.startsWith(BEGINNING) && parsed(text) === undefined);
}

function inWords(text: string): string {
  if (text === '') return 'an empty file';
  return text.length <= 40 ? JSON.stringify(text) : `${JSON.stringify(text.slice(0, 40))} …`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) !== 'ESRCH';
  }
}

function newToken(): string {
  return randomBytes(12).toString('hex');
}

function bootId(): string {
  return readQuietly('/proc/sys/kernel/random/boot_id').trim();
}

// Fields 3 and 22 of /proc/<pid>/stat; the name in field 2 may hold spaces and parentheses.
function processFacts(pid: number): { readonly state: string; readonly started: string } {
  const stat = readQuietly(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state: fields[0] ?? '', started: fields[19] ?? '' };
}

function readQuietly(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
