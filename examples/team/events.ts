import type { FileFacts } from './parse.ts';
import type { Flag, Report } from './report.ts';

/** A file the scout has found. `stamp` is its size and time of change: the same stamp means the same content. */
export interface FoundFile {
  readonly root: string;
  readonly path: string;
  readonly stamp: string;
}

/** Everything the team says on the bus. */
export interface TeamEvents {
  'scan.started': { readonly root: string; readonly readers: readonly string[] };
  'scan.finished': { readonly found: number; readonly read: number; readonly failed: number };
  'scan.interrupted': { readonly found: number; readonly read: number; readonly failed: number };
  'file.found': FoundFile;
  'file.read': { readonly path: string; readonly stamp: string; readonly bytes: number };
  'file.parsed': { readonly path: string; readonly facts: FileFacts };
  'file.flagged': Flag;
  'file.failed': { readonly path: string; readonly stamp: string; readonly reason: string; readonly code: string };
  'folder.failed': { readonly path: string; readonly reason: string };
  'report.updated': Pick<Report, 'read' | 'lines' | 'todos'> & { readonly failed: number; readonly flagged: number };
}
