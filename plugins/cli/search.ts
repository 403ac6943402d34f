import type { SearchOptions } from '../../lib/index.ts';
import { readLog } from './open-log.ts';
import { counted } from './render/figures.ts';
import { hitLines } from './render/hits.ts';
import { lookOf, paint } from './render/text.ts';
import { say } from './say.ts';
import { parseSelecting, type SelectingOptions } from './selecting.ts';

export interface SearchCommandOptions extends SelectingOptions {
  readonly in?: string;
}

/** Prints each hit as it is found. Answers the exit code. */
export async function searchLog(
  folder: string,
  words: readonly string[],
  options: SearchCommandOptions,
): Promise<number> {
  const text = words.map(asPhrase).join(' ');
  const asked: SearchOptions = {
    ...parseSelecting(options),
    ...(options.in !== undefined && { in: options.in.split(',').map((path) => path.trim()) }),
  };
  return readLog(folder, async (bus) => {
    const look = lookOf(process.stdout);
    let found = 0;
    for await (const hit of bus.search(text, asked)) {
      found++;
      if (options.json === true) say(JSON.stringify(hit));
      else hitLines(look, hit).forEach(say);
    }
    if (options.json === true) return 0;
    const more = found === asked.limit ? ' (--limit shows more)' : '';
    say(found === 0 ? 'nothing found' : paint(look, 'dim', `${counted(found, 'event')} found${more}`));
    return 0;
  });
}

/** What the shell was told to keep together stays together. */
function asPhrase(word: string): string {
  return /\S\s+\S/.test(word) && !word.includes('"') ? `"${word}"` : word;
}
