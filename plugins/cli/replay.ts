import { once } from 'node:events';
import { isTelltaleError, type Bus, type ReplayOptions, type StoredEvent } from '../../lib/index.ts';
import type { Duration } from '../../lib/plugin.ts';
import { listenForInterrupt } from './interrupt.ts';
import { readLog } from './open-log.ts';
import { Problem } from './problem.ts';
import { counted, milliseconds } from './render/figures.ts';
import { eventLine, previewLines } from './render/replay.ts';
import { lookOf, paint } from './render/text.ts';
import { say } from './say.ts';
import { parsePlace } from './selecting.ts';

export interface ReplayCommandOptions {
  readonly dryRun?: boolean;
  readonly pattern?: string;
  readonly entity?: string;
  readonly correlation?: string;
  readonly from?: string;
  readonly to?: string;
  readonly order?: string;
  readonly backward?: boolean;
  readonly speed?: string;
  readonly maxGap?: string;
  readonly json?: boolean;
}

/** Shows what a replay would tell, or prints it at its speed: no handler runs here. Answers the exit code. */
export async function replayLog(place: string, options: ReplayCommandOptions): Promise<number> {
  const asked = parse(options);
  try {
    return await readLog(place, (bus, { name }) =>
      options.dryRun === true ? showPreview(bus, name, asked, options) : printEvents(bus, asked, options),
    );
  } catch (error) {
    // The user can name another window.
    if (isTelltaleError(error, 'EVENTS_REMOVED')) throw new Problem(error.message);
    throw error;
  }
}

async function showPreview(bus: Bus, folder: string, asked: ReplayOptions, { json }: ReplayCommandOptions) {
  const preview = await bus.replay({ ...asked, into: undefined, dryRun: true } as ReplayOptions<never> & {
    dryRun: true;
  }).finished;
  if (json === true) say(JSON.stringify({ folder, ...preview }, undefined, 2));
  else previewLines(lookOf(process.stdout), folder, preview, asked.speed ?? 'max').forEach(say);
  return 0;
}

async function printEvents(bus: Bus, asked: ReplayOptions, { json }: ReplayCommandOptions): Promise<number> {
  const look = lookOf(process.stdout);
  // Not before something is printed: what is refused is refused with nothing around it.
  let banner =
    json === true ? undefined : 'printed only: no handler runs (--dry-run counts and tells how long it takes)';
  const begin = (): void => {
    if (banner !== undefined) say(paint(look, 'dim', banner));
    banner = undefined;
  };
  const interrupt = listenForInterrupt(() => undefined);
  const into = (event: StoredEvent): unknown => {
    begin();
    const line = json === true ? JSON.stringify(event) : eventLine(look, event);
    return process.stdout.write(`${line}\n`) ? undefined : once(process.stdout, 'drain');
  };
  try {
    const { delivered, tookMs } = await bus.replay({ ...asked, into, signal: interrupt.signal }).finished;
    begin();
    if (json !== true) say(paint(look, 'dim', `${counted(delivered, 'event')} in ${milliseconds(tookMs)}`));
    return interrupt.signal.aborted ? 130 : 0;
  } finally {
    interrupt.dispose();
  }
}

function parse(options: ReplayCommandOptions): ReplayOptions {
  const { pattern, entity, correlation, from, to, order = 'position', backward, speed = 'max', maxGap } = options;
  if (order !== 'position' && order !== 'time')
    throw new Problem(`--order is position or time, not ${JSON.stringify(order)}`);
  return {
    ...(pattern !== undefined && { pattern }),
    ...(entity !== undefined && { entity }),
    ...(correlation !== undefined && { correlationId: correlation }),
    ...(from !== undefined && { from: parsePlace(from, '--from') }),
    ...(to !== undefined && { to: parsePlace(to, '--to') }),
    ...(maxGap !== undefined && { maxGap: maxGap as Duration }),
    order,
    direction: backward === true ? 'backward' : 'forward',
    speed: parseSpeed(speed),
  };
}

function parseSpeed(text: string): 'max' | 'original' | number {
  if (text === 'max' || text === 'original') return text;
  const factor = /^\d+(?:\.\d+)?x?$/.test(text) ? Number.parseFloat(text) : 0;
  if (factor > 0 && Number.isFinite(factor)) return factor;
  throw new Problem(`--speed is max, original or a factor above 0 such as 10x, not ${JSON.stringify(text)}`);
}
