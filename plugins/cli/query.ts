import { systemClock, type Explanation, type QueryOptions, type StoredEvent } from '../../lib/index.ts';
import { readLog } from './open-log.ts';
import { Problem } from './problem.ts';
import { eventTable } from './render/events.ts';
import { counted, integer, milliseconds } from './render/figures.ts';
import { cut, lookOf, paint } from './render/text.ts';
import { say } from './say.ts';
import { parseSelecting, type SelectingOptions } from './selecting.ts';

export interface QueryCommandOptions extends SelectingOptions {
  readonly by?: string;
  readonly explain?: boolean;
}

const SHOWN = 10_000;

/** Answers the exit code. */
export async function queryLog(folder: string, options: QueryCommandOptions): Promise<number> {
  const asked = parseQuery(options);
  return readLog(folder, async (bus) => {
    if (options.json === true) {
      if (options.explain === true) say(JSON.stringify(await bus.query(asked).explain()));
      else for await (const event of bus.query(asked)) say(JSON.stringify(event));
      return 0;
    }
    const look = lookOf(process.stdout);
    const began = systemClock.monotonic();
    const events: StoredEvent[] = [];
    for await (const event of bus.query({ ...asked, limit: asked.limit ?? SHOWN })) events.push(event);
    const tookMs = systemClock.monotonic() - began;
    if (events.length > 0) eventTable(look, events).forEach(say);
    const more = events.length === (asked.limit ?? SHOWN) ? ` (--limit shows more, --json all of each)` : '';
    say(paint(look, 'dim', `${counted(events.length, 'event')} in ${milliseconds(tookMs)}${more}`));
    if (options.explain === true)
      explanationLines(await bus.query(asked).explain()).forEach((line) => say(cut(line, look.width)));
    return 0;
  });
}

function parseQuery(options: QueryCommandOptions): QueryOptions {
  const { by = 'position' } = options;
  if (by !== 'position' && by !== 'time') throw new Problem(`--by is position or time, not ${JSON.stringify(by)}`);
  return { ...parseSelecting(options), order: by };
}

function explanationLines({ index, scanned, matched, suggestion }: Explanation): readonly string[] {
  const how = index === undefined ? 'no index' : `the index on ${index}`;
  return [
    `${how}: ${integer(scanned)} looked at, ${integer(matched)} on the first page`,
    ...(suggestion === undefined ? [] : [`this would help: jsonFile(folder, { index: ['${suggestion}'] })`]),
  ];
}
