#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { Command, CommanderError } from 'commander';
import type { CopyCommandOptions } from './copy.ts';
import type { DemoOptions } from './demo.ts';
import type { DoctorOptions } from './doctor.ts';
import type { LettersOptions } from './letters.ts';
import { commandLine, packageRoot } from './invocation.ts';
import { Problem } from './problem.ts';
import { selecting } from './selecting.ts';
import type { VerifyCommandOptions } from './verify.ts';

const USAGE = 2;
// Errors a user can put right; everything else keeps its stack.
const WRONG_INPUT = /^(?:STORE_(?:PATH|LOCKED|VERSION|CORRUPT|OCCUPIED|ACCESS)|INVALID_.*)$/;

const program = new Command('telltale')
  .description('An event bus that remembers: run the demo team, take in a recorded log, look at a log.')
  .version((JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string }).version)
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'telltale: ')) })
  .showHelpAfterError('(telltale --help shows the commands)');

program
  .command('demo')
  .description(
    'a team of worker threads reads a folder; or a recorded log (.ndjson, or - for standard input) is taken in',
  )
  .argument('[folder]', "folder to read, or a recorded log; default: the package's own sources")
  .option('--log <folder>', 'where the log is kept; default: .telltale/<name> in the current directory')
  .option('--readers <n>', 'how many reader threads; default: one a core, 2 to 4')
  .option('--chaos', 'kill readers while they read, again and again, and check that nothing is lost or counted twice')
  .option('--seed <n>', 'with --chaos: what decides whom it hits; default: any')
  .action(async (target: string | undefined, options: DemoOptions) => {
    const { demo } = await import('./demo.ts');
    process.exitCode = await demo(target, options);
  });

program
  .command('import')
  .description('take a recorded log (one JSON event a line) into a log folder, ids and times kept')
  .argument('<file>', 'the recorded log, or - for standard input')
  .option('--log <folder>', 'where the log is kept; default: .telltale/<name> in the current directory')
  .action(async (file: string, options: { log?: string }) => {
    const { importLog } = await import('./import.ts');
    process.exitCode = await importLog(file, options);
  });

copying('copy', 'copy a log into another store, also while it is being written; goes on where it was stopped')
  .argument('<from>', 'the log folder, or the url of a store')
  .argument('<to>', 'a new folder, or the url of an empty store')
  .action(async (from: string, to: string, options: CopyCommandOptions) => {
    const { copyLog } = await import('./copy.ts');
    process.exitCode = await copyLog(from, to, options);
  });

copying('backup', 'copy a log into a folder, or into one SQLite file; the same backup again is brought up to date')
  .argument('<store>', 'the log folder, or the url of a store')
  .argument('<file-or-folder>', 'a folder, or a file that ends in .db or .sqlite')
  .action(async (from: string, to: string, options: CopyCommandOptions) => {
    const { backupLog } = await import('./copy.ts');
    process.exitCode = await backupLog(from, to, options);
  });

copying('restore', 'copy a backup into an empty store')
  .argument('<backup>', 'the folder or the file of the backup')
  .argument('<store>', 'a new folder, or the url of an empty store')
  .action(async (from: string, to: string, options: CopyCommandOptions) => {
    const { restoreLog } = await import('./copy.ts');
    process.exitCode = await restoreLog(from, to, options);
  });

program
  .command('show')
  .description('look at a log, also while it is being written')
  .argument('<folder>', 'the log folder, or the url of a store')
  .argument('[id]', 'a correlation, an event, or the beginning of one of these')
  .option('--json', 'print JSON')
  .action(async (folder: string, id: string | undefined, options: { json?: boolean }) => {
    const { show } = await import('./show.ts');
    process.exitCode = await show(folder, id, options);
  });

selecting(
  program
    .command('query')
    .description('list the events of a log that satisfy all conditions')
    .argument('<folder>', 'the log folder, or the url of a store')
    .option('--by <order>', 'position, or time: what orders the events; default: position')
    .option('--explain', 'say what was looked at, and which index would have helped'),
).action(async (folder: string, options: object) => {
  const { queryLog } = await import('./query.ts');
  process.exitCode = await queryLog(folder, options);
});

selecting(
  program
    .command('search')
    .description('find the events in which all words occur, whatever their case')
    .argument('<folder>', 'the log folder, or the url of a store')
    .argument('<text...>', 'words; "words in quotes" belong together')
    .option('--in <paths>', 'where to look, joined by commas; default: type,entity,payload'),
).action(async (folder: string, text: readonly string[], options: object) => {
  const { searchLog } = await import('./search.ts');
  process.exitCode = await searchLog(folder, text, options);
});

program
  .command('stats')
  .description('what a log holds: totals, types, sources, times, bytes')
  .argument('<folder>', 'the log folder, or the url of a store')
  .option('--top <n>', 'how many types and sources; default: 12')
  .option('--json', 'print JSON')
  .action(async (folder: string, options: object) => {
    const { logStats } = await import('./stats.ts');
    process.exitCode = await logStats(folder, options);
  });

