import type { DeadLetter, TelltaleEvent } from 'telltale';
import { connectWorkers } from 'telltale/plugins/worker-threads';
import type { ConnectWorkersOptions, WorkerPool } from 'telltale/plugins/worker-threads';
import { nearestScript } from '../../plugins/cli/nearest.ts';
import type { TeamBus, TeamEvents } from './events.ts';
import type { Report } from './report.ts';
import { startReporter } from './reporter.ts';
import type { Reporter } from './reporter.ts';
import { startReviewer } from './reviewer.ts';
import { scout } from './scout.ts';
import { unlessStuck } from './unless-stuck.ts';
import type { WalkOptions } from './walk.ts';

export interface TeamOptions extends WalkOptions {
  /** The folder of the log behind the bus; the report is kept there too. */
  readonly log: string;
  /** How many reader threads. */
  readonly readers: number;
  /**
   * Abort it to stop early: what is being read is finished, the rest is left for the next run. Where that cannot be
   * finished, because the log takes nothing, the team rejects with the reason.
   */
  readonly signal: AbortSignal;
  /** Other readers than usual. */
  readonly pool?: Partial<ConnectWorkersOptions>;
  /** How often a file is given to readers once more that two of them have died of. @default never */
  readonly patience?: number;
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
  /** Readers that died and were replaced. */
  readonly deaths: number;
}

export interface Team {
  /** Files whose outcome is in the log already. */
  readonly known: number;
  readonly readers: WorkerPool;
  progress(): Progress;
  /** Reads all there is to read. */
  run(): Promise<TeamResult>;
}

/** Files a reader may have at once, and files that are announced for each of those. */
const CREDITS = 8;
const WAITING = 3;
const OUTCOMES = ['file.parsed', 'file.failed'] as const;

/** Puts a team together on a bus whose log may hold earlier runs. It ends with the bus. */
export async function startTeam(bus: TeamBus, options: TeamOptions): Promise<Team> {
  const { log, readers: size, signal, pool, patience = 0 } = options;
  const script = nearestScript('examples/team/reader');
  const readers = connectWorkers(bus, { name: 'reader', script, size, credits: CREDITS, ...pool });
  startReviewer(bus);
  const reporter = startReporter(bus, log, signal);
  const ready = Promise.all([reporter.entries(), readers.ready, bus.settled()]);
  const [known] = await unlessStuck(bus, signal, ready);

  const seen = { found: 0, earlier: 0 };
  const count = { 'file.found': 0, 'file.parsed': 0, 'file.failed': 0, 'file.flagged': 0, deaths: 0 };
  bus.on('file.*', ({ type }) => void count[type]++);
  bus.on('$worker.died', () => void count.deaths++);
  bus.on('$dead-letter.opened', (letter) => fail(bus, letter, patience), { concurrency: size * CREDITS });
  // A listener of its own, so that the bus does not warn on the terminal: the report tells of every failure.
  bus.on('$bus.handler.failed', () => undefined);

  const handled = (): number => count['file.parsed'] + count['file.failed'];
  const waiting = (): number => count['file.found'] - handled();
  const room = async (): Promise<void> => {
    while (waiting() >= size * CREDITS * WAITING) await bus.once('file.*', { where: { type: { $in: OUTCOMES } } });
  };
  const progress = (): Progress => {
    const { found, earlier } = seen;
    return { found, done: earlier + handled(), failed: count['file.failed'], waiting: waiting() };
  };
  const read = async (): Promise<TeamResult> => {
    const scan = await scout(bus, { ...options, known, seen, room });
    // First every file that was announced has been read, and is stored; then it has been reviewed, too.
    await bus.settled();
    await bus.flush();
    await bus.settled();
    const { aborted: interrupted } = signal;
    const report = await bus.withContext(causedBy(scan), async () => {
      const answer = await ask(reporter);
      const outcome = { found: seen.found, read: answer.read, failed: answer.failed };
      if (scan) bus.emit(interrupted ? 'scan.interrupted' : 'scan.finished', outcome);
      return answer;
    });
    await bus.flush();
    const { earlier } = seen;
    return { report, progress: progress(), earlier, handled: handled(), interrupted, deaths: count.deaths };
  };
  return { known: known.size, readers, progress, run: () => unlessStuck(bus, signal, read()) };
}

// To bring a long log up to date takes its time.
function ask(reporter: Reporter): Promise<Report> {
  return reporter.ask('report.wanted', {}, { timeout: '10m' });
}

/** A file that no reader could read has a dead letter; here that becomes what is known of the file. */
async function fail(bus: TeamBus, { payload }: TelltaleEvent, patience: number): Promise<void> {
  const { id, eventId, eventType, error } = payload as DeadLetter;
  if (eventType !== 'file.found') return;
  let { code = 'UNKNOWN', message: reason } = error;
  for (let left = patience; left > 0 && code === 'WORKER_FAILED'; left--) {
    const { closed, failures } = await bus.deadLetters.retry(id);
    if (closed > 0) return;
    ({ code = 'UNKNOWN', message: reason } = failures[0]?.error ?? error);
  }
  const found = await bus.get(eventId);
  if (!found || found.removed) return;
  const { path, stamp } = found.payload as TeamEvents['file.found'];
  bus.emit('file.failed', { path, stamp, reason, code }, { id: `${eventId}/failed`, entity: found.entity! });
}

function causedBy(event: TelltaleEvent | undefined) {
  return event ? { correlationId: event.correlationId, causationId: event.id } : {};
}
