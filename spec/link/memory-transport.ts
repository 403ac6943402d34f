import type { Transport, TransportPort } from '../../lib/plugin.ts';

/** Looks at a frame before it arrives; answers what arrives in its place. */
export type Tamper = (frame: string) => readonly unknown[];

/** One end of a channel in memory. */
export class MemoryEnd implements Transport {
  other!: MemoryEnd;
  /** Posted to this end, and not delivered yet. */
  readonly arriving: unknown[] = [];
  /** Frames this end has posted. */
  posted = 0;
  tamper: Tamper = (frame) => [frame];
  /** Frames arrive only when `deliver` is called. */
  manual = false;
  #port: TransportPort | undefined;
  #status: 'open' | 'ended' = 'open';

  start(port: TransportPort): void {
    this.#port = port;
  }

  post(frame: string): void {
    if (this.#status === 'ended') return;
    this.posted++;
    for (const data of this.tamper(frame)) this.other.#arrive(data);
  }

  end(): void {
    if (this.#status === 'ended') return;
    this.#status = 'ended';
    setImmediate(() => this.other.lose('the other side has ended the channel'));
  }

  /** Delivers the oldest frame; false where there is none. */
  deliver(): boolean {
    if (this.arriving.length === 0) return false;
    const data = this.arriving.shift();
    if (this.#status === 'open') this.#port?.message(data);
    return true;
  }

  /** The other side is gone, after all it has sent. */
  lose(reason: string): void {
    if (this.#status === 'ended') return;
    while (this.deliver());
    this.#status = 'ended';
    this.#port?.ended(new Error(reason));
  }

  #arrive(data: unknown): void {
    this.arriving.push(data);
    if (!this.manual) setImmediate(() => this.deliver());
  }
}

/** The two ends: the parent's and the worker's. */
export function createChannel(): readonly [MemoryEnd, MemoryEnd] {
  const [parent, worker] = [new MemoryEnd(), new MemoryEnd()];
  parent.other = worker;
  worker.other = parent;
  return [parent, worker];
}
