import type { Clock } from '../clock.ts';
import { TelltaleError, toError } from '../errors.ts';
import { Fifo } from '../mailbox/fifo.ts';
import type { Message } from './frames.ts';
import { decode, encode, type Unpacking } from './packing.ts';
import type { Transport } from './transport.ts';

export interface WirePort {
  readonly clock: Clock;
  /** One message, in order. What it throws ends the wire. */
  receive(message: Message): void;
  /** What a frame ends with: acknowledgements, gathered until it leaves. */
  last(): readonly Message[];
  /** The other side is gone, or has sent what is no frame. Not told after `end`. */
  ended(error: TelltaleError): void;
}

const FRAME_EVENTS = 128;
const FRAME_MESSAGES = 1_024;
const FRAME_BYTES = 256 * 1024;
/** How long arriving messages may hold the event loop; timers fire in between. */
const HOLD_MS = 3;
/** What comes faster than this belongs together. Well below the time a question and its answer take. */
const GAP_MS = 0.02;
/** Work that is not worth a turn of the event loop. */
const SHORT_MS = 0.3;
const PAUSE_MS = 1;
/** Messages between two looks at the clock. */
const STEP = 8;

/**
 * One end of a link: messages in order, in frames of JSON.
 *
 * Sending: what is sent after a pause leaves with the microtasks, so that a question is not kept waiting; what is sent
 * right behind leaves at the end of the turn of the event loop, or as soon as a frame is full (128 events, 256 KiB).
 * Receiving: some milliseconds at a time, whatever has arrived. Failure: what is no frame, and what `receive` throws,
 * ends this wire and nothing else. Closing: `end` sends what is there, then nothing is received any more.
 */
export class Wire {
  readonly #transport: Transport;
  readonly #port: WirePort;
  #out: Message[] = [];
  #outEvents = 0;
  #outBytes = 0;
  #sending: 'idle' | 'microtask' | 'turn' = 'idle';
  #isBusy = false;
  #postedMs = 0;
  readonly #arrived = new Fifo<unknown>();
  #frame: Unpacking | undefined;
  #receiving: 'idle' | 'working' | 'resting' = 'idle';
  #since = 0;
  #restedMs = 0;
  #spentMs = 0;
  #turning = false;
  #lost: Error | undefined;
  #status: 'open' | 'ended' = 'open';
  #heardMs: number;

  constructor(transport: Transport, port: WirePort) {
    this.#transport = transport;
    this.#port = port;
    this.#heardMs = port.clock.monotonic();
    transport.start({
      message: (data) => this.#arrive(data),
      ended: (reason) => this.#lose(reason),
    });
  }

  get isOpen(): boolean {
    return this.#status === 'open';
  }

  /** When anything arrived last, by the monotonic clock. */
  get heardMs(): number {
    return this.#heardMs;
  }

  /** `bytes` of an event, 0 of anything else. */
  send(message: Message, bytes = 0): void {
    if (this.#status === 'ended') return;
    this.#out.push(message);
    if (bytes > 0) {
      this.#outEvents++;
      this.#outBytes += bytes;
    }
    const isFull = this.#outEvents >= FRAME_EVENTS || this.#outBytes >= FRAME_BYTES;
    if (isFull || this.#out.length >= FRAME_MESSAGES) return void this.#post();
    this.touch();
  }

  /** There is something to send last. */
  touch(): void {
    if (this.#sending !== 'idle') return;
    if (this.#isBusy || performance.now() - this.#postedMs < GAP_MS) return this.#postWithTurn();
    this.#sending = 'microtask';
    queueMicrotask(() => {
      this.#sending = 'idle';
      this.#post();
      this.#postedMs = performance.now();
    });
  }

  end(): void {
    if (this.#status === 'ended') return;
    this.#post();
    this.#status = 'ended';
    this.#transport.end();
  }

  // A turn that has more to send than its first messages is followed by others like it: they are gathered whole.
  #postWithTurn(): void {
    this.#sending = 'turn';
    setImmediate(() => {
      this.#sending = 'idle';
      this.#isBusy = this.#post() > 1;
    });
  }

  // Answers how many messages there were to send.
  #post(): number {
    if (this.#status === 'ended') return 0;
    const last = this.#port.last();
    if (this.#out.length + last.length === 0) return 0;
    const messages = last.length > 0 ? [...this.#out, ...last] : this.#out;
    this.#out = [];
    this.#outEvents = 0;
    this.#outBytes = 0;
    this.#transport.post(encode(messages));
    return messages.length;
  }

  #arrive(data: unknown): void {
    if (this.#status === 'ended') return;
    this.#heardMs = this.#port.clock.monotonic();
    this.#arrived.push(data);
    if (this.#receiving === 'idle') this.#work();
  }

  // What the other side has sent before it went is still looked at.
  #lose(reason: Error): void {
    this.#lost = reason;
    if (this.#receiving === 'idle') this.#work();
  }

  #work(): void {
    // Frames that come one right behind the other share the time.
    const now = performance.now();
    if (!this.#turning && now - this.#restedMs > PAUSE_MS) this.#spentMs = 0;
    this.#since = now - this.#spentMs;
    this.#receiving = 'working';
    try {
      while (this.#status === 'open' && (this.#frame ??= this.#next())) {
        if (!this.#go(this.#frame)) return this.#rest();
        this.#frame = undefined;
        if (this.#arrived.length > 0 && this.#isOver) return this.#rest();
      }
    } catch (error) {
      return this.#fail(error instanceof TelltaleError ? error : broken(toError(error)));
    }
    this.#receiving = 'idle';
    this.#restedMs = performance.now();
    this.#spentMs = this.#restedMs - this.#since;
    if (this.#spentMs > SHORT_MS) this.#turn();
    if (this.#lost) this.#fail(lost(this.#lost));
  }

  #next(): Unpacking | undefined {
    return this.#arrived.length === 0 ? undefined : decode(this.#arrived.shift());
  }

  // False where the time is over before the frame is.
  #go(frame: Unpacking): boolean {
    for (let count = 1; this.#status === 'open'; count++) {
      const message = frame.next();
      if (!message) return true;
      this.#port.receive(message);
      if (count % STEP === 0 && this.#isOver) return false;
    }
    return true;
  }

  get #isOver(): boolean {
    return performance.now() - this.#since > HOLD_MS;
  }

  #rest(): void {
    this.#receiving = 'resting';
    this.#turn();
  }

  // Node hands over a thousand frames in one go: only the next turn of the event loop begins a new time.
  #turn(): void {
    if (this.#turning) return;
    this.#turning = true;
    setImmediate(() => {
      this.#turning = false;
      this.#spentMs = 0;
      if (this.#receiving === 'resting') this.#work();
    });
  }

  #fail(error: TelltaleError): void {
    if (this.#status === 'ended') return;
    this.#receiving = 'idle';
    this.#status = 'ended';
    this.#transport.end();
    this.#port.ended(error);
  }
}

function lost(reason: Error): TelltaleError {
  return reason instanceof TelltaleError ? reason : new TelltaleError('LINK_BROKEN', reason.message, { cause: reason });
}

function broken(cause: Error): TelltaleError {
  return new TelltaleError('LINK_BROKEN', `a frame could not be understood: ${cause.message}`, { cause });
}
