import type { Between } from '../../lib/plugin.ts';
import type { Appender } from './appender.ts';
import type { Log } from './log.ts';
import { dropManifest } from './manifest.ts';
import type { Segment } from './segment.ts';
import { discard, moveIntoPlace, syncFolderOf } from './segment-writer.ts';

/** What changes a sealed segment. */
export interface Changer {
  readonly log: Log;
  readonly appender: Appender;
}

/**
 * Puts a segment that was written beside the log in the place of the one before it. While both forms of a segment are
 * there, the compressed one counts: it is put there when it is complete.
 */
export async function swapSegment(
  { log, appender }: Changer,
  before: Segment,
  after: Segment,
  between: Between = (step) => step(),
): Promise<void> {
  const { fs, folder } = log.context;
  try {
    // Most of the waiting is done here, where it holds up no commit.
    await appender.settled();
    await between(() =>
      appender.alone(async () => {
        // The manifest knows this segment as it was: without it, the next opening asks the segments themselves.
        await dropManifest(fs, folder);
        await moveIntoPlace(fs, after.path);
        log.replace(before, after);
        await syncFolderOf(fs, after.path);
      }),
    );
  } catch (error) {
    await discard(fs, after.path).catch(() => undefined);
    throw error;
  }
  if (before.path !== after.path) await removeBefore(appender, log, before.path);
}

/** What is left over is cleared away by the next opening. */
async function removeBefore(appender: Appender, log: Log, path: string): Promise<void> {
  try {
    await log.context.fs.unlink(path);
  } catch (error) {
    appender.notice(`${path} was replaced and could not be deleted: ${String(error)}`);
  }
}
