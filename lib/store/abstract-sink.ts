// oxlint-disable eslint/no-underscore-dangle -- the underscore marks what a sink brings and nobody else may call
import { systemClock } from '../clock.ts';
import type { Clock } from '../clock.ts';
import { expected } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import { Serial } from '../serial.ts';
import type { Sink, StoreEnvironment } from './port.ts';
import { StoreStatus } from './store-status.ts';

/**
 * What sinks share: lifecycle, order and error wrapping.
 *
 * Order: one `_write` at a time, in the order of the calls; positions rise within a write. A consumer sends again what
 * it is not sure of, and everything after a rewind: a sink goes by the events' ids.
 * Failure: what `_write` throws reaches the caller as `STORE_UNAVAILABLE` (a `TelltaleError` as it is); the events
 * count as not written and may be sent again.
 * Closing: refuses new writes, lets those that were called finish, then calls `_close`.
 */
export abstract class AbstractSink implements Sink {
  abstract readonly name: string;
  readonly #state = new StoreStatus(() => this.name, 'sink');
  #clock: Clock = systemClock;
  readonly #writes = new Serial();
  #opening: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  protected abstract _open(): Promise<void>;
  /** Takes events in position order; resolves when they are as safe as the sink promises. */
  protected abstract _write(events: readonly StoredEvent[]): Promise<void>;
  protected abstract _close(): Promise<void>;

  protected get clock(): Clock {
    return this.#clock;
  }

  open(environment: Partial<StoreEnvironment> = {}): Promise<void> {
    if (this.#state.is('closed')) {
      this.#state.become('opening');
      this.#clock = environment.clock ?? systemClock;
      this.#opening = this.#open();
    }
    return this.#opening!;
  }

  async write(events: readonly StoredEvent[]): Promise<void> {
    this.#state.mustWrite();
    checkOrder(events);
    if (events.length === 0) return;
    return this.#writes.run(() => this.#state.call(() => this._write(events)));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close().finally(() => (this.#closing = undefined));
    return this.#closing;
  }

  async #open(): Promise<void> {
    try {
      await this.#state.call(() => this._open());
      this.#state.become('open');
    } catch (error) {
      this.#state.become('closed');
      throw error;
    }
  }

  async #close(): Promise<void> {
    // The caller of `open` is told.
    await this.#opening?.catch(() => undefined);
    if (this.#state.is('closed')) return;
    this.#state.become('closing');
    await this.#writes.idle();
    try {
      await this.#state.call(() => this._close());
    } finally {
      this.#state.become('closed');
    }
  }
}

function checkOrder(events: readonly StoredEvent[]): void {
  let last = 0;
  for (const { position } of events) {
    if (!(position > last)) throw expected('INVALID_OPTION', '`events`', `in position order behind ${last}`, position);
    last = position;
  }
}
