import { createReadStream } from 'node:fs';
import { commandLine } from './invocation.ts';
import { readLines } from './lines.ts';
import { HOME, defaultLog, kindOf, mustBePath, prepareLog } from './log-folder.ts';
import { Problem } from './problem.ts';
import { recordedLog } from './recorded-log.ts';

export interface ImportLogOptions {
  readonly log?: string;
}

/** Takes a recorded log into a log folder and says what came of it. Answers the exit code. */
export async function importLog(file: string, options: ImportLogOptions): Promise<number> {
  const name = file === '-' ? 'standard input' : file;
  const lines = await recordedLog(name, readLines(await openInput(file)));
  const folder = options.log ?? (file === '-' ? stdinLog() : defaultLog(file));
  await prepareLog(folder);
  // Wrong input has been told by now, without loading the bus.
  const { runImport } = await import('./import-run.ts');
  return runImport({ name, lines, folder });
}

async function openInput(file: string): Promise<AsyncIterable<Buffer>> {
  if (file === '-') return process.stdin;
  await mustBePath(file, 'a recorded log is a file');
  const kind = await kindOf(file);
  if (kind === 'missing')
    throw new Problem(`${file} does not exist; name a recorded log (.ndjson), or - for standard input`);
  if (kind !== 'file') throw new Problem(`${file} is not a file; to read a folder: ${commandLine('demo', file)}`);
  return createReadStream(file, { highWaterMark: 256 * 1024 });
}

// Standard input has no name to find its log by: every time another one.
function stdinLog(): string {
  return `${HOME}/stdin-${new Date().toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-')}-${process.pid}`;
}
