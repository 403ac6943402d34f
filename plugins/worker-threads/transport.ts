import { receiveMessageOnPort, type MessagePort, type Worker } from 'node:worker_threads';
import { toError, type Transport, type TransportPort } from '../../lib/plugin.ts';

/** What a parent hands a worker, beside whatever its users say to it. */
export interface Handshake {
  readonly 'telltale:link': MessagePort;
}

/** The worker's side: a port of its own, which ends when the parent ends it. */
export function portTransport(port: MessagePort): Transport {
  let told: TransportPort | undefined;
  return {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port between threads has no origin
    post: (frame) => port.postMessage(frame),
    start(to) {
      told = to;
      port.on('message', (data: unknown) => told?.message(data));
      port.on('close', () => told?.ended(new Error('the parent has ended the link')));
    },
    end() {
      told = undefined;
      port.close();
    },
  };
}

/** A worker's thread and the channel to it. */
export interface WorkerLink {
  readonly transport: Transport;
  /** Ends the link as if the thread had ended. */
  lose(reason: Error): void;
}

/** How long a thread may take to end that has closed its end of the channel. */
const LINGER_MS = 50;

/**
 * The parent's side: ends when the thread has ended, after all that it has sent (a thread that dies may have sent a
 * good deal that has not arrived yet). With somebody else's thread it ends with the channel, too, and leaves no
 * listener behind.
 */
export function linkWorker(port: MessagePort, worker: Worker, isOwn: boolean): WorkerLink {
  let told: TransportPort | undefined;
  let cause: unknown;
  const failed = (error: unknown): void => void (cause ??= error);
  const exited = (code: number): void => {
    for (let left = receiveMessageOnPort(port); left; left = receiveMessageOnPort(port)) told?.message(left.message);
    lose(reasonOf(cause, code));
  };
  const lose = (reason: Error): void => {
    const to = told;
    end();
    to?.ended(reason);
  };
  let timer: NodeJS.Timeout | undefined;
  const end = (): void => {
    told = undefined;
    clearTimeout(timer);
    port.close();
    if (!isOwn) worker.off('error', failed).off('exit', exited);
  };
  // Listened to from here on to the end: without a listener an error in the worker would end this process.
  worker.on('error', failed);
  worker.once('exit', exited);
  // An `exit` comes as well where the thread has ended, and knows why.
  const closed = (): void => {
    if (told) timer = setTimeout(() => lose(new Error('it has closed its end')), LINGER_MS).unref();
  };
  const transport: Transport = {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port between threads has no origin
    post: (frame) => port.postMessage(frame),
    start(to) {
      told = to;
      port.on('message', (data: unknown) => told?.message(data));
      if (!isOwn) port.on('close', closed);
    },
    end,
  };
  return { transport, lose };
}

function reasonOf(cause: unknown, code: number): Error {
  if (cause === undefined) return new Error(`its thread has ended with code ${code}`);
  const { message } = toError(cause);
  return new Error(message, { cause });
}
