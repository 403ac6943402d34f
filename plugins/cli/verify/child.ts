import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { nearestScript } from '../nearest.ts';

/** An append that a child had an answer for. */
export interface Acknowledged {
  readonly batch: string;
  readonly size: number;
  readonly position: number;
}

export interface Ended {
  readonly acks: readonly Acknowledged[];
  readonly isKilled: boolean;
  /** What it failed of, in a line; empty when it did not. */
  readonly problem: string;
}

/** A process that appends and prints `batch size position` for each answer. */
export interface Child {
  readonly ended: Promise<Ended>;
  kill(): void;
}

const running = new Set<ChildProcess>();
process.on('exit', endChildren);

/** Ends all children; so does the end of this process. */
export function endChildren(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** Starts a script of `plugins/cli/verify`; `answered` hears how many answers it had. */
export function startChild(
  script: 'fence-child' | 'gap-child' | 'kill-child',
  words: readonly string[],
  answered: (answers: number) => void,
): Child {
  const file = fileURLToPath(nearestScript(`plugins/cli/verify/${script}`));
  const child = spawn(process.execPath, [file, ...words], { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  const acks: Acknowledged[] = [];
  let [rest, err, isKilled] = ['', '', false];
  child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    // What stands behind the last line break may have been cut by a kill.
    const lines = (rest + text).split('\n');
    rest = lines.pop()!;
    for (const line of lines) acks.push(...acknowledgedIn(line));
    answered(acks.length);
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      running.delete(child);
      const problem = code === 0 ? '' : (problemIn(err) ?? `it ended with ${signal ?? `exit code ${code}`}`);
      resolve({ acks, isKilled, problem });
    });
  });
  const kill = (): void => {
    isKilled = true;
    child.kill('SIGKILL');
  };
  return { ended, kill };
}

function acknowledgedIn(line: string): readonly Acknowledged[] {
  const found = /^(\S+) (\d+) (\d+)$/.exec(line);
  return found ? [{ batch: found[1]!, size: Number(found[2]), position: Number(found[3]) }] : [];
}

/** The line with the error, not the source that Node prints above it. */
function problemIn(err: string): string | undefined {
  const lines = err.split('\n').filter((line) => line.trim() !== '');
  return lines.find((line) => /^\w*Error\b/.test(line)) ?? lines[0];
}
