import { dirname } from 'node:path';
import { hostname } from 'node:os';
import { TelltaleError } from '../../lib/plugin.ts';
import { errorCode } from './file-system.ts';
import type { FileSystem } from './file-system.ts';
import { removeIfThere, writeFully } from './io.ts';
import { describeOwner, encodeOwner, isGone, newOwner, readLock } from './lock-owner.ts';
import type { Found, Owner } from './lock-owner.ts';

export interface Lock {
  /** Says what became of the lock when its owner has lost it. Asks the folder once while all is well. */
  loss(): Promise<string | undefined>;
  release(): Promise<void>;
}

export interface LockOptions {
  /** Takes the lock from an owner of another host, from one that still runs, or from whatever lies in its place. */
  readonly force: boolean;
  readonly opener: string;
}

const ATTEMPTS = 50;
/** Nobody takes longer than this between making a lock and writing into it, unless it died there. */
const TORN_FOR_MS = 60_000;

/**
 * Makes the lock file, or takes it over from a process that is gone. Throws `STORE_LOCKED`.
 *
 * Making: the file is written beside and linked to its name, so the lock is never seen without its content. Where hard
 * links are not supported it is made with O_EXCL and written in place. Either way only what is then read counts: the
 * owner is whoever finds its own token.
 * Takeover: whoever holds the claim, a file named after the dead owner's random token, may replace the lock by rename,
 * once a second look still finds that token in it. So two contenders never both win.
 * A torn lock is left alone for a minute; then it is renamed and read once more before the lock is made anew. Its maker
 * reads after it has written, so it either wrote in time to be seen, or finds its lock gone.
 */
export async function acquireLock(fs: FileSystem, path: string, options: LockOptions): Promise<Lock> {
  const owner = newOwner(options.opener);
  const release = (): Promise<void> => removeOwn(fs, path, owner);
  try {
    let stamp = await obtain(fs, path, owner, options.force, 0);
    const loss = async (): Promise<string | undefined> => {
      if ((await fs.facts(path))?.stamp === stamp) return undefined;
      const found = await readLock(fs, path);
      if (!isOwn(found, owner)) return lossOf(path, found);
      stamp = found.stamp;
      return undefined;
    };
    return { loss, release };
  } catch (error) {
    // It may have been made before something failed.
    await release().catch(() => undefined);
    throw error;
  }
}

/** Answers the stamp of the lock that is now the owner's. */
async function obtain(fs: FileSystem, path: string, owner: Owner, force: boolean, depth: number): Promise<string> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const found = await readLock(fs, path);
    if (isOwn(found, owner)) return found.stamp;
    if (found.kind === 'nothing') await make(fs, path, owner);
    else if (force || isDead(found)) await takeOver(fs, path, found, owner, force, depth);
    else throw locked(path, found);
  }
  throw new TelltaleError('STORE_LOCKED', `the lock ${path} keeps changing hands`, { details: { path } });
}

function isOwn(found: Found, owner: Owner): found is Found & { readonly kind: 'owned' } {
  return found.kind === 'owned' && found.owner.token === owner.token;
}

function isDead(found: Found): boolean {
  if (found.kind === 'owned') return isGone(found.owner);
  return found.kind === 'torn' && found.ageMs > TORN_FOR_MS;
}

/** Whether it worked is for the next look to say. */
async function make(fs: FileSystem, path: string, owner: Owner): Promise<void> {
  await withDraft(fs, path, owner, async (draft) => {
    try {
      await fs.link(draft, path);
    } catch (error) {
      const code = errorCode(error);
      // Another one was quicker, or its recovery has cleared the draft away.
      if (code === 'EEXIST' || code === 'ENOENT') return;
      await makeInPlace(fs, path, owner);
    }
  });
}

