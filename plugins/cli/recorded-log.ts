import type { Line } from './lines.ts';
import { Problem } from './problem.ts';

const LOOKED_AT = 20;

/**
 * The lines again, once it is clear that this is a recorded log at all: one of the first twenty must be a JSON object
 * with a `type`. Throws a `Problem` otherwise, before anything is written.
 */
export async function recordedLog(name: string, lines: AsyncGenerator<Line>): Promise<AsyncIterable<Line>> {
  const first: Line[] = [];
  let found = false;
  while (!found && first.length < LOOKED_AT) {
    const next = await readNext(name, lines);
    if (next.done === true) break;
    first.push(next.value);
    found = isEvent(next.value);
  }
  if (first.length === 0) throw new Problem(`${name} holds no events: it is empty`);
  if (first[0]!.text.trimStart().startsWith('['))
    throw new Problem(`${name} is not a recorded log: it begins with "[", but one JSON object a line is expected`);
  if (!found) {
    const lead = first.length === 1 ? 'its only line is not' : `none of its first ${first.length} lines is`;
    throw new Problem(`${name} is not a recorded log: ${lead} a JSON object with a \`type\``);
  }
  return replay(first, lines);
}

async function* replay(first: readonly Line[], rest: AsyncIterable<Line>): AsyncGenerator<Line> {
  yield* first;
  yield* rest;
}

async function readNext(name: string, lines: AsyncGenerator<Line>) {
  try {
    return await lines.next();
  } catch (error) {
    throw new Problem(`${name} cannot be read: ${(error as Error).message}`);
  }
}

function isEvent({ text, damage }: Line): boolean {
  if (damage !== undefined) return false;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && typeof (value as { type?: unknown }).type === 'string';
  } catch {
    return false;
  }
}
