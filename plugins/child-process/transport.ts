import type { Serializable } from 'node:child_process';
import type { EventEmitter } from 'node:events';
import { toError, type Transport, type TransportPort } from '../../lib/plugin.ts';

/** One side of the channel between a process and its child: the child's handle, or `process` in the child. */
export interface Channel extends Pick<EventEmitter, 'on' | 'off'> {
  readonly connected: boolean;
  send?(message: Serializable, callback: (error: Error | null) => void): boolean;
}

export interface ChannelTerms {
  /** Ends the channel with the link. Absent where others use it as well. */
  readonly disconnect?: () => void;
  /** Why the other side is gone, asked when the channel has closed; with what it said of it, and whether it ever listened. */
  readonly reason: (lastWords: Error | undefined, wasHeard: boolean) => Error | Promise<Error>;
}

/** Everything that is said, behind the word that tells it from what others say. */
type Part =
  | readonly ['frame', string]
  | readonly ['open']
  | readonly ['open too']
  | readonly ['end']
  | readonly ['died', Readonly<Record<string, unknown>>];

const KEY = 'telltale:link';

/**
 * Frames over the channel of a child process, beside whatever its users say there. Ordering: as posted. Capacity: until the other side listens, and when the channel has
 * enough, what is posted waits here; a link bounds it by its credits. Failure: what can no longer be written is lost;
 * the other side's end is told when all it sent has arrived.
 */
export class ChannelTransport implements Transport {
  readonly #channel: Channel;
  readonly #terms: ChannelTerms;
  #port: TransportPort | undefined;
  #waiting: Part[] = [];
  #status: 'open' | 'ending' | 'ended' = 'open';
  /** The other side listens. */
  #isHeard = false;
  /** Messages handed to the channel and not written yet; no more are as soon as it has enough. */
  #writing = 0;
  #isFull = false;
  #lastWords: Error | undefined;

  constructor(channel: Channel, terms: ChannelTerms) {
    this.#channel = channel;
    this.#terms = terms;
  }

  start(port: TransportPort): void {
    this.#port = port;
    this.#channel.on('message', this.#message);
    this.#channel.on('disconnect', this.#disconnected);
    // In answer to it the other side says that it listens: what came before would reach nobody.
    if (this.#channel.connected) this.#write(['open']);
    else this.#disconnected();
  }

  post(frame: string): void {
    if (this.#status === 'open') this.#post(['frame', frame]);
  }

  end(): void {
    if (this.#status !== 'open') return;
    this.#status = 'ending';
    if (this.#isHeard) this.#post(['end']);
    else this.#close();
  }

  /** The other side is gone, though the channel may not know it. */
  lose(reason: Error): void {
    if (this.#status !== 'open') return;
    this.#close();
    this.#port?.ended(reason);
  }

  /** Tells the other side what this process dies of. Never throws. */
  sayLast(error: unknown): void {
    const { name, message, stack, code } = toError(error) as Error & { readonly code?: unknown };
    this.#send(['died', { name, message, stack, ...(typeof code === 'string' && { code }) }], () => undefined);
  }

  #post(part: Part): void {
    if (this.#isFull || !this.#isHeard) this.#waiting.push(part);
    else this.#write(part);
  }

  #write(part: Part): void {
    this.#writing++;
    this.#isFull = this.#send(part, this.#written) === false;
  }

  #send(part: Part, written: () => void): boolean | undefined {
    return this.#channel.connected ? this.#channel.send?.([KEY, ...part] as Serializable, written) : undefined;
  }

  // With an error where the channel has closed meanwhile, of which `disconnect` tells.
  readonly #written = (): void => {
    if (--this.#writing > 0) return;
    this.#isFull = false;
    this.#writeOn();
    if (this.#status === 'ending' && this.#writing === 0) this.#close();
  };

  #writeOn(): void {
    if (!this.#isHeard) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const part of waiting) this.#post(part);
  }

  readonly #message = (message: unknown): void => {
    if (this.#status !== 'open' || !Array.isArray(message) || message[0] !== KEY) return;
    const part = message.slice(1) as unknown as Part;
    switch (part[0]) {
      case 'frame':
        return this.#port!.message(part[1]);
      case 'open':
      case 'open too':
        return this.#hear(part[0]);
      case 'died':
        this.#lastWords = fromWords(part[1]);
        return;
      case 'end':
        return this.#endedThere();
    }
  };

  #hear(word: 'open' | 'open too'): void {
    this.#isHeard = true;
    if (word === 'open') this.#write(['open too']);
    this.#writeOn();
  }

  // A process that is there for its link alone may still be waited for.
  #endedThere(): void {
    if (!this.#terms.disconnect) this.lose(new Error('the other side has ended the link'));
  }

  readonly #disconnected = (): void => {
    if (this.#status !== 'open') return this.#close();
    this.#stop();
    void Promise.resolve(this.#terms.reason(this.#lastWords, this.#isHeard)).then((reason) => this.lose(reason));
  };

  #close(): void {
    this.#status = 'ended';
    this.#waiting = [];
    this.#stop();
    if (this.#channel.connected) this.#terms.disconnect?.();
  }

  // Without listeners the channel does not keep a child alive.
  #stop(): void {
    this.#channel.off('message', this.#message);
    this.#channel.off('disconnect', this.#disconnected);
  }
}

function fromWords({ message, ...words }: Readonly<Record<string, unknown>>): Error {
  return Object.assign(new Error(String(message)), words);
}
