import type { Bus, Letter, LetterQuery } from '../../lib/index.ts';
import { commandLine } from './invocation.ts';
import { readLog, withLog } from './open-log.ts';
import { Problem } from './problem.ts';
import { counted } from './render/figures.ts';
import { letterLines, letterTable } from './render/letters.ts';
import { lookOf, paint } from './render/text.ts';
import { say } from './say.ts';

export interface LettersOptions {
  readonly state?: string;
  readonly reason?: string;
  readonly limit?: string;
  readonly discard?: boolean;
  readonly because?: string;
  readonly json?: boolean;
}

const PAGE = 1_000;
const SHOWN = 100;
const SHORTEST_PART = 4;

/** Looks at the dead letters of a log, or discards one. Answers the exit code. */
export async function letters(place: string, id: string | undefined, options: LettersOptions): Promise<number> {
  if (options.discard === true) return discard(place, id, options.because);
  if (options.because !== undefined) throw new Problem('--because goes with --discard');
  return readLog(place, (bus, { name }) =>
    id === undefined ? showAll(bus, name, options) : showOne(bus, name, id, options),
  );
}

async function showAll(bus: Bus, folder: string, { state, reason, limit, json }: LettersOptions): Promise<number> {
  const query = { ...(state !== undefined && { state }), ...(reason !== undefined && { reason }) } as LetterQuery;
  const most = limit === undefined ? SHOWN : Number(limit);
  if (!Number.isInteger(most) || most < 1)
    throw new Problem(`--limit is an integer from 1, not ${JSON.stringify(limit)}`);
  if (json === true) {
    for await (const letter of each(bus, query, limit === undefined ? Infinity : most)) say(JSON.stringify(letter));
    return 0;
  }
  const look = lookOf(process.stdout);
  const found: Letter[] = [];
  for await (const letter of each(bus, query, most + 1)) found.push(letter);
  const shown = found.slice(0, most);
  if (shown.length > 0) letterTable(look, shown).forEach(say);
  const what = state === undefined ? 'open dead letter' : state === 'all' ? 'dead letter' : `${state} dead letter`;
  const more = found.length > most ? ', and more (--limit shows them)' : '';
  say(paint(look, 'dim', `${counted(shown.length, what)}${more}`));
  if (shown.length > 0) say(paint(look, 'dim', `one of them whole: ${commandLine('letters', folder, shown[0]!.id)}`));
  return 0;
}

async function showOne(bus: Bus, folder: string, id: string, { json }: LettersOptions): Promise<number> {
  const letter = await mustFind(bus, folder, id);
  const event = letter.position === undefined ? undefined : await bus.get(letter.eventId);
  const lines = json === true ? [JSON.stringify(letter, undefined, 2)] : undefined;
  const look = lookOf(process.stdout);
  const command = commandLine('letters', folder, letter.id, '--discard');
  (lines ?? letterLines(look, letter, event !== undefined && 'payload' in event ? event : undefined, command)).forEach(
    say,
  );
  return 0;
}

async function discard(place: string, id: string | undefined, because: string | undefined): Promise<number> {
  if (id === undefined) throw new Problem('--discard needs the id of the letter');
  return withLog(place, 'writing', async (bus, { name }) => {
    const letter = await mustFind(bus, name, id);
    const { discarded } = await bus.deadLetters.discard(letter.id, because === undefined ? {} : { reason: because });
    if (discarded === 0) throw new Problem(`dead letter ${letter.id} is ${letter.state} already`);
    say(`discarded ${letter.id} (${letter.eventType})`);
    return 0;
  });
}

async function* each(bus: Bus, query: LetterQuery, most: number): AsyncGenerator<Letter> {
  let left = most;
  let before: string | undefined;
  while (left > 0) {
    const limit = Math.min(PAGE, left);
    const page = await bus.deadLetters.list({ ...query, limit, ...(before !== undefined && { before }) });
    yield* page;
    if (page.length < limit) return;
    left -= page.length;
    before = page.at(-1)!.id;
  }
}

/** By its id, or by a beginning or an end of it that fits only one. */
async function mustFind(bus: Bus, folder: string, id: string): Promise<Letter> {
  const whole = await bus.deadLetters.get(id);
  if (whole) return whole;
  const similar: Letter[] = [];
  const part = id.replace(/^…|…$/g, '');
  if (part.length >= SHORTEST_PART)
    for await (const letter of each(bus, { state: 'all' }, Infinity))
      if (letter.id.startsWith(part) || letter.id.endsWith(part)) similar.push(letter);
  if (similar.length === 1) return similar[0]!;
  const ids = similar.slice(0, 3).map((letter) => letter.id);
  const hint = ids.length === 0 ? `${commandLine('letters', folder)} lists them` : `did you mean ${ids.join(' or ')}?`;
  throw new Problem(`no dead letter in ${folder} has the id ${id}; ${hint}`);
}
