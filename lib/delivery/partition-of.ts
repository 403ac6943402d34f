import { PARTITIONS } from './ledger.ts';

/** The partition of a group that a key belongs to: FNV-1a over its UTF-16 code units, the same in every process and version. */
export function partitionOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at++) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  // The low bits of FNV-1a alone are the weaker ones.
  return ((hash ^ (hash >>> 16)) >>> 0) % PARTITIONS;
}
