import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createBus, memory, type Bus, type BusOptions, type TelltaleEvent } from '../../lib/index.ts';
import { connectProcesses, type ConnectProcessesOptions, type WorkerPool } from '../../plugins/child-process/index.ts';
import { quickFolder } from '../support/quick-folder.ts';

export const SCRIPT = new URL('child.js', import.meta.url);

export interface Started {
  readonly bus: Bus;
  readonly pool: WorkerPool;
  readonly events: readonly TelltaleEvent[];
  readonly ofType: (type: string) => readonly TelltaleEvent[];
  /** Resolves when an event satisfies it, or one has. */
  readonly until: (condition: (events: readonly TelltaleEvent[]) => boolean) => Promise<void>;
  /** What the children have noted so far. */
  readonly noted: () => readonly number[];
}

export interface Terms extends Partial<ConnectProcessesOptions> {
  readonly role?: string;
  readonly options?: BusOptions;
  /** Keeps every event. @default true */
  readonly listens?: boolean;
}

const undo: (() => unknown)[] = [];

/** A bus with a store and a pool of children, everything of which is gone after `endAll`. */
export async function startPool({
  role = 'worker',
  options = {},
  listens = true,
  ...terms
}: Terms = {}): Promise<Started> {
  const folder = mkdtempSync(join(quickFolder(), 'telltale-child-'));
  const ledger = join(folder, 'ledger');
  const bus = await createBus({ store: memory(), closeTimeout: '20s', ...options });
  undo.push(
    () => bus.close(),
    () => rmSync(folder, { recursive: true }),
  );
  const events: TelltaleEvent[] = [];
  const waiting = new Set<() => void>();
  for (const pattern of listens ? ['**', '$worker.**', '$bus.handler.failed'] : [])
    bus.on(pattern, (event) => {
      events.push(event);
      for (const look of waiting) look();
    });
  const pool = connectProcesses(bus, { script: SCRIPT, args: [role, ledger], ...terms });
  const until = (condition: (all: readonly TelltaleEvent[]) => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!condition(events)) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  return {
    bus,
    pool,
    events,
    until,
    ofType: (type) => events.filter((event) => event.type === type),
    noted: () => readLedger(ledger),
  };
}

export async function endAll(): Promise<void> {
  for (const step of undo.splice(0)) await step();
}

function readLedger(path: string): readonly number[] {
  try {
    return readFileSync(path, 'utf8').trim().split('\n').map(Number);
  } catch {
    return [];
  }
}

/** One that has ended and is waited for by nobody is not alive. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    // Where there is no such file, the signal has told all there is to know.
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && process.platform !== 'linux';
  }
}
