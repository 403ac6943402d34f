import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import type { TelltaleEvent } from 'telltale';
import type { TeamBus } from './events.ts';
import type { Entries } from './report.ts';
import { walk } from './walk.ts';
import type { WalkOptions } from './walk.ts';

export interface ScoutOptions extends WalkOptions {
  /** Files whose outcome is in the log. */
  readonly known: Entries;
  /** How many files it has seen, and how many of them were known already. */
  readonly seen: { found: number; earlier: number };
  /** Resolves when one more file may be announced. */
  readonly room: () => Promise<void>;
  readonly signal: AbortSignal;
}

/** Known files are passed over so many at a time, then others have their turn. */
const STEP = 200;

/**
 * Walks the folder and announces every file that has no outcome yet, each the beginning of its own correlation. Answers
 * with what it said first, if there was anything to say.
 */
export async function scout(bus: TeamBus, options: ScoutOptions): Promise<TelltaleEvent | undefined> {
  const { root, known, seen, room, signal } = options;
  const source = 'scout';
  let started: TelltaleEvent | undefined;
  for (const step of walk(options)) {
    if (signal.aborted) break;
    const before = known.get(step.path);
    if ('reason' in step) {
      if (before?.failure !== step.reason) bus.emit('folder.failed', step, { source });
      continue;
    }
    seen.found++;
    if (before?.stamp === step.stamp) {
      if (++seen.earlier % STEP === 0) await setImmediate();
      continue;
    }
    await room();
    if (signal.aborted) break;
    started ??= bus.emit('scan.started', { root }, { source });
    bus.emit('file.found', { root, ...step }, { entity: entityOf(step.path), source });
  }
  return started;
}

/** An entity holds at most 512 bytes; a longer path is named by its end and a hash. */
function entityOf(path: string): string {
  if (Buffer.byteLength(path) <= 400) return `file/${path}`;
  return `file/${createHash('sha256').update(path).digest('hex').slice(0, 16)}/${Buffer.from(path.slice(-80)).toString()}`;
}