async function makeInPlace(fs: FileSystem, path: string, owner: Owner): Promise<void> {
  try {
    await writeNew(fs, path, owner);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
}

async function takeOver(
  fs: FileSystem,
  path: string,
  before: Found,
  owner: Owner,
  force: boolean,
  depth: number,
): Promise<void> {
  const claim = `${path}.${before.kind === 'owned' ? before.owner.token : 'unreadable'}.claim`;
  if (depth > 3) throw new TelltaleError('STORE_LOCKED', `expected ${claim} to be free`, { details: { path: claim } });
  const claimant = newOwner(owner.opener);
  await obtain(fs, claim, claimant, force, depth + 1);
  try {
    const now = await readLock(fs, path);
    if (!isSame(now, before)) return;
    if (now.kind === 'owned') await withDraft(fs, path, owner, (draft) => fs.rename(draft, path));
    else await clearAway(fs, path, owner);
  } finally {
    await removeOwn(fs, claim, claimant);
  }
}

function isSame(now: Found, before: Found): boolean {
  if (now.kind === 'owned') return before.kind === 'owned' && now.owner.token === before.owner.token;
  return now.kind !== 'nothing' && now.kind === before.kind && now.stamp === before.stamp;
}

/** Leaves no lock, or puts back the one that was complete after all. */
async function clearAway(fs: FileSystem, path: string, owner: Owner): Promise<void> {
  const aside = `${path}.${owner.token}.aside`;
  await fs.rename(path, aside);
  const isWhole = (await readLock(fs, aside)).kind === 'owned';
  if (isWhole && (await fs.facts(path)) === undefined) return fs.rename(aside, path);
  // A folder stays aside: what is in it is not this store's.
  await removeIfThere(fs, aside).catch(() => undefined);
}

async function withDraft(
  fs: FileSystem,
  path: string,
  owner: Owner,
  use: (draft: string) => Promise<void>,
): Promise<void> {
  // Opening the log clears away what ends so.
  const draft = `${path}.${owner.token}.tmp`;
  try {
    await writeNew(fs, draft, owner);
    await use(draft);
  } finally {
    await removeIfThere(fs, draft).catch(() => undefined);
  }
}

async function writeNew(fs: FileSystem, path: string, owner: Owner): Promise<void> {
  const file = await fs.open(path, 'create');
  try {
    await writeFully(file, encodeOwner(owner), 0);
    // After a power cut an empty lock would say nothing of the boot it is from.
    await file.datasync();
  } catch (error) {
    // Why it could not be written says more, and whoever opens the log next takes an empty lock for what it is.
    await fs.unlink(path).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
}

async function removeOwn(fs: FileSystem, path: string, owner: Owner): Promise<void> {
  if (isOwn(await readLock(fs, path), owner)) await removeIfThere(fs, path);
}

function lossOf(path: string, found: Found): string {
  const folder = dirname(path);
  if (found.kind === 'owned') return `the log in ${folder} was taken over by ${describeOwner(found.owner)}`;
  if (found.kind === 'nothing') return `the folder ${folder}, or ${path} in it, was deleted or moved away`;
  return `${path} was replaced by ${found.what}`;
}

function locked(path: string, found: Found & { readonly kind: 'owned' | 'torn' | 'foreign' }): TelltaleError {
  return found.kind === 'owned' ? ownedBy(path, found.owner) : unreadable(path, found);
}

function ownedBy(path: string, owner: Owner): TelltaleError {
  const { host, pid, opener } = owner;
  const remedy =
    host === hostname()
      ? 'close it there, or open it with readOnly: true'
      : 'if that host is surely gone, open it with force: true';
  const message = `expected the log to be free, but ${path} says it is open in ${describeOwner(owner)}; ${remedy}`;
  return new TelltaleError('STORE_LOCKED', message, { details: { path, host, pid, opener } });
}

function unreadable(path: string, { kind, what }: { readonly kind: string; readonly what: string }): TelltaleError {
  const patience = kind === 'torn' ? `; it is taken over once it is ${TORN_FOR_MS / 1_000} s old` : '';
  const remedy = `if no process has the log open, open it with force: true${patience}`;
  const message = `expected ${path} to be a lock and to say who has the log open, found ${what}; ${remedy}`;
  return new TelltaleError('STORE_LOCKED', message, { details: { path, expected: 'a lock', actual: what } });
}

/** File and line of the first caller outside this plugin and the library. */
export function callerOf(skip: (...args: never[]) => unknown): string {
  const holder: { stack?: string } = {};
  Error.captureStackTrace(holder, skip);
  const line = holder.stack?.split('\n')[1] ?? '';
  const place = /\(?((?:file:\/\/)?[^()\s]+:\d+):\d+\)?$/.exec(line.trim());
  return (place?.[1] ?? 'an unknown place').replace(/^file:\/\//, '');
}
