import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileTarget } from 'telltale';
import type { Actor } from 'telltale';
import type { TeamBus, TeamEvents } from './events.ts';
import { REPORTED, tell, toReport } from './report.ts';
import type { Entries, Entry } from './report.ts';

/** Asked with `report.wanted`, answers with the report. */
export type Reporter = Actor<number, TeamEvents> & {
  /** What the log says of each file by now. */
  readonly entries: () => Promise<Entries>;
};

const AGAIN_MS = 500;

/**
 * Keeps the report and is asked for it. A durable consumer brings the report up to date in a file in which its place in
 * the log stands too: whenever the process ends, the next one goes on exactly there. An actor answers for it. Where
 * the file cannot be written, it is tried again until that is possible, or `signal` is aborted.
 */
export function startReporter(bus: TeamBus, folder: string, signal: AbortSignal): Reporter {
  const kept = fileTarget<readonly (readonly [string, Entry])[]>(join(folder, 'report.json'), []);
  const consumer = bus.consume(
    'report',
    '**',
    (events, { tx }) => void (tx.state = [...events.reduce(tell, new Map(tx.state))]),
    { where: { type: { $in: REPORTED } }, batch: { max: 1_000 }, checkpointIn: kept },
  );
  const entries = async (): Promise<Entries> => {
    while (!(await caughtUp())) {
      await delay(AGAIN_MS);
      consumer.resume();
    }
    return new Map(await kept.read());
  };
  const caughtUp = async (): Promise<boolean> => {
    try {
      await consumer.caughtUp();
      return true;
    } catch (error) {
      if (consumer.status !== 'paused' || signal.aborted) throw error;
      return false;
    }
  };
  // Its state: how much it has heard since it last said something.
  const actor = bus.actor<number>('reporter', {
    initial: 0,
    on: 'file.*',
    async receive(news, { type }, { emit, answer }) {
      if (type !== 'report.wanted') return news + 1;
      const report = toReport(await entries());
      const { read, lines, todos, failed, flagged } = report;
      if (news > 0) emit('report.updated', { read, lines, todos, failed, flagged }, { source: 'reporter' });
      answer(report);
      return 0;
    },
  });
  return { ...actor, entries };
}
