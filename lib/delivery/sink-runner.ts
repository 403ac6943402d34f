import type { Clock } from '../clock.ts';
import { endsWithin } from '../ends-within.ts';
import { isTelltaleError, TelltaleError } from '../errors.ts';
import { describeError } from '../event/describe-error.ts';
import type { StoredEvent } from '../event/event.ts';
import { retryDelayMs } from '../retry.ts';
import { follow } from '../store/follow.ts';
import type { Sink, Store } from '../store/port.ts';
import { CHECKPOINTS, SINK_PREFIX } from '../store/read/resolve-place.ts';
import { resolveStart } from '../store/read/resolve-start.ts';
import { retryRead, type RetryReadOptions } from '../store/read/retry-read.ts';
import type { SinkFigures } from '../store/sink-figures.ts';
import type { ParsedSink } from './sink-options.ts';

export interface SinkPort {
  readonly store: Store;
  readonly clock: Clock;
  readonly sink: Sink;
  /** Once for each outage; it is tried again as long as `figures.status` is `failing`. */
  failed(error: unknown): void;
  /** Positions that were removed before the sink got them. */
  missed(positions: number): void;
  readonly unavailable: RetryReadOptions['unavailable'];
  /** It has failed to close, when the bus tells nothing any more. */
  unclosed(error: unknown): void;
}

/** A checkpoint is written at most this often; after a crash the sink gets so much once more. */
const SAVE_MS = 1_000;
/** A write that takes longer is told. */
const PATIENCE_MS = 30_000;
const REOPEN = ['STORE_FAILED', 'STORE_CLOSED'] as const;

/**
 * Brings the log to one sink: pulls it from the checkpoint on, writes, and moves the checkpoint when the write has
 * resolved. Order: position order, one write at a time. Delivery: at least once; a sink goes by the events' ids.
 * Capacity: a page of the log, whatever the sink does; nobody waits for it. Failure: tried again as its policy says,
 * opening too. Closing: `end` catches up if it can within the time allowed; what is left waits in the log.
 */
export class SinkRunner {
  readonly #port: SinkPort;
  readonly #terms: ParsedSink;
  readonly #key: string;
  readonly #ending = new AbortController();
  readonly #ended: Promise<void>;
  #status: SinkFigures['status'] = 'opening';
  #position = 0;
  #isPlaced = false;
  #head = 0;
  #saved: number | undefined;
  #oldestAt: number | undefined;
  #written = 0;
  #failures = 0;
  #lastError: unknown;
  #closing = false;
  #cutPause: (() => void) | undefined;
  #cancelSave: (() => void) | undefined;
  #moved: (() => void) | undefined;

  constructor(port: SinkPort, terms: ParsedSink) {
    this.#port = port;
    this.#terms = terms;
    this.#key = SINK_PREFIX + terms.name;
    const leave = port.store.onCommit((events) => {
      this.#head = events.at(-1)?.position ?? this.#head;
      this.#oldestAt ??= events[0]?.storedAt;
    });
    this.#ended = this.#run().finally(leave);
  }

