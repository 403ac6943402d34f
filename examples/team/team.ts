import { isDeepStrictEqual } from 'node:util';
import type { Bus, StoredEvent, TelltaleEvent } from 'telltale';
import type { TeamEvents } from './events.ts';
import { createLink } from './link.ts';
import type { Link, Outcome } from './link.ts';
import { recall } from './recall.ts';
import type { Recall } from './recall.ts';
import type { Report, ReportFold } from './report.ts';
import { sayReport, startReporter } from './reporter.ts';
import { reviewLate, startReviewer } from './reviewer.ts';
import { Room } from './room.ts';
import { scout } from './scout.ts';

export interface TeamOptions {
  readonly root: string;
  /** How many reader threads. */
  readonly readers: number;
  readonly skipNames: ReadonlySet<string>;
  readonly skipPaths: ReadonlySet<string>;
  /** Abort it to stop early: what is being read is finished, the rest is left for the next run. */
  readonly signal: AbortSignal;
  /** The readers' code. @default reader.ts beside this file */
  readonly script?: URL;
}

/** How far the team is. Counts files of earlier runs too, as long as the log knows them. */
export interface Progress {
  readonly found: number;
  readonly done: number;
  readonly failed: number;
  /** Announced and not finished. */
  readonly waiting: number;
}

export interface TeamResult {
  readonly report: Report;
  readonly progress: Progress;
  /** Files that had their outcome in the log before this run. */
  readonly earlier: number;
  /** Files of this run. */
  readonly handled: number;
  readonly interrupted: boolean;
  /** Reader threads that died and were replaced. */
  readonly deaths: number;
}

export interface Team {
  readonly progress: () => Progress;
  readonly result: Promise<TeamResult>;
}

const CREDITS = 4;
const SCRIPT = new URL(import.meta.url.endsWith('.ts') ? './reader.ts' : './reader.js', import.meta.url);

/** Puts the team to work on a bus whose log may already hold an earlier run (`known`). */
export function startTeam(bus: Bus, known: Recall, options: TeamOptions): Team {
  const names = Array.from({ length: options.readers }, (_, index) => `reader-${index + 1}`);
  const link = createLink({ script: options.script ?? SCRIPT, names, credits: CREDITS });
  const count = { found: 0, earlier: 0, announced: 0, read: 0, failed: 0 };
  const room = new Room(names.length * CREDITS * 4);
  let scan: TelltaleEvent | undefined;

  startReviewer(bus);
  startReporter(bus, known.fold, () => scan);
  startReading(bus, link, room, options.signal);
  // A listener of its own, so that the bus does not warn on the terminal: the report tells of every failure.
  bus.on('$bus.handler.failed', () => undefined);
  bus.on('file.found', () => void count.announced++);
  bus.on('file.parsed', () => void count.read++);
  bus.on('file.failed', () => void count.failed++);

  const progress = (): Progress => ({
    found: count.found,
    done: count.earlier + count.read + count.failed,
    failed: count.failed,
    waiting: count.announced - count.read - count.failed,
  });

  async function run(): Promise<TeamResult> {
    for (const event of known.unreviewed) reviewLate(bus, event);
    await scout(bus, {
      ...options,
      room,
      isSettled: (path, stamp) => known.settled.get(path) === stamp && ++count.earlier > 0,
      onFirst: () => (scan = bus.emit('scan.started', { root: options.root, readers: names }, { source: 'scout' })),
      onFile: () => void count.found++,
    });
    await room.empty();
    await bus.settled();
    await link.close();
    return finishScan(bus, known.fold, scan, {
      progress: progress(),
      earlier: count.earlier,
      handled: count.read + count.failed,
      interrupted: options.signal.aborted,
      deaths: link.deaths,
    });
  }
  return { progress, result: run() };
}

/** Tells the stored events again to a new, empty report and compares. No file is opened. */
export async function rebuild(
  log: AsyncIterable<StoredEvent>,
  report: Report,
): Promise<Recall & { readonly identical: boolean }> {
  const again = await recall(log);
  return { ...again, identical: isDeepStrictEqual(again.fold.toReport(), report) };
}

/** Every `file.found` goes to one reader; what it found out is stored in one piece, or the failure is. */
function startReading(bus: Bus, link: Link, room: Room, signal: AbortSignal): void {
  const read = async (event: TelltaleEvent): Promise<void> => {
    if (signal.aborted) return;
    const outcome = await link.deliver(event);
    if (outcome.error) failFile(bus, event, outcome);
    await accept(bus, outcome.emitted);
  };
  bus.on('file.found', (event) => read(event).finally(() => room.leave()), {
    key: (event) => event.entity ?? event.id,
    concurrency: link.names.length * CREDITS,
  });
}

function failFile(bus: Bus, event: TelltaleEvent, { worker, error }: Outcome): never {
  const { path, stamp } = event.payload as TeamEvents['file.found'];
  const { message: reason = 'unknown', code = 'UNKNOWN' } = error ?? {};
  const entity = event.entity === undefined ? {} : { entity: event.entity };
  bus.emit('file.failed', { path, stamp, reason, code }, { source: worker, ...entity });
  // The bus turns this into a dead letter; nobody else notices.
  throw Object.assign(new Error(reason), { code });
}

// All or nothing: a file counts as read only together with what was found in it.
async function accept(bus: Bus, emitted: readonly TelltaleEvent[]): Promise<void> {
  const batch = bus.batch();
  for (const { type, payload, ...envelope } of emitted) batch.add(type, payload, envelope);
  await batch.commit();
}

async function finishScan(
  bus: Bus,
  fold: ReportFold,
  scan: TelltaleEvent | undefined,
  result: Omit<TeamResult, 'report'>,
): Promise<TeamResult> {
  sayReport(bus, fold, scan);
  if (scan) {
    const { read, failures } = fold.toReport();
    const type = result.interrupted ? 'scan.interrupted' : 'scan.finished';
    const { correlationId, id: causationId } = scan;
    const counts = { found: result.progress.found, read, failed: failures.length };
    bus.emit(type, counts, { source: 'scout', correlationId, causationId });
  }
  await bus.flush();
  return { ...result, report: fold.toReport() };
}
