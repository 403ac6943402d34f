import { isDeepStrictEqual } from 'node:util';
import type { StoredEvent, TelltaleEvent } from 'telltale';
import type { Report, TeamBus, TeamEvents } from './events.ts';
import { accept, answerOf, ask, handOver, toError } from './hand-over.ts';
import type { Link } from './link.ts';
import { CREDITS, startMembers } from './members.ts';
import type { MemberOptions, Members } from './members.ts';
import { recall } from './recall.ts';
import type { Recall } from './recall.ts';
import { Room } from './room.ts';

export interface TeamOptions extends MemberOptions {
  /** Abort it to stop early: what is being read is finished, the rest is left for the next run. */
  readonly signal: AbortSignal;
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
  /** Threads that died and were replaced. */
  readonly deaths: number;
  /** Until the threads were there. */
  readonly startMs: number;
}

export interface Team {
  readonly progress: () => Progress;
  readonly result: Promise<TeamResult>;
  /** Ends all threads at once; what they had not finished is left for the next run. */
  readonly stop: () => Promise<void>;
}

/** Announced and unfinished files, for each that can be with a reader. */
const WAITING = 4;
const MANY = 1_000;

/** Puts the team to work, each member in a thread of its own, on a bus whose log may hold earlier runs (`known`). */
export function startTeam(bus: TeamBus, known: Recall, options: TeamOptions): Team {
  const run = new TeamRun(bus, known, options);
  return { progress: () => run.progress(), result: run.start(), stop: () => run.stop() };
}

/** Tells the stored events again to a new, empty report and compares. No file is opened. */
export async function rebuild(
  log: AsyncIterable<StoredEvent>,
  report: Report,
): Promise<Recall & { readonly identical: boolean }> {
  const again = await recall(log);
  return { ...again, identical: isDeepStrictEqual(again.fold.toReport(), report) };
}

/** One run: which event goes to which member, and how many files are under way at once. */
class TeamRun {
  readonly #bus: TeamBus;
  readonly #known: Recall;
  readonly #signal: AbortSignal;
  readonly #members: Members;
  readonly #room: Room;
  readonly #count = { found: 0, earlier: 0, announced: 0, read: 0, failed: 0 };
  #scan: TelltaleEvent | undefined;
  #startMs = 0;

  constructor(bus: TeamBus, known: Recall, options: TeamOptions) {
    this.#bus = bus;
    this.#known = known;
    this.#signal = options.signal;
    this.#members = startMembers(options, known.settled);
    const atReaders = options.readers * CREDITS;
    this.#room = new Room(atReaders * WAITING);
    this.#connect(atReaders);
    this.#listen();
  }

  progress(): Progress {
    const { found, earlier, announced, read, failed } = this.#count;
    return { found, done: earlier + read + failed, failed, waiting: announced - read - failed };
  }

  async start(): Promise<TeamResult> {
    try {
      return await this.#run();
    } finally {
      await Promise.all(this.#links().map((link) => link.close()));
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#links().map((link) => link.stop()));
  }

  async #run(): Promise<TeamResult> {
    const bus = this.#bus;
    const { reviewer, reporter } = this.#members;
    // Once the reporter answers, it has recalled the log and will not fall behind.
    const began = performance.now();
    await ask(reporter, bus.emit('report.wanted', {}));
    this.#startMs = performance.now() - began;
    // Parsed just before an earlier run ended, too late to be reviewed.
    await Promise.all(this.#known.unreviewed.map((event) => handOver(bus, reviewer, event)));
    await this.#announceFiles();
    // Every file announced has been read by then, and reviewed, and reported.
    await bus.settled();
    const said = await ask(reporter, bus.emit('report.wanted', {}));
    await accept(bus, said);
    const report = answerOf(said, 'report.made');
    this.#sayEnd(report);
    await bus.flush();
    return this.#result(report);
  }

  #connect(atReaders: number): void {
    const bus = this.#bus;
    const { reviewer, reporter } = this.#members;
    const lanes = { key: (event: TelltaleEvent) => event.entity ?? event.id, concurrency: atReaders };
    bus.on('file.found', (event) => this.#read(event).finally(() => this.#room.leave()), lanes);
    bus.on('file.parsed', (event) => handOver(bus, reviewer, event), lanes);
    for (const type of ['scan.started', 'file.read', 'file.parsed', 'file.flagged', 'file.failed', 'folder.failed'])
      bus.on(type, (event) => handOver(bus, reporter, event), { concurrency: MANY });
  }

  #listen(): void {
    const bus = this.#bus;
    // A listener of its own, so that the bus does not warn on the terminal: the report tells of every failure.
    bus.on('$bus.handler.failed', () => undefined);
    bus.on('scan.started', (event) => void (this.#scan = event));
    bus.on('file.found', () => void this.#count.announced++);
    bus.on('file.parsed', () => void this.#count.read++);
    bus.on('file.failed', () => void this.#count.failed++);
  }

  /** Asks the scout for as many files as there is room for, until it has seen all. */
  async #announceFiles(): Promise<void> {
    const bus = this.#bus;
    let after: { after?: string } = {};
    for (let count = await this.#room.free(this.#signal); count > 0; count = await this.#room.free(this.#signal)) {
      const wanted = bus.emit('files.wanted', { count, started: this.#scan !== undefined, ...after });
      const said = await ask(this.#members.scout, wanted);
      this.#room.enter(said.filter(({ type }) => type === 'file.found').length);
      await accept(bus, said);
      const listed = answerOf(said, 'files.listed');
      this.#count.found += listed.looked;
      this.#count.earlier += listed.known;
      if (listed.done) return;
      after = listed.after === undefined ? {} : { after: listed.after };
    }
  }

  /** Every `file.found` goes to one reader; what it found out is stored in one piece, or the failure is. */
  async #read(event: TelltaleEvent<'file.found', TeamEvents['file.found']>): Promise<void> {
    if (this.#signal.aborted) return;
    const { worker, error, emitted } = await this.#members.readers.deliver(event);
    if (!error) return accept(this.#bus, emitted);
    const { path, stamp } = event.payload;
    const entity = event.entity === undefined ? {} : { entity: event.entity };
    const { message: reason, code = 'UNKNOWN' } = error;
    this.#bus.emit('file.failed', { path, stamp, reason, code }, { source: worker, ...entity });
    // The bus turns this into a dead letter; nobody else notices.
    throw toError(error);
  }

  #sayEnd({ read, failed }: Report): void {
    if (!this.#scan) return;
    const { correlationId, id: causationId } = this.#scan;
    const type = this.#signal.aborted ? 'scan.interrupted' : 'scan.finished';
    this.#bus.emit(type, { found: this.#count.found, read, failed }, { correlationId, causationId });
  }

  #links(): readonly Link[] {
    const { scout, readers, reviewer, reporter } = this.#members;
    return [scout, readers, reviewer, reporter];
  }

  #result(report: Report): TeamResult {
    const { earlier, read, failed } = this.#count;
    const deaths = this.#links().reduce((sum, link) => sum + link.deaths, 0);
    const interrupted = this.#signal.aborted;
    const startMs = this.#startMs;
    return { report, progress: this.progress(), earlier, handled: read + failed, interrupted, deaths, startMs };
  }
}