  figures(refused = 0): SinkFigures {
    const events = Math.max(0, this.#head - this.#position);
    const ms = events === 0 || this.#oldestAt === undefined ? 0 : Math.max(0, this.#port.clock.now() - this.#oldestAt);
    const lastError = this.#lastError === undefined ? undefined : describeError(this.#lastError);
    return {
      name: this.#terms.name,
      status: this.#status,
      position: this.#position,
      lag: { events, ms },
      written: this.#written,
      refused,
      failures: this.#failures,
      ...(lastError && {
        lastError: { ...(lastError.code !== undefined && { code: lastError.code }), message: lastError.message },
      }),
    };
  }

  /** Catches up with what is stored, at most so long; a sink that is failing gets one more attempt. Never rejects. */
  async end(timeoutMs: number): Promise<void> {
    this.#closing = true;
    this.#cutPause?.();
    await this.#within(timeoutMs / 2, Promise.race([this.#caughtUp(), this.#ended]));
    this.#ending.abort();
    await this.#within(timeoutMs / 4, this.#ended);
    this.#cancelSave?.();
    await this.#within(timeoutMs / 8, this.#save());
    await this.#within(timeoutMs / 8, this.#close());
    if (this.#status !== 'failed') this.#status = 'closed';
  }

  async #run(): Promise<void> {
    const { store, clock, sink, unavailable } = this.#port;
    const { signal } = this.#ending;
    try {
      // Before it opens: while it cannot, its figures are true and what it has not got is kept for it.
      await retryRead(() => this.#begin(), { clock, signal, unavailable });
      await this.#attempts(() => sink.open({ clock }));
      this.#status = 'running';
      const { where } = this.#terms;
      for await (const batch of follow(store, { after: this.#position, where, signal, clock, unavailable })) {
        if (batch.events.length > 0) await this.#write(batch.events);
        this.#move(batch.looked);
      }
    } catch (error) {
      if (!signal.aborted && !this.#closing) this.#giveUp(error);
    }
    this.#moved?.();
  }

  async #begin(): Promise<void> {
    const { store, clock } = this.#port;
    const { position: head } = await store.head();
    this.#head = Math.max(this.#head, head);
    const document = await store.document(CHECKPOINTS, this.#key);
    const known = (document?.value as { readonly position?: number } | undefined)?.position;
    if (known === undefined) this.#position = (await resolveStart(this.#terms.from, 'from', { store, clock })).after;
    else await this.#goOn(known, head);
    this.#isPlaced = true;
    if (this.#position < this.#head) {
      const { events } = await store.page({ after: this.#position, through: head, limit: 1, descending: false });
      this.#oldestAt ??= events[0]?.storedAt;
    }
    // From here on it is a floor for retention.
    await this.#save();
  }

  async #goOn(position: number, head: number): Promise<void> {
    this.#position = position;
    if (position >= head) return;
    const removed = await this.#port.store.removed({ from: position + 1, to: head });
    const missed = removed.reduce(
      (sum, { from, to }) => sum + Math.min(to, head) - Math.max(from, position + 1) + 1,
      0,
    );
    if (missed > 0) this.#port.missed(missed);
  }

  async #write(events: readonly StoredEvent[]): Promise<void> {
    this.#oldestAt = events[0]!.storedAt;
    let reopen = false;
    await this.#attempts(async () => {
      if (reopen) await this.#reopen();
      try {
        await this.#port.sink.write(events);
      } catch (error) {
        reopen = REOPEN.some((code) => isTelltaleError(error, code));
        throw error;
      }
    });
    this.#written += events.length;
  }

  async #reopen(): Promise<void> {
    const { sink, clock } = this.#port;
    // What it failed of was told when its write failed.
    await sink.close().catch(() => undefined);
    await sink.open({ clock });
  }

  #move(looked: number): void {
    this.#position = looked;
    this.#head = Math.max(this.#head, looked);
    if (looked >= this.#head) this.#oldestAt = undefined;
    this.#moved?.();
    this.#cancelSave ??= this.#port.clock.after(SAVE_MS, () => void this.#save());
  }

  /** A checkpoint that cannot be written is written with the next one. */
  async #save(): Promise<void> {
    this.#cancelSave = undefined;
    const position = this.#position;
    if (!this.#isPlaced || this.#saved === position) return;
    try {
      const { store, clock } = this.#port;
      await store.putDocument(CHECKPOINTS, this.#key, { position, at: clock.now() }, { position });
      this.#saved = position;
    } catch (error) {
      this.#lastError = error;
    }
  }

  async #attempts(work: () => Promise<unknown>): Promise<void> {
    const { retry } = this.#terms;
    const { clock } = this.#port;
    for (let attempt = 1; ; attempt++) {
      const cancel = clock.after(PATIENCE_MS, () => this.#fail(silence()));
      try {
        await work();
        return this.#recover();
      } catch (error) {
        this.#failures++;
        this.#fail(error);
        if (attempt >= retry.attempts || this.#ending.signal.aborted) throw error;
        // The attempt that a closing bus allows.
        if (this.#closing && attempt > 1) throw error;
        await this.#pause(retryDelayMs(retry, attempt));
      } finally {
        cancel();
      }
    }
  }

  #fail(error: unknown): void {
    this.#lastError = error;
    if (this.#status === 'failing') return;
    this.#status = 'failing';
    this.#port.failed(error);
  }

  #recover(): void {
    if (this.#status === 'failing') this.#status = 'running';
    this.#lastError = undefined;
  }

  #giveUp(error: unknown): void {
    this.#lastError = error;
    const told = this.#status === 'failing';
    this.#status = 'failed';
    if (!told) this.#port.failed(error);
  }

  #pause(ms: number): Promise<void> {
    if (this.#closing) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#port.clock.after(ms, resolve);
      this.#cutPause = () => {
        cancel();
        resolve();
      };
    });
  }

  async #caughtUp(): Promise<void> {
    const { position } = await this.#port.store.head();
    this.#head = Math.max(this.#head, position);
    while (this.#position < this.#head && !this.#ending.signal.aborted)
      await new Promise<void>((resolve) => (this.#moved = resolve));
  }

  async #close(): Promise<void> {
    try {
      await this.#port.sink.close();
    } catch (error) {
      this.#port.unclosed(error);
    }
  }

  // What a store fails of here leaves the sink behind, which is told.
  async #within(ms: number, work: Promise<unknown>): Promise<void> {
    await endsWithin(this.#port.clock, ms, work).catch(() => undefined);
  }
}

function silence(): TelltaleError {
  return new TelltaleError('TIMEOUT', `it has given no answer for ${PATIENCE_MS} ms and is still waited for`);
}