program
  .command('letters')
  .description('the dead letters of a log: what failed, why, and what was done about it')
  .argument('<folder>', 'the log folder, or the url of a store')
  .argument('[id]', 'a letter, or the beginning or end of its id: shown whole')
  .option('--state <state>', 'open, closed, abandoned, discarded or all; default: open')
  .option('--reason <reason>', 'handler-failed, mailbox-full, dropped, refused, not-stored or cut')
  .option('--limit <n>', 'at most so many; default: 100')
  .option('--discard', 'settle this letter without delivering it (opens the log for writing)')
  .option('--because <text>', 'with --discard: why')
  .option('--json', 'print JSON, one letter a line')
  .action(async (folder: string, id: string | undefined, options: LettersOptions) => {
    const { letters } = await import('./letters.ts');
    process.exitCode = await letters(folder, id, options);
  });

program
  .command('retain')
  .description('what retention rules would remove from a log and why; removes it only with --yes')
  .argument('<folder>', 'the log folder, or the url of a store')
  .option('--preview', 'only show it')
  .option('--rules <file>', 'a JSON file: an array of rules, or { "rules": [ … ] }')
  .option('--match <pattern>', 'one rule: the types it is about; default: **')
  .option('--keep-for <duration>', 'it keeps events for so long, such as 30d')
  .option('--keep-count <n>', 'it keeps the newest so many')
  .option('--keep-bytes <n>', 'it keeps the newest of so many bytes')
  .option('--yes', 'remove what is shown (opens the log for writing)')
  .option('--json', 'print JSON')
  .action(async (folder: string, options: object) => {
    const { retain } = await import('./retain.ts');
    process.exitCode = await retain(folder, options);
  });

program
  .command('doctor')
  .description('look for damage in a log, without changing it: checksums, torn tails, missing positions, documents')
  .argument('<log>', 'the log folder, an SQLite file, or the url of a store')
  .option(
    '--salvage <folder>',
    'copy all that is intact into a new log folder, and name what is not; the original stays as it is',
  )
  .option('--json', 'print JSON')
  .action(async (log: string, options: DoctorOptions) => {
    const { doctor } = await import('./doctor.ts');
    process.exitCode = await doctor(log, options);
  });

program
  .command('verify')
  .description('prove what a store promises: contract, gap test, kill test, round trips; on fresh stores beside it')
  .argument('<store>', 'the url of a store, or a module that exports createStore({ name })')
  .option('--scratch <name>', 'what the stores of the tests are called; needed where the store holds events')
  .option('--kills <n>', 'how often a writing process is killed; default: 8')
  .option('--events <n>', 'how many events the gap test writes; default: 2000')
  .option('--json', 'print JSON')
  .action(async (store: string, options: VerifyCommandOptions) => {
    const { verify } = await import('./verify.ts');
    process.exitCode = await verify(store, options);
  });

program
  .command('replay')
  .description('print the events of a log again, at their speed; no handler runs')
  .argument('<folder>', 'the log folder, or the url of a store')
  .option('--dry-run', 'only count what would be told, by type, and say how long it would take')
  .option('--pattern <pattern>', "types that match, such as 'tool.*' or '**.failed'")
  .option('--entity <entity>', "such as agent/7, or 'agent/*'")
  .option('--correlation <id>', 'events of one correlation')
  .option('--from <place>', 'a position, a time (2026-01-31T12:00, UTC), or how long ago (2h)')
  .option('--to <place>', 'up to here, inclusive')
  .option('--order <order>', 'position or time; default: position')
  .option('--backward', 'the last first')
  .option('--speed <speed>', 'max, original, or so many times as fast (10x); default: max')
  .option('--max-gap <duration>', 'no wait is longer, such as 5s')
  .option('--json', 'print JSON, one event a line')
  .action(async (folder: string, options: object) => {
    const { replayLog } = await import('./replay.ts');
    process.exitCode = await replayLog(folder, options);
  });

// A reader that stops reading (`| head`) is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

/** A command that copies. */
function copying(name: string, description: string): Command {
  return program
    .command(name)
    .description(description)
    .option('--map <file>', 'a module whose default export changes each event; null leaves it out')
    .option('--forget', 'keep nothing of removed and left-out events, for an anonymised copy')
    .option('--no-documents', 'leave out checkpoints, snapshots and other documents')
    .option('--json', 'print the result as JSON');
}

function report(error: unknown): number {
  // Commander has already said it.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
  const { message, code, stack } = error as Error & { code?: string };
  if (error instanceof Problem || (code !== undefined && WRONG_INPUT.test(code))) {
    process.stderr.write(`telltale: ${message}\n${hintOf(error)}`);
    return USAGE;
  }
  process.stderr.write(`telltale: ${code === undefined ? (stack ?? message) : `${message} (${code})`}\n`);
  return 1;
}

/** What to type now, where the error itself cannot know that it came from a command. */
function hintOf(error: unknown): string {
  const { code, details = {} } = error as { code?: string; details?: Readonly<Record<string, unknown>> };
  const isOlder = Number(details['version']) < Number(details['known']);
  if (code === 'STORE_VERSION' && !isOlder) return '(written by a newer telltale: npm i telltale@latest)\n';
  if (code === 'STORE_CORRUPT')
    return '(telltale doctor <log> shows the damage, --salvage <folder> copies what is intact)\n';
  if (code !== 'STORE_LOCKED' || typeof details['path'] !== 'string') return '';
  const folder = relative(process.cwd(), dirname(details['path'])) || '.';
  return `(meanwhile to look at it: ${commandLine('show', folder)})\n`;
}
