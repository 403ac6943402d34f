import { join } from 'node:path';
import { Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { root } from './root.ts';

const main = join(root, 'dist/plugins/cli/main.js');

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

let turn: Promise<unknown> = Promise.resolve();
const runs = { started: 0 };

/**
 * Runs a command line with the program that is shipped, in this process, because starting another costs more than most
 * commands. One at a time, as the process has one folder, environment and output. For commands that end by themselves
 * and read no input; others, and logs that are open in this process, need a process of their own.
 */
export function commandLine(
  words: readonly string[],
  cwd: string,
  env: Readonly<Record<string, string>> = { NO_COLOR: '1' },
): Promise<Ended> {
  const run = turn.then(() => runAlone(words, cwd, env));
  turn = run.catch(() => undefined);
  return run;
}

async function runAlone(words: readonly string[], cwd: string, env: Readonly<Record<string, string>>): Promise<Ended> {
  const { argv, exitCode } = process;
  const before = { cwd: process.cwd(), env: process.env, out: descriptorOf('stdout'), err: descriptorOf('stderr') };
  const [out, err] = [new Captured(), new Captured()];
  const state = { argv: [process.execPath, main, ...words], env: envWith(env), exitCode: undefined };
  Object.assign(process, state);
  process.chdir(cwd);
  Object.defineProperty(process, 'stdout', { value: out, configurable: true });
  Object.defineProperty(process, 'stderr', { value: err, configurable: true });
  try {
    // Each time another module, so that it runs again; what it imports stays loaded.
    await import(`${pathToFileURL(main).href}?run=${++runs.started}`);
    return { code: Number(process.exitCode ?? 0), out: out.text, err: err.text };
  } finally {
    Object.defineProperty(process, 'stdout', before.out);
    Object.defineProperty(process, 'stderr', before.err);
    process.chdir(before.cwd);
    process.env = before.env;
    process.exitCode = exitCode;
    process.argv = argv;
  }
}

function envWith(env: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const { NO_COLOR: _, FORCE_COLOR: __, npm_command: ___, ...rest } = process.env;
  return { ...rest, ...env };
}

function descriptorOf(name: 'stdout' | 'stderr'): PropertyDescriptor {
  return Object.getOwnPropertyDescriptor(process, name)!;
}

class Captured extends Writable {
  text = '';

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}
