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
const outcome = z.object({ found: count, read: count, failed: count });

/** Everything the team says on the bus. */
export const teamEvents = defineEvents({
  'scan.started': z.object({ root: z.string() }),
  'scan.finished': outcome,
  'scan.interrupted': outcome,
  'folder.failed': z.object({ path, reason: z.string() }),
  'file.found': z.object({ root: z.string(), path, stamp }),
  'file.parsed': z.object({ path, stamp, bytes: count, facts }),
  'file.failed': z.object({ path, stamp, reason: z.string(), code: z.string() }),
  'file.flagged': flag,
  /** To the reporter, which answers with the report. A question is written nowhere. */
  'report.wanted': transient(z.object({})),
  'report.updated': z.object({ read: count, lines: count, todos: count, failed: count, flagged: count }),
});

export type TeamEvents = PayloadsOf<typeof teamEvents>;
export type TeamBus = Bus<TeamEvents>;
export type FileFacts = z.infer<typeof facts>;
export type Flag = z.infer<typeof flag>;
