import { createLink } from './link.ts';
import type { Link, LinkOptions } from './link.ts';
import type { ScoutData } from './scout.ts';
import type { WalkOptions } from './walk.ts';

/** The links to all threads of the team. */
export interface Members {
  readonly scout: Link;
  readonly readers: Link;
  readonly reviewer: Link;
  readonly reporter: Link;
}

export interface MemberOptions extends Omit<WalkOptions, 'after'> {
  /** The folder of the log behind the bus. */
  readonly log: string;
  /** How many reader threads. */
  readonly readers: number;
}

/** Files a reader may have at once. */
export const CREDITS = 8;
const MANY = 1_000;

export function startMembers(options: MemberOptions, settled: ScoutData['settled']): Members {
  const { root, skipNames, skipPaths, log } = options;
  const readers = Array.from({ length: options.readers }, (_, index) => `reader-${index + 1}`);
  const scoutData: ScoutData = { root, skipNames, skipPaths, settled, readers };
  return {
    scout: createLink(alone('scout', scoutData)),
    readers: createLink({ script: threadOf('reader'), names: readers, credits: CREDITS }),
    reviewer: createLink(alone('reviewer')),
    reporter: createLink(alone('reporter', { log })),
  };
}

function alone(name: string, data: object = {}): LinkOptions {
  return { script: threadOf(name), names: [name], credits: MANY, data };
}

function threadOf(name: string): URL {
  return new URL(import.meta.url.endsWith('.ts') ? `./${name}.ts` : `./${name}.js`, import.meta.url);
}
