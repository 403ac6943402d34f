import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TelltaleEvent } from '../lib/index.ts';
import type { Contender } from './measure.ts';
import { PAYLOAD_350 } from './payloads.ts';
import type { LogRival } from './rivals/log-rival.ts';

/** A log in a folder of its own for every round; what counts is what lies on the disk afterwards. */
export function logContender(rival: LogRival, inFlight: number): Contender {
  let folder = '';
  let events: readonly TelltaleEvent[] = [];
  return {
    name: rival.name,
    async before(count) {
      folder = await createFolder();
      events = Array.from({ length: count }, createEvent);
      await rival.open(folder);
    },
    run: () => rival.appendAll(events, inFlight),
    async done() {
      await rival.close();
      return rival.count(folder);
    },
    after: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Set `TELLTALE_BENCH_DIR` to measure another disk. */
export function createFolder(): Promise<string> {
  return mkdtemp(join(process.env['TELLTALE_BENCH_DIR'] ?? tmpdir(), 'telltale-bench-'));
}

export function createEvent(): TelltaleEvent {
  const id = randomUUID();
  return {
    id,
    type: 'tool.finished',
    source: 'benchmark',
    time: Date.now(),
    correlationId: id,
    schemaVersion: 1,
    payload: PAYLOAD_350,
    metadata: {},
  };
}
