import type { StoredEvent } from 'telltale';
import type { TeamEvents } from './events.ts';
import { ReportFold } from './report.ts';
import { review } from './review.ts';

/** What the log knows, read once from its beginning. None of the files is opened for it. */
export interface Recall {
  readonly fold: ReportFold;
  /** How many events were read. */
  readonly events: number;
  /** The folder this log is about; undefined while it is empty. */
  readonly root?: string;
  /** The newest `scan.started`. */
  readonly scan?: StoredEvent;
  /** Path → stamp of every file that was read or failed. */
  readonly settled: ReadonlyMap<string, string>;
  /** Parsed, over a limit and not flagged: the earlier run ended in between. */
  readonly unreviewed: readonly StoredEvent[];
  /** Event ids worth showing: the correlations of the newest flagged (or parsed) and the newest failed file. */
  readonly story?: string;
  readonly storyPath?: string;
  readonly failure?: string;
}

export async function recall(log: AsyncIterable<StoredEvent>): Promise<Recall> {
  const fold = new ReportFold();
  const settled = new Map<string, string>();
  const unreviewed = new Map<string, StoredEvent>();
  let events = 0;
  let root: string | undefined;
  let scan: StoredEvent | undefined;
  let flagged: { id: string; path: string } | undefined;
  let parsed: { id: string; path: string } | undefined;
  let failure: string | undefined;
  for await (const event of log) {
    events++;
    fold.apply(event);
    const payload = event.payload as { root?: string; path: string; stamp?: string };
    if (event.type === 'scan.started') {
      root ??= payload.root;
      scan = event;
    }
    if (event.type === 'file.read' || event.type === 'file.failed') settled.set(payload.path, payload.stamp ?? '');
    if (event.type === 'file.failed') failure = event.correlationId;
    if (event.type === 'file.flagged') {
      flagged = { id: event.correlationId, path: payload.path };
      unreviewed.delete(event.causationId ?? '');
    }
    if (event.type === 'file.parsed') {
      parsed = { id: event.correlationId, path: payload.path };
      if (review(event.payload as TeamEvents['file.parsed']).length > 0) unreviewed.set(event.id, event);
    }
  }
  const story = flagged ?? parsed;
  return {
    fold,
    events,
    settled,
    unreviewed: [...unreviewed.values()],
    ...(root !== undefined && { root }),
    ...(scan && { scan }),
    ...(story && { story: story.id, storyPath: story.path }),
    ...(failure !== undefined && { failure }),
  };
}
