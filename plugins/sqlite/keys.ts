import { createHash } from 'node:crypto';
import { indexKey, indexKeyReader, indexedPaths, isIndexPath } from '../../lib/plugin.ts';
import type { StoredEvent } from '../../lib/plugin.ts';
import type { Connection } from './connection.ts';
import type { SqlRow } from './driver.ts';
import { asBytes, legible, textIn } from './texts.ts';

/** A longer text is kept as its hash. */
const LONGEST_KEY = 200;

const INSERT = 'INSERT OR IGNORE INTO telltale_keys (path, key, position) VALUES (?, ?, ?)';
const DELETE = 'DELETE FROM telltale_keys WHERE path = ? AND key = ? AND position = ?';

export interface KeyPath {
  readonly number: number;
  readonly path: string;
  /** Events up to here were there before the path was, and those up to `indexedTo` have been added since. */
  readonly indexedFrom: number;
  readonly indexedTo: number;
  readonly read: (event: StoredEvent) => string | undefined;
}

/** The text under which the index has a value; JSON's types apart, nothing for objects, arrays and what is missing. */
export function keyText(value: unknown): string | undefined {
  return toText(indexKey(value));
}

/** The paths that the file has an index of; one that cannot be followed has none, whoever noted it. */
export function readPaths(connection: Connection): readonly KeyPath[] {
  const rows = connection.all(`SELECT number, ${asBytes('path')}, indexed_from, indexed_to FROM telltale_paths`);
  return rows.flatMap((row) => toPath(row) ?? []);
}

/** Paths that are noted in the file and cannot be followed. */
export function unusablePaths(connection: Connection): readonly string[] {
  const rows = connection.all(`SELECT ${asBytes('path')} FROM telltale_paths`);
  return rows.filter((row) => !isIndexPath(textIn(row['path']))).map((row) => legible(row['path']));
}

function toPath(row: SqlRow): KeyPath | undefined {
  const path = textIn(row['path']);
  if (path === undefined || !isIndexPath(path)) return undefined;
  const read = indexKeyReader(path);
  return {
    number: row['number'] as number,
    path,
    indexedFrom: row['indexed_from'] as number,
    indexedTo: row['indexed_to'] as number,
    read: (event) => toText(read(event)),
  };
}

/** The paths as of a version of the list (`LogRow.paths`), read anew where that has changed. */
export class PathList {
  #version = -1;
  #paths: readonly KeyPath[] = [];

  at(connection: Connection, version: number): readonly KeyPath[] {
    if (version === this.#version) return this.#paths;
    this.#paths = readPaths(connection);
    this.#version = version;
    return this.#paths;
  }
}

/** Whether the index has every event. */
export function isReady({ indexedFrom, indexedTo }: KeyPath): boolean {
  return indexedTo >= indexedFrom;
}

/** Whether the index has, or should have, the event at a position. */
export function isIndexed({ indexedFrom, indexedTo }: KeyPath, position: number): boolean {
  return position <= indexedTo || position > indexedFrom;
}

/** Notes the paths that are new; from now on every process fills them. Within the caller's transaction. */
export function addPaths(connection: Connection, wanted: readonly string[], head: number): void {
  const known = new Set(readPaths(connection).map(({ path }) => path));
  const added = indexedPaths(wanted).filter((path) => !known.has(path));
  for (const path of added)
    connection.run('INSERT INTO telltale_paths (path, indexed_to, indexed_from) VALUES (?, 0, ?)', [path, head]);
  if (added.length > 0) connection.run('UPDATE telltale_log SET paths = paths + 1');
}

export function addKeys(connection: Connection, paths: readonly KeyPath[], event: StoredEvent): void {
  for (const { number, read } of paths) {
    const key = read(event);
    if (key !== undefined) connection.run(INSERT, [number, key, event.position]);
  }
}

export function removeKeys(connection: Connection, paths: readonly KeyPath[], event: StoredEvent): void {
  for (const { number, read } of paths) {
    const key = read(event);
    if (key !== undefined) connection.run(DELETE, [number, key, event.position]);
  }
}

// SQLite ends a text at NUL in places, and that is what keeps types apart elsewhere; no string of an event has one.
function toText(key: string | undefined): string | undefined {
  if (key === undefined) return undefined;
  if (key.startsWith('\0')) return `=${key.slice(1)}`;
  if (key.length <= LONGEST_KEY) return `'${key}`;
  return `#${createHash('sha256').update(key).digest('base64url')}`;
}
