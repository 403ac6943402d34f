import { defineEvents, transient } from 'telltale';
import type { Bus, PayloadsOf } from 'telltale';
import { z } from 'zod';

const count = z.int().min(0);
const path = z.string().min(1);
// Size and time of change: the same stamp means the same content.
const stamp = z.string();
const longest = z.object({ name: z.string(), at: count, lines: count });
const facts = z.object({
  language: z.string(),
  lines: count,
  imports: count,
  exports: count,
  todos: count,
  /** The longest function; absent where there is none or the language is not understood. */
  longest: longest.exactOptional(),
});
const flag = z.object({
  path,
  rule: z.string(),
  value: z.number(),
  limit: z.number(),
  where: z.string().exactOptional(),
});
const failure = z.object({ path, reason: z.string() });
const outcome = z.object({ found: count, read: count, failed: count });
const totals = z.object({ read: count, lines: count, todos: count, failed: count, flagged: count });
const report = totals.extend({
  bytes: count,
  imports: count,
  exports: count,
  languages: z.array(z.object({ name: z.string(), files: count, lines: count })).readonly(),
  longestFunctions: z.array(longest.extend({ path })).readonly(),
  /** The worst first, at most 100. */
  flags: z.array(flag).readonly(),
  /** By path, at most 100. */
  failures: z.array(failure).readonly(),
  /** Of all that is known of each file: two reports with one digest agree in everything. */
  digest: z.string(),
});

/** Everything the team says on the bus. What only asks for work, or answers that, is written nowhere. */
export const teamEvents = defineEvents({
  'scan.started': z.object({ root: z.string(), readers: z.array(z.string()).readonly() }),
  'scan.finished': outcome,
  'scan.interrupted': outcome,
  /** To the scout: go on behind `after` until so many files are announced. */
  'files.wanted': transient(z.object({ count, after: path.exactOptional(), started: z.boolean() })),
  /** From the scout: how many files it looked at and knew already, how far it came, whether that was all. */
  'files.listed': transient(z.object({ looked: count, known: count, after: path.exactOptional(), done: z.boolean() })),
  'file.found': z.object({ root: z.string(), path, stamp }),
  'file.read': z.object({ path, stamp, bytes: count }),
  'file.parsed': z.object({ path, facts }),
  'file.flagged': flag,
  'file.failed': z.object({ path, stamp, reason: z.string(), code: z.string() }),
  'folder.failed': failure,
  /** To the reporter. */
  'report.wanted': transient(z.object({})),
  /** From the reporter: the whole report. */
  'report.made': transient(report),
  'report.updated': totals,
});

export type TeamEvents = PayloadsOf<typeof teamEvents>;
export type TeamBus = Bus<TeamEvents>;
export type FileFacts = z.infer<typeof facts>;
export type Flag = z.infer<typeof flag>;
export type Failure = z.infer<typeof failure>;
/** What the team has found out. Plain data in a fixed order, whatever order the events came in. */
export type Report = z.infer<typeof report>;
export type Totals = z.infer<typeof totals>;
