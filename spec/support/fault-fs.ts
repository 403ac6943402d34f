import { dirname } from 'node:path';
import type { FileFacts, FileSystem, OpenFile, OpenMode } from '../../plugins/json-file/file-system.ts';

export type OperationName =
  | 'create'
  | 'open'
  | 'write'
  | 'datasync'
  | 'truncate'
  | 'rename'
  | 'unlink'
  | 'link'
  | 'makeFolder'
  | 'syncFolder';

/** One operation that changes the disk, before it is carried out. */
export interface Operation {
  readonly name: OperationName;
  readonly path: string;
  /** 1, 2, 3 … over all changing operations. */
  readonly serial: number;
}

/** An error code to fail with, or `short`: half of a write is carried out and reported as such. */
export type Fault = 'EIO' | 'ENOSPC' | 'EACCES' | 'EROFS' | 'short' | 'crash';

export class Crash extends Error {}

let inodes = 0;

interface Inode {
  readonly number: number;
  data: Buffer;
  /** May be the beginning of the same memory: what was synced is never written over in place. */
  synced: Buffer;
}

/** How unsynced bytes look after the power is back. */
export type Leftover = 'nothing' | 'half' | 'zeros' | 'all';

/**
 * A disk in memory with a page cache: a write is lost in a power cut unless the file was synced, a new name unless its
 * folder was. Faults are planted in any operation that changes it.
 */
export class MemoryDisk implements FileSystem {
  /** Asked before each operation that changes the disk. */
  fault: ((operation: Operation) => Fault | undefined) | undefined;
  /** Syncs that do nothing and say yes: a control that the suite must catch. */
  lies = false;
  /** Bytes that fit; a write beyond gives a short result first, then ENOSPC. */
  capacity = Infinity;
  serial = 0;
  readonly #names = new Map<string, Inode>();
  readonly #durable = new Map<string, Inode>();
  readonly #folders = new Set<string>(['/']);
  #crashed = false;

