import { randomUUID } from 'node:crypto';
import type { Clock } from '../clock.ts';
import { isTelltaleError } from '../errors.ts';
import type { TelltaleError } from '../errors.ts';
import { LEASES } from './documents.ts';
import type { Fence, Store, StoredDocument } from './port.ts';

export interface LeaseOptions {
  /** Shown to people who ask who holds it; it need not be unique. */
  readonly owner: string;
  /** A contender takes over when the lease was not renewed for this long, on its own clock. */
  readonly ttlMs: number;
  readonly clock: Clock;
}

export interface LeaseEvents {
  readonly acquired: (fence: Fence) => void;
  /** Taken over by another, or not renewed in time. */
  readonly lost: () => void;
  /** The store did not answer; the next attempt comes all the same. */
  readonly failed: (error: TelltaleError) => void;
}

interface LeaseValue {
  /** `null` when it was given back. */
  readonly owner: string | null;
  readonly token: string;
  readonly epoch: number;
}

/**
 * One contender for a lease: a document renewed by compare-and-set.
 *
 * A contender never compares wall clocks: it takes over when the etag stood still for `ttlMs` on its own monotonic
 * clock. The holder counts from before its last renewal, so that it gives up no later than others may take over. The
 * epoch rises with every change of holder; `fence` goes with whatever only the holder may do, and the store refuses
 * an older one with `LEASE_LOST`.
 */
export class Lease {
  readonly name: string;
  readonly #store: Pick<Store, 'document' | 'putDocument'>;
  readonly #options: LeaseOptions;
  readonly #token = randomUUID();
  #held: { readonly epoch: number; readonly etag: string; readonly until: number } | undefined;
  #seen: { readonly etag: string; readonly since: number } | undefined;

  constructor(store: Pick<Store, 'document' | 'putDocument'>, name: string, options: LeaseOptions) {
    this.#store = store;
    this.name = name;
    this.#options = options;
  }

  /** The proof of holding it; undefined for a contender, and for a holder that could not renew in time. */
  get fence(): Fence | undefined {
    const held = this.#held;
    if (held === undefined || this.#options.clock.monotonic() >= held.until) return undefined;
    return { lease: this.name, epoch: held.epoch };
  }

  /** One step: renews what is held, otherwise looks and takes what is free or stood still. Throws what the store throws. */
  async attempt(): Promise<Fence | undefined> {
    const held = this.#held;
    if (held !== undefined && (await this.#put(held.epoch, held.etag))) return this.fence;
    this.#held = undefined;
    const document = await this.#store.document(LEASES, this.name);
    const value = document?.value as LeaseValue | undefined;
    // A put whose answer was lost: the lease is ours already.
    if (value?.token === this.#token && value.owner !== null) await this.#put(value.epoch, document!.etag);
    else if (this.#isFree(document)) await this.#put((value?.epoch ?? 0) + 1, document?.etag ?? null);
    return this.fence;
  }

  /** Gives it back, so that the next contender need not wait. */
  async release(): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) await this.#write({ owner: null, token: this.#token, epoch: held.epoch }, held.etag);
  }

  /** Contends and renews three times within `ttlMs` until told to stop; the undo gives the lease back. */
  hold(events: LeaseEvents): () => Promise<void> {
    const { clock, ttlMs } = this.#options;
    let holding = false;
    let stopped = false;
    let cancel: (() => void) | undefined;
    let step: Promise<void> = Promise.resolve();
    const attempt = async (): Promise<void> => {
      try {
        await this.attempt();
      } catch (error) {
        if (!isTelltaleError(error)) throw error;
        events.failed(error);
      }
      const { fence } = this;
      if (fence !== undefined && !holding && !stopped) events.acquired(fence);
      if (fence === undefined && holding) events.lost();
      holding = fence !== undefined;
      if (!stopped) cancel = clock.after(ttlMs / 3, next);
    };
    const next = (): void => void (step = attempt());
    next();
    return async () => {
      stopped = true;
      cancel?.();
      await step;
      await this.release();
    };
  }

  #isFree(document: StoredDocument | undefined): boolean {
    if (document === undefined || (document.value as LeaseValue).owner === null) return true;
    const now = this.#options.clock.monotonic();
    if (this.#seen?.etag !== document.etag) this.#seen = { etag: document.etag, since: now };
    return now - this.#seen.since >= this.#options.ttlMs;
  }

  async #put(epoch: number, etag: string | null): Promise<boolean> {
    const { owner, ttlMs, clock } = this.#options;
    const until = clock.monotonic() + ttlMs;
    const renewed = await this.#write({ owner, token: this.#token, epoch }, etag);
    if (renewed !== undefined) this.#held = { epoch, etag: renewed, until };
    return renewed !== undefined;
  }

  /** The new etag; undefined when somebody else was faster. */
  async #write(value: LeaseValue, etag: string | null): Promise<string | undefined> {
    try {
      return await this.#store.putDocument(LEASES, this.name, value, { etag });
    } catch (error) {
      if (isTelltaleError(error, 'DOCUMENT_CONFLICT')) return undefined;
      throw error;
    }
  }
}
