import { isDeepStrictEqual } from 'node:util';
import type { StoredEvent, TelltaleEvent } from 'telltale';
import type { TeamBus } from './events.ts';
import { tell, toReport } from './report.ts';
import type { Entries, Report } from './report.ts';

/** What the log says about how the team has worked. */
export interface Audit {
  /** How many events were told again. */
  readonly events: number;
  /** How many files were found. */
  readonly files: number;
  /** Whether the report made anew from the log is the one that was kept. */
  readonly identical: boolean;
  /** Files that were found, and not read, nor refused for what is in them. */
  readonly lost: readonly string[];
  /** Files of which the log says twice what is in them, though they were found once. */
  readonly twice: readonly string[];
}

interface Account {
  readonly path: string;
  outcomes: number;
  code?: string;
}

/** Tells the log again, from its beginning, to a new report, and counts what became of each file. No file is opened. */
export async function audit(bus: TeamBus, report: Report): Promise<Audit> {
  const told = await bus.fold(begin, (state, event) => {
    state.events++;
    tell(state.entries, event);
    count(state.accounts, event);
    return state;
  });
  // Of a file that was found again, the later time counts.
  const latest = new Map([...told.accounts.values()].map((account) => [account.path, account]));
  return {
    events: told.events,
    files: latest.size,
    identical: isDeepStrictEqual(toReport(told.entries), report),
    lost: [...latest.values()].filter(({ outcomes, code }) => outcomes === 0 || code === 'WORKER_FAILED').map(toPath),
    twice: [...told.accounts.values()].filter(({ outcomes }) => outcomes > 1).map(toPath),
  };
}

const begin = (): { events: number; readonly entries: Entries; readonly accounts: Map<string, Account> } => ({
  events: 0,
  entries: new Map(),
  accounts: new Map(),
});

/** By the correlation that begins with `file.found`. */
function count(accounts: Map<string, Account>, { type, correlationId, payload }: TelltaleEvent & StoredEvent): void {
  const { path, code } = payload as { readonly path: string; readonly code?: string };
  if (type === 'file.found') accounts.set(correlationId, { path, outcomes: 0 });
  if (type !== 'file.parsed' && type !== 'file.failed') return;
  const account = accounts.get(correlationId);
  if (account) Object.assign(account, { outcomes: account.outcomes + 1, code });
}

function toPath({ path }: Account): string {
  return path;
}