  /** The disk as another process finds it after this one was killed. */
  killed(): MemoryDisk {
    const copy = this.#emptyCopy();
    for (const [path, inode] of this.#names) copy.#put(path, inode.data, inode.synced);
    return copy;
  }

  /** The disk when the power is back. */
  powerCut(leftover: Leftover = 'nothing'): MemoryDisk {
    const copy = this.#emptyCopy();
    for (const [path, inode] of this.#durable) {
      const content = leftBehind(inode, leftover);
      copy.#put(path, content, content);
    }
    return copy;
  }

  bytes(path: string): Buffer {
    return Buffer.from(this.#inode(path).data);
  }

  /** Changes a file as damage would: at once, and durably. */
  damage(path: string, bytes: Buffer): void {
    const inode = this.#inode(path);
    inode.data = Buffer.from(bytes);
    inode.synced = inode.data;
  }

  erase(path: string): void {
    this.#names.delete(path);
    this.#durable.delete(path);
  }

  paths(): string[] {
    return [...this.#names.keys()].toSorted();
  }

  async open(path: string, mode: OpenMode): Promise<OpenFile> {
    this.#alive();
    if (mode === 'create') {
      if (this.#names.has(path)) throw failure('EEXIST', path);
      if (!this.#folders.has(dirname(path))) throw failure('ENOENT', path);
      this.#may('create', path);
      this.#names.set(path, { number: ++inodes, data: Buffer.alloc(0), synced: Buffer.alloc(0) });
    }
    if (mode === 'update') this.#may('open', path);
    return this.#openFile(this.#inode(path), path);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#may('rename', to);
    const inode = this.#inode(from);
    this.#names.delete(from);
    this.#names.set(to, inode);
  }

  async unlink(path: string): Promise<void> {
    this.#inode(path);
    this.#may('unlink', path);
    this.#names.delete(path);
  }

  async link(from: string, to: string): Promise<void> {
    this.#may('link', to);
    const inode = this.#inode(from);
    if (this.#names.has(to)) throw failure('EEXIST', to);
    this.#names.set(to, inode);
  }

  async makeFolder(path: string): Promise<void> {
    this.#may('makeFolder', path);
    if (!this.#folders.has(dirname(path))) throw failure('ENOENT', path);
    if (this.#folders.has(path)) throw failure('EEXIST', path);
    this.#folders.add(path);
  }

  async list(folder: string): Promise<readonly string[]> {
    this.#alive();
    if (!this.#folders.has(folder)) throw failure('ENOENT', folder);
    const names = [...this.#names.keys(), ...this.#folders].filter((path) => path !== '/' && dirname(path) === folder);
    return names.map((path) => path.slice(folder.length).replace(/^\//, ''));
  }

  async facts(path: string): Promise<FileFacts | undefined> {
    this.#alive();
    if (this.#folders.has(path)) return { kind: 'folder', bytes: 0, stamp: '', changedAt: 0 };
    const inode = this.#names.get(path);
    if (inode === undefined) return undefined;
    return { kind: 'file', bytes: inode.data.length, stamp: String(inode.number), changedAt: 0 };
  }

  async syncFolder(path: string): Promise<void> {
    this.#may('syncFolder', path);
    if (this.lies) return;
    for (const name of this.#durable.keys())
      if (dirname(name) === path && !this.#names.has(name)) this.#durable.delete(name);
    for (const [name, inode] of this.#names) if (dirname(name) === path) this.#durable.set(name, inode);
  }

  async freeBytes(): Promise<number> {
    return this.capacity - this.#used();
  }

  watch(): () => void {
    return () => undefined;
  }

  #openFile(inode: Inode, path: string): OpenFile {
    return {
      read: async (target, position) => {
        this.#alive();
        return inode.data.copy(target, 0, position, position + target.length);
      },
      write: async (bytes, position) => this.#write(inode, path, bytes, position),
      datasync: async () => {
        this.#may('datasync', path);
        if (!this.lies) inode.synced = inode.data;
      },
      truncate: async (bytes) => {
        this.#may('truncate', path);
        inode.data = resized(inode.data, bytes);
      },
      size: async () => inode.data.length,
      close: async () => undefined,
    };
  }

  #write(inode: Inode, path: string, bytes: Buffer, position: number): number {
    const short = this.#may('write', path) === 'short' || this.#crashed;
    const room = this.capacity - this.#used() + Math.max(0, inode.data.length - position);
    if (room <= 0) throw failure('ENOSPC', path);
    const count = Math.min(short ? Math.floor(bytes.length / 2) : bytes.length, room);
    inode.data = writable(inode, position, position + count);
    bytes.copy(inode.data, position, 0, count);
    if (this.#crashed) throw new Crash(path);
    return count;
  }

  /** Throws the planted fault, if any; a crash lets half of a write through and nothing afterwards. */
  #may(name: OperationName, path: string): Fault | undefined {
    this.#alive();
    const fault = this.fault?.({ name, path, serial: ++this.serial });
    if (fault === undefined || fault === 'short') return fault;
    if (fault !== 'crash') throw failure(fault, path);
    this.#crashed = true;
    if (name !== 'write') throw new Crash(path);
    return undefined;
  }

  #alive(): void {
    if (this.#crashed) throw new Crash('the process is gone');
  }

  #used(): number {
    let sum = 0;
    for (const inode of this.#names.values()) sum += inode.data.length;
    return sum;
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined) throw failure('ENOENT', path);
    return inode;
  }

  #emptyCopy(): MemoryDisk {
    const copy = new MemoryDisk();
    for (const folder of this.#folders) copy.#folders.add(folder);
    return copy;
  }

  #put(path: string, data: Buffer, synced: Buffer): void {
    const inode = { number: ++inodes, data: Buffer.from(data), synced: Buffer.from(synced) };
    this.#names.set(path, inode);
    this.#durable.set(path, inode);
  }
}

export function failure(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: planted, '${path}'`), { code });
}

/** The file's bytes, long enough, at a place where a write cannot change what was synced before. */
function writable({ data, synced }: Inode, from: number, end: number): Buffer {
  const length = Math.max(data.length, end);
  if (from < synced.length || from !== data.length) return resized(data, length);
  const room = data.buffer.byteLength - data.byteOffset;
  if (length <= room && OWN.has(data.buffer)) return Buffer.from(data.buffer, data.byteOffset, length);
  const grown = Buffer.from(new ArrayBuffer(Math.max(4_096, length * 2)));
  OWN.add(grown.buffer);
  data.copy(grown);
  return grown.subarray(0, length);
}

/** Memory of one file alone, so that what follows its end is free. */
const OWN = new WeakSet<ArrayBufferLike>();

function resized(data: Buffer, length: number): Buffer {
  const copy = Buffer.alloc(length);
  data.copy(copy);
  return copy;
}

function leftBehind({ data, synced }: Inode, leftover: Leftover): Buffer {
  if (leftover === 'nothing' || data.length <= synced.length) return synced;
  if (leftover === 'all') return data;
  const half = synced.length + Math.floor((data.length - synced.length) / 2);
  if (leftover === 'half') return data.subarray(0, half);
  return Buffer.concat([data.subarray(0, half), Buffer.alloc(data.length - half)]);
}
