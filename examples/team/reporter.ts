import type { Bus, TelltaleEvent } from 'telltale';
import type { ReportFold } from './report.ts';

const EVERY = 500;

/** Keeps the running report up to date, and says how far it is after every 500 files. */
export function startReporter(bus: Bus, fold: ReportFold, scanOf: () => TelltaleEvent | undefined): void {
  let files = 0;
  const keep = (event: TelltaleEvent): void => {
    fold.apply(event);
    if (event.type !== 'file.parsed' || ++files % EVERY !== 0) return;
    sayReport(bus, fold, scanOf());
  };
  bus.on('file.*', keep);
  bus.on('folder.failed', keep);
}

/** Belongs to the scan's correlation, not to that of the file that happened to be read last. */
export function sayReport(bus: Bus, fold: ReportFold, scan: TelltaleEvent | undefined): void {
  if (!scan) return;
  const { read, lines, todos, failures, flags } = fold.toReport();
  const summary = { read, lines, todos, failed: failures.length, flagged: flags.length };
  const { correlationId, id: causationId } = scan;
  bus.emit('report.updated', summary, { source: 'reporter', correlationId, causationId });
}
