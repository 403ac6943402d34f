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
export async function logStats(folder: string, options: StatsCommandOptions): Promise<number> {
  const top = parseCount(options.top ?? TOP, '--top');
  return readLog(folder, async (bus) => {
    const stats = await bus.stats({ top });
    if (options.json === true) say(JSON.stringify({ folder, ...stats }, undefined, 2));
    else statsLines(lookOf(process.stdout), folder, stats).forEach(say);
    return 0;
  });
}
