import { constants, copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { Connection } from './connection.ts';
import type { SqliteDriver } from './driver.ts';
import { TABLES } from './schema.ts';

export interface MendedCopy {
  readonly connection: Connection;
  /** Closes it and takes it away. */
  close(): void;
}

const MAGIC = Buffer.from('SQLite format 3\0');
/** Of SQLite's file format: where the first page has the size of a page, the versions, what is always the same, and counts. */
const [PAGE_SIZE, VERSIONS, FRACTIONS, CHANGES, PAGES, PAGES_VALID_FOR, HEADER] = [16, 18, 21, 24, 28, 92, 100];
const FIXED = Buffer.from([64, 32, 32]);
const USUAL_PAGE_SIZE = 4_096;

/**
 * Opens a copy, in a new folder within `folder`, of a file that SQLite does not open: it is told how many pages there
 * are, and given the first page of a new log where it cannot do with its own. The tables of every log begin at the same pages.
 */
export async function mendedCopy(driver: SqliteDriver, file: string, folder: string): Promise<MendedCopy> {
  const scratch = mkdtempSync(join(folder, 'telltale-salvage-'));
  const remove = (): void => rmSync(scratch, { recursive: true, force: true });
  try {
    const copy = join(scratch, 'log.db');
    copyFileSync(file, copy, constants.COPYFILE_FICLONE);
    if (existsSync(`${file}-wal`)) copyFileSync(`${file}-wal`, `${copy}-wal`);
    const connection = (await counted(driver, copy)) ?? (await withNewPage(driver, copy, scratch));
    return {
      connection,
      close() {
        connection.close();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** Whether SQLite takes what a file begins with for one of its own. */
export function isSqlite(header: Buffer): boolean {
  const isMarked = header.subarray(0, MAGIC.length).equals(MAGIC);
  return isMarked && givenPageSize(header) !== undefined && header.subarray(FRACTIONS, FRACTIONS + 3).equals(FIXED);
}

/** The copy as it is, but for the number of its pages; nothing where it does not open. */
async function counted(driver: SqliteDriver, copy: string): Promise<Connection | undefined> {
  await writing(copy, async (handle) => {
    const header = await beginning(handle, HEADER);
    if (isSqlite(header)) await writeCounted(handle, header);
  });
  const connection = new Connection(driver.open(copy));
  try {
    connection.get('SELECT position FROM telltale_events LIMIT 0');
    return connection;
  } catch {
    connection.close();
    return undefined;
  }
}

async function withNewPage(driver: SqliteDriver, copy: string, scratch: string): Promise<Connection> {
  await writing(copy, async (handle) => {
    const size = pageSizeOf(await beginning(handle, HEADER));
    const path = join(scratch, 'new.db');
    const fresh = new Connection(driver.open(path));
    fresh.exec(`PRAGMA page_size = ${size}`);
    fresh.exec(TABLES);
    fresh.close();
    const page = readFileSync(path).subarray(0, size);
    // With a write-ahead log, where there is one.
    page.fill(2, VERSIONS, VERSIONS + 2);
    await writeCounted(handle, page);
  });
  return new Connection(driver.open(copy));
}

async function writeCounted(handle: FileHandle, page: Buffer): Promise<void> {
  const pages = Math.ceil((await handle.stat()).size / pageSizeOf(page));
  page.writeUInt32BE(pages, PAGES);
  page.copy(page, PAGES_VALID_FOR, CHANGES, CHANGES + 4);
  await handle.write(page, 0, page.length, 0);
}

function pageSizeOf(header: Buffer): number {
  return givenPageSize(header) ?? USUAL_PAGE_SIZE;
}

function givenPageSize(header: Buffer): number | undefined {
  const size = header.readUInt16BE(PAGE_SIZE);
  if (size === 1) return 65_536;
  return size >= 512 && Number.isInteger(Math.log2(size)) ? size : undefined;
}

async function beginning(handle: FileHandle, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  await handle.read(buffer, 0, length, 0);
  return buffer;
}

async function writing(path: string, work: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await work(handle);
  } finally {
    await handle.close();
  }
}
