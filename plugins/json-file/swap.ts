import type { Between } from '../../lib/plugin.ts';
import type { Appender } from './appender.ts';
import type { FileSystem } from './file-system.ts';
import { removeIfThere } from './io.ts';
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
 * Puts a segment that was written beside the log in the place of the one before it, or of several that follow one
 * another. While both forms of a segment are there, the compressed one counts; while those are there that were joined,
 * the one that has their records: it is put there when it is complete, and they are deleted when it is sure to stay.
 */
export async function swapSegments(
  { log, appender }: Changer,
  before: readonly Segment[],
  after: Segment,
  between: Between = (step) => step(),
): Promise<void> {
  const { fs, folder } = log.context;
  try {
    // Most of the waiting is done here, where it holds up no commit.
    await appender.settled();
    await between(() =>
      appender.alone(async () => {
        // The manifest knows these segments as they were: without it, the next opening asks the segments themselves.
        await dropManifest(fs, folder);
        await moveIntoPlace(fs, after.path);
        log.replace(before, after);
        await syncFolderOf(fs, after.path);
      }),
    );
  } catch (error) {
    // Why it failed says more, and opening the log clears away what stays.
    await discard(fs, after.path).catch(() => undefined);
    throw error;
  }
  const [first, ...joined] = before;
  for (const segment of joined) await notingLeftOver(appender, segment.path, () => eraseSegment(fs, segment));
  if (first!.path !== after.path) await notingLeftOver(appender, first!.path, () => fs.unlink(first!.path));
}

/** Deletes a segment whose records are in another one; its index first, which nobody would look for afterwards. */
export async function eraseSegment(fs: FileSystem, segment: Segment): Promise<void> {
  await segment.eraseIndex();
  await removeIfThere(fs, segment.path);
}

/** What is left over is cleared away by the next opening. */
async function notingLeftOver(appender: Appender, path: string, erase: () => Promise<unknown>): Promise<void> {
  try {
    await erase();
  } catch (error) {
    appender.notice(`${path} was replaced and could not be deleted: ${String(error)}`);
  }
}
