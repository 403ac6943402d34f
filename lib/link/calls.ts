import { errorFromPlain } from '../event/crossing-error.ts';
import type { Plain } from '../event/event.ts';
import type { Message } from './frames.ts';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Questions that wait for the answer of the other side. */
export class Calls {
  readonly #send: (message: Message) => void;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;
  #ended: Error | undefined;

  constructor(send: (message: Message) => void) {
    this.#send = send;
  }

  call(method: string, args: readonly unknown[]): Promise<unknown> {
    if (this.#ended) return Promise.reject(this.#ended);
    return new Promise((resolve, reject) => {
      const id = ++this.#last;
      this.#waiting.set(id, { resolve, reject });
      this.#send(['call', id, method, args]);
    });
  }

  replied(id: number, value: unknown): void {
    this.#take(id)?.resolve(value);
  }

  failed(id: number, error: Plain): void {
    this.#take(id)?.reject(errorFromPlain(error));
  }

  /** Nothing is answered any more. */
  end(error: Error): void {
    this.#ended = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}
