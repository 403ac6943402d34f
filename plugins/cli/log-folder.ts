import { createHash } from 'node:crypto';
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { Problem } from './problem.ts';

/** Where logs go unless `--log` says otherwise: a folder in the current directory. */
export const HOME = '.telltale';

const SEGMENT = /^\d{16}\.ndjson$/;

/** `.telltale/<name>-<six digits of its path>`: two folders of the same name have two logs. */
export function defaultLog(subject: string): string {
  const name =
    basename(subject)
      .replace(/[^\w.-]+/g, '-')
      .slice(0, 60) || 'root';
  const digits = createHash('sha256').update(resolve(subject)).digest('hex').slice(0, 6);
  return join(HOME, `${name}-${digits}`);
}

/** Makes the folder, and keeps `.telltale` out of version control. */
export async function prepareLog(folder: string): Promise<void> {
  if (folder === '') throw new Problem('--log is empty; name the folder of the log');
  await mustBePath(folder, '--log is a folder');
  const kind = await kindOf(folder);
  if (kind === 'file' || kind === 'other') throw new Problem(`${folder} is a file; name a folder with --log`);
  try {
    await makeFolder(folder);
    if (!(await isLog(folder)) && (await readdir(folder)).length > 0)
      throw new Problem(`${folder} is not empty and holds no log; choose another folder with --log`);
    if (basename(dirname(resolve(folder))) === HOME)
      await writeFile(join(dirname(folder), '.gitignore'), '*\n', { flag: 'wx' }).catch(ignoreExisting);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem(`the log folder ${folder} cannot be made: ${(error as Error).message}`);
  }
}

/** A recursive `mkdir` never ends where the system makes no folder in one that is there (in /proc). */
async function makeFolder(folder: string): Promise<void> {
  const kind = await kindOf(folder);
  if (kind !== 'missing') return;
  if (dirname(folder) !== folder) await makeFolder(dirname(folder));
  await mkdir(folder).catch(ignoreExisting);
}

/** Removes a log, if there is one, unless somebody writes to it (`STORE_LOCKED`). */
export async function removeLog(folder: string): Promise<void> {
  if (!(await isLog(folder))) return;
  const { jsonFile } = await import('../json-file/index.ts');
  const store = jsonFile(folder);
  await store.open();
  await store.close();
  await rm(folder, { recursive: true });
}

/** Throws a `Problem` that names the logs inside, if the folder is none itself. */
export async function checkIsLog(folder: string): Promise<void> {
  if (await isLog(folder)) return;
  const inside = [];
  for (const name of await readdir(folder)) if (await isLog(join(folder, name))) inside.push(join(folder, name));
  const hint = inside.length === 0 ? '' : `; did you mean ${inside.slice(0, 3).join(' or ')}?`;
  throw new Problem(`${folder} holds no log${hint}`);
}

async function isLog(folder: string): Promise<boolean> {
  const names = await readdir(folder).catch((): string[] => []);
  return names.some((name) => SEGMENT.test(name));
}

/** A store that there may be no plugin for; a digit only last, because times in the names of files have more. */
const SCHEME = /^[a-z][a-z+.-]*(?:[a-z]|\d):/i;

/** Whether a place is the url of a store, or looks like one and is not there. What is no url is a path. */
export async function isUrl(place: string): Promise<boolean> {
  const { isStoreUrl } = await import('../open.ts');
  return isStoreUrl(place) || (SCHEME.test(place) && (await kindOf(place)) === 'missing');
}

/** Throws a `Problem` that begins with what was expected. */
export async function mustBePath(place: string, expectation: string): Promise<void> {
  if (!(await isUrl(place))) return;
  const { withoutPassword } = await import('../open.ts');
  throw new Problem(`${expectation}, and ${withoutPassword(place)} is a url`);
}

export async function kindOf(path: string): Promise<'folder' | 'file' | 'other' | 'missing'> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) return 'folder';
    return found.isFile() || found.isFIFO() ? 'file' : 'other';
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'missing';
    throw new Problem(`${path} cannot be looked at: ${message}`);
  }
}

function ignoreExisting(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EEXIST') throw error;
}
