import type { Clock } from '../clock.ts';
import { isTelltaleError, TelltaleError } from '../errors.ts';
import type { Envelope } from '../event/envelope.ts';
import { Fifo } from '../mailbox/fifo.ts';
import { retryDelayMs, type RetryPolicy } from '../retry.ts';
import { Slice } from '../store/slice.ts';
import type { Ledger, Waiting } from './ledger.ts';

export interface SchedulerPort {
  readonly clock: Clock;
  readonly ledger: Ledger;
  /** False where another process does it for this one. */
  readonly emits: boolean;
  /** Something waits: from now on there is something to stop. May be called again. */
  waits(): void;
  /** What is due could not be emitted, or the log not be read; it is tried again. */
  failed(error: unknown, retryInMs: number): void;
}

/** A larger Map holds the event loop when it grows. */
const MAX_OPEN = 50_000;
/** Under way to the store at once. */
const MAX_EMITTING = 256;
const READ_AT_ONCE = 64;
/** The wall clock may jump while a timer runs on the other one: it is looked at this often, or at each 64th of the way. */
const LOOK_MS = 60_000;
const LOOKS = 64;
const BACKOFF: RetryPolicy = { attempts: Infinity, delayMs: 1_000, factor: 2, maxDelayMs: 30_000, jitter: 0.2 };
const FOR_GOOD = ['STORE_FAILED', 'STORE_CLOSED', 'BUS_CLOSED', 'STORE_READ_ONLY'] as const;

/**
 * Emits what was scheduled when its time has come by the wall clock. Order: by due time, at one time as they were set;
 * what was due while nobody looked comes first. Capacity: 50,000 open ones. Failure: tried again with backoff, in
 * order. Closing: `stop` begins nothing new; what is open stays in its ledger.
 */
export class Scheduler {
  readonly #port: SchedulerPort;
  #status: 'idle' | 'emitting' | 'stopped' = 'idle';
  #setting = 0;
  #underWay = 0;
  /** Due, in order. */
  readonly #ready = new Fifo<Waiting>();
  #failures = 0;
  /** By the monotonic clock. */
  #notBefore = 0;
  #cancelTimer: (() => void) | undefined;
  #refreshing: Promise<void> | undefined;
  #eased: (() => void) | undefined;

  constructor(port: SchedulerPort) {
    this.#port = port;
  }

  /** Looks at what there is, and emits what is overdue from the next timer on. */
  start(): void {
    void this.refresh();
  }

