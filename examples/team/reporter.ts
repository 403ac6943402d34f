import { workerData } from 'node:worker_threads';
import { createBus, jsonFile } from 'telltale';
import type { TelltaleEvent } from 'telltale';
import { teamEvents } from './events.ts';
import { serveLink } from './link-worker.ts';
import { recall } from './recall.ts';

const EVERY = 500;
const { log } = workerData as { log: string };
const bus = await createBus({ source: 'reporter', events: teamEvents });

// Runs in its own thread and keeps the running report. Begins with what the log knows: the files of earlier runs, or,
// where a reporter died and this one took its place, those of this run.
const { fold, ...known } = await recallLog();
let scan: TelltaleEvent | undefined = known.scan;
let files = 0;
let heard = false;

serveLink(bus, {
  'scan.started': (event) => void (scan = event),
  'file.read': hear,
  'file.flagged': hear,
  'file.failed': hear,
  'folder.failed': hear,
  'file.parsed': (event) => {
    hear(event);
    if (++files % EVERY === 0) sayTotals();
  },
  'report.wanted': () => {
    if (heard) sayTotals();
    bus.emit('report.made', fold.toReport());
  },
});

function hear(event: TelltaleEvent): void {
  fold.apply(event);
  heard = true;
}

/** Belongs to the scan's correlation, not to that of the file that happened to be read last. */
function sayTotals(): void {
  if (!scan) return;
  const { correlationId, id: causationId } = scan;
  bus.emit('report.updated', fold.toTotals(), { correlationId, causationId });
}

async function recallLog() {
  const store = jsonFile(log, { readOnly: true });
  await store.open();
  try {
    return await recall(store.read());
  } finally {
    await store.close();
  }
}
