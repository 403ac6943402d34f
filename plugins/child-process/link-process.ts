import type { ChildProcess } from 'node:child_process';
import type { Started } from '../../lib/plugin.ts';
import { ChannelTransport } from './transport.ts';

/** How long a process may take to end that has closed its channel. */
const LINGER_MS = 1_000;

/** A child process that was started for a link, and ends with it. */
export function linkOwn(child: ChildProcess, disconnect = (): void => child.disconnect()): Started {
  const reason = async (words: Error | undefined, wasHeard: boolean): Promise<Error> => {
    const error = await reasonOf(child, words);
    // It did not live to say more, and what Node says of a script that does not run stands where this process writes.
    if (words || wasHeard || !child.exitCode) return error;
    return new Error(`${error.message}; see its stderr above`);
  };
  const transport = new ChannelTransport(child, { disconnect, reason });
  // Without a listener it would end this process; a child that could not be started says so here alone.
  child.on('error', (error) => transport.lose(error));
  return { transport, kill: () => void child.kill('SIGKILL') };
}

/** Somebody else's child process: only the link ends. */
export function linkOther(child: ChildProcess): Started {
  const transport = new ChannelTransport(child, { reason: (words) => reasonOf(child, words) });
  return { transport, kill: () => transport.lose(new Error('its link was ended')) };
}

async function reasonOf(child: ChildProcess, lastWords: Error | undefined): Promise<Error> {
  await exited(child);
  if (lastWords) return new Error(lastWords.message, { cause: lastWords });
  if (child.signalCode !== null) return new Error(`its process was ended by ${child.signalCode}`);
  if (child.exitCode !== null) return new Error(`its process has ended with code ${child.exitCode}`);
  return new Error('its process has closed the channel');
}

function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      child.off('exit', end);
      resolve();
    };
    const timer = setTimeout(end, LINGER_MS);
    child.on('exit', end);
  });
}