  async set(key: string, at: number, envelope: Envelope): Promise<Waiting> {
    const { ledger } = this.#port;
    if (this.#isFull && !ledger.get(key)) await ledger.catchUp();
    if (this.#isFull && !ledger.get(key)) throw tooMany();
    this.#setting++;
    try {
      return await ledger.set(key, at, envelope);
    } finally {
      this.#setting--;
      this.#look();
    }
  }

  get #isFull(): boolean {
    return this.#port.ledger.size + this.#setting >= MAX_OPEN;
  }

  async cancel(item: Waiting): Promise<boolean> {
    const cancelled = await this.#port.ledger.cancel(item);
    await this.#port.ledger.catchUp();
    return cancelled;
  }

  /** Whatever this key stands for. */
  async cancelKey(key: string): Promise<boolean> {
    const { ledger } = this.#port;
    for (;;) {
      await ledger.catchUp();
      const item = ledger.get(key);
      if (!item) return false;
      if (await this.cancel(item)) return true;
    }
  }

  async list(): Promise<readonly Waiting[]> {
    await this.#port.ledger.catchUp();
    return this.#port.ledger.all().toSorted((a, b) => a.at - b.at || a.position - b.position);
  }

  async stop(): Promise<void> {
    this.#status = 'stopped';
    this.#cancelTimer?.();
    this.#eased?.();
    await this.#refreshing;
  }

  /** Takes in what is new, and waits for what is due next. Never rejects. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  async #refresh(): Promise<void> {
    // What was stored since the first call of this turn is read by the same look.
    await Promise.resolve();
    try {
      await this.#port.ledger.catchUp();
      this.#look();
    } catch (error) {
      this.#failed(error);
    }
  }

  // What is due is emitted from the next timer on, so that whoever opened the bus has subscribed by then.
  #look(): void {
    this.#arm();
    if (this.#ready.length > 0) this.#wait(0);
  }

  #failed(error: unknown): void {
    if (FOR_GOOD.some((code) => isTelltaleError(error, code))) this.#status = 'stopped';
    if (this.#isStopped) return;
    const retryInMs = retryDelayMs(BACKOFF, ++this.#failures);
    this.#notBefore = this.#port.clock.monotonic() + retryInMs;
    this.#port.failed(error, retryInMs);
    this.#wait(retryInMs);
  }

  // What is due is taken out before the next timer is set, so that no time is lost while it is emitted.
  #arm(): void {
    const { clock, ledger, emits } = this.#port;
    if (!emits || this.#isStopped) return;
    const pauseMs = this.#notBefore - clock.monotonic();
    for (let next = ledger.due.peek(); next; next = ledger.due.peek()) {
      const leftMs = Math.max(next.at - clock.now(), pauseMs);
      if (ledger.isOpen(next) && leftMs > 0) return this.#wait(leftMs);
      ledger.due.pop();
      if (ledger.isOpen(next)) this.#ready.push(next);
    }
  }

  #wait(ms: number): void {
    this.#port.waits();
    this.#cancelTimer?.();
    this.#cancelTimer = this.#port.clock.after(Math.min(ms, Math.max(LOOK_MS, Math.ceil(ms / LOOKS))), () => {
      this.#arm();
      void this.#emitReady();
    });
  }

  async #emitReady(): Promise<void> {
    if (this.#status !== 'idle') return;
    this.#status = 'emitting';
    const slice = new Slice();
    while (this.#ready.length > 0 && !this.#isStopped) {
      await this.#emitSome();
      if (this.#underWay >= MAX_EMITTING) await new Promise<void>((resolve) => (this.#eased = resolve));
      if (slice.isOver) await slice.rest();
    }
    if (!this.#isStopped) this.#status = 'idle';
  }

  // Read side by side, emitted in order.
  async #emitSome(): Promise<void> {
    const { ledger } = this.#port;
    const items = Array.from({ length: Math.min(this.#ready.length, READ_AT_ONCE) }, () => this.#ready.shift()!);
    try {
      const envelopes = await Promise.all(
        items.map(async (item) => (ledger.isOpen(item) ? ledger.eventOf(item) : undefined)),
      );
      for (const [i, item] of items.entries())
        if (envelopes[i] && !this.#isStopped && ledger.isOpen(item)) void this.#emit(item, envelopes[i]);
    } catch (error) {
      this.#putBack(items, error);
    }
  }

  // Others may have stopped it while this waited, which the compiler does not see.
  get #isStopped(): boolean {
    return this.#status === 'stopped';
  }

  // With all that was to come behind it.
  #putBack(items: readonly Waiting[], error: unknown): void {
    const { due } = this.#port.ledger;
    for (const item of items) due.push(item);
    for (let next = this.#ready.shift(); next; next = this.#ready.shift()) due.push(next);
    this.#failed(error);
  }

  async #emit(item: Waiting, envelope: Envelope): Promise<void> {
    const { ledger } = this.#port;
    this.#underWay++;
    try {
      await ledger.emit(item, envelope);
      this.#failures = 0;
    } catch (error) {
      this.#putBack([item], error);
    }
    this.#underWay--;
    this.#eased?.();
    if (this.#underWay === 0) void this.refresh();
  }
}

function tooMany(): TelltaleError {
  const text = `${MAX_OPEN} schedules are open, as many as a bus keeps; cancel some, or schedule fewer and later ones from the earlier`;
  return new TelltaleError('SCHEDULES_FULL', text, { details: { max: MAX_OPEN } });
}
