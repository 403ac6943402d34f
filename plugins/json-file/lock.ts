import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { TelltaleError } from '../../lib/plugin.ts';
import { errorCode } from './file-system.ts';
import type { FileSystem } from './file-system.ts';
import { readPath, removeIfThere, replaceFile, writeFully } from './io.ts';

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

export interface Lock {
  release(): Promise<void>;
}

export interface LockOptions {
  /** Takes the lock from an owner of another host, or one that still runs. */
  readonly force: boolean;
  readonly opener: string;
}

/**
 * Makes the lock file, or takes it over from a process that is gone. Throws `STORE_LOCKED`.
 *
 * Takeover: whoever holds the claim, a file named after the dead owner's random token, may replace the lock by rename,
 * once a second look still finds that token in it. So two contenders never both win, and the lock is never absent.
 */
export async function acquireLock(fs: FileSystem, path: string, options: LockOptions): Promise<Lock> {
  const owner = { ...self(), opener: options.opener };
  await obtain(fs, path, owner, options.force, 0);
  return {
    release: async () => {
      const found = await readOwner(fs, path);
      if (found !== undefined && found !== 'unreadable' && found.token === owner.token) await removeIfThere(fs, path);
    },
  };
}

const ATTEMPTS = 50;

async function obtain(fs: FileSystem, path: string, owner: Owner, force: boolean, depth: number): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (await create(fs, path, owner)) return;
    const found = await readOwner(fs, path);
    if (found === undefined) continue;
    // Another process is between creating its lock and writing into it, or died there.
    if (found === 'unreadable' && attempt < 20) {
      await pause(5);
      continue;
    }
    if (found !== 'unreadable' && !force && !isGone(found)) throw locked(path, found);
    if (await takeOver(fs, path, found, owner, force, depth)) return;
  }
  throw new TelltaleError('STORE_LOCKED', `the lock ${path} keeps changing hands`, { details: { path } });
}

async function takeOver(
  fs: FileSystem,
  path: string,
  dead: Owner | 'unreadable',
  owner: Owner,
  force: boolean,
  depth: number,
): Promise<boolean> {
  const claim = `${path}.${dead === 'unreadable' ? 'unreadable' : dead.token}.claim`;
  if (depth > 3) throw new TelltaleError('STORE_LOCKED', `expected ${claim} to be free`, { details: { path: claim } });
  const claimant = { ...owner, token: newToken() };
  await obtain(fs, claim, claimant, force, depth + 1);
  try {
    const now = await readOwner(fs, path);
    const unchanged = now === dead || (typeof now === 'object' && typeof dead === 'object' && now.token === dead.token);
    if (!unchanged) return false;
    await replaceFile(fs, path, [encode(owner)]);
    return true;
  } finally {
    await removeIfThere(fs, claim);
  }
}

async function create(fs: FileSystem, path: string, owner: Owner): Promise<boolean> {
  try {
    const file = await fs.open(path, 'create');
    try {
      await writeFully(file, encode(owner), 0);
      // After a power cut an empty lock would say nothing of the boot it is from.
      await file.datasync();
    } catch (error) {
      // Nobody else may take an unreadable lock for a living one.
      await fs.unlink(path).catch(() => undefined);
      throw error;
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

async function readOwner(fs: FileSystem, path: string): Promise<Owner | 'unreadable' | undefined> {
  try {
    return JSON.parse((await readPath(fs, path)).toString('utf8')) as Owner;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    if (error instanceof SyntaxError) return 'unreadable';
    throw error;
  }
}

function encode(owner: Owner): Buffer {
  return Buffer.from(`${JSON.stringify(owner)}\n`);
}

function isGone(owner: Owner): boolean {
  if (owner.host !== hostname()) return false;
  const boot = bootId();
  if (boot !== '' && owner.boot !== '' && owner.boot !== boot) return true;
  if (!isAlive(owner.pid)) return true;
  const { state, started } = processFacts(owner.pid);
  // A killed process stays as a zombie until its parent has asked for it.
  if (state === 'Z' || state === 'X') return true;
  return started !== '' && owner.started !== '' && started !== owner.started;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) !== 'ESRCH';
  }
}

function self(): Omit<Owner, 'opener'> {
  return {
    token: newToken(),
    host: hostname(),
    boot: bootId(),
    pid: process.pid,
    started: processFacts(process.pid).started,
  };
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

function locked(path: string, owner: Owner): TelltaleError {
  const { host, pid, opener } = owner;
  const here = host === hostname();
  const where = here && pid === process.pid ? `this process at ${opener}` : `process ${pid} on ${host}, at ${opener}`;
  const remedy = here
    ? 'close it there, or open it with readOnly: true'
    : 'if that host is surely gone, open it with force: true';
  const message = `expected the log to be free, but ${path} says it is open in ${where}; ${remedy}`;
  return new TelltaleError('STORE_LOCKED', message, { details: { path, host, pid, opener } });
}

// Real time: another process is being waited for, and it knows nothing of an injected clock.
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** File and line of the first caller outside this plugin and the library. */
export function callerOf(skip: (...args: never[]) => unknown): string {
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, skip);
  const line = holder.stack?.split('\n')[1] ?? '';
  const place = /\(?((?:file:\/\/)?[^()\s]+:\d+):\d+\)?$/.exec(line.trim());
  return (place?.[1] ?? 'an unknown place').replace(/^file:\/\//, '');
}
