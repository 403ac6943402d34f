import { readLog } from './open-log.ts';
import { statsLines } from './render/stats.ts';
import { lookOf } from './render/text.ts';
import { say } from './say.ts';
import { parseCount } from './selecting.ts';

export interface StatsCommandOptions {
  readonly top?: string;
  readonly json?: boolean;
}

const TOP = '12';

/** Answers the exit code. */
export async function logStats(place: string, options: StatsCommandOptions): Promise<number> {
  const top = parseCount(options.top ?? TOP, '--top');
  return readLog(place, async (bus, { name }) => {
    const stats = await bus.stats({ top });
    if (options.json === true) say(JSON.stringify({ folder: name, ...stats }, undefined, 2));
    else statsLines(lookOf(process.stdout), name, stats).forEach(say);
    return 0;
  });
}
