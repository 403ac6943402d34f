import type { StoredEvent } from '../event/event.ts';
import type { Controls } from './controls.ts';
import type { Recipient } from './recipient.ts';
import type { Scope } from './scope.ts';

export interface RunParts {
  readonly scope: Scope;
  readonly controls: Controls;
  readonly recipient: Recipient;
  readonly present: (event: StoredEvent) => StoredEvent;
  /** Called before an event is told. */
  readonly telling: (event: StoredEvent) => void;
  /** It goes on elsewhere: what was told may be told again. */
  readonly turned: () => void;
  /** It has got somewhere. */
  readonly moved: () => void;
}

/** Events or ms after which the event loop has its turn. */
const SLICE_EVENTS = 2_000;
const SLICE_MS = 5;
/** Looking at the clock costs as much as telling an event: every so many events, and every event where they are slow. */
const CLOCK_EVERY = 32;
const SLOW_MS = 0.5;

/** Tells the events of a scope, until its end or until it is stopped. Rejects where they cannot be read. */
export class Run {
  /** Of the event told last. */
  position = 0;
  readonly #parts: RunParts;
  readonly #byTime: boolean;
  #told = 0;
  /** Everything up to here has been gone through; undefined where a stretch begins. */
  #looked: number | undefined;
  #eased: Promise<void> | undefined;
  #sliceStarted = 0;
  #sliceLeft = 0;
  #clockIn = 1;
  #clockEvery = 1;
  #clockRead = 0;

  constructor(parts: RunParts, byTime: boolean) {
    this.#parts = parts;
    this.#byTime = byTime;
    this.#startSlice();
  }

  /** Events gone through. */
  get done(): number {
    return this.#byTime || this.#looked === undefined ? this.#told : this.#parts.scope.doneAt(this.#looked);
  }

  async tellAll(): Promise<void> {
    const { controls, scope } = this.#parts;
    for (let stretch = { window: scope.window, done: 0 }; ;) {
      this.#told = stretch.done;
      this.#looked = undefined;
      await this.#tellStretch(scope.read(stretch.window));
      await this.#untilRest();
      // What runs ends before others are told; what waits for its turn is told no more.
      if (controls.moved) await this.#untilEnded();
      if (controls.stopped) await this.#untilEnded();
      controls.endStep();
      const next = controls.takeMove();
      if (next === undefined || controls.stopped) return;
      this.#parts.turned();
      stretch = next;
    }
  }

  async #tellStretch(source: ReturnType<Scope['read']>): Promise<void> {
    const { controls, moved } = this.#parts;
    try {
      for await (const { events, looked } of source) {
        if (!(await this.#tellBatch(events))) return;
        this.#looked = looked;
        moved();
      }
    } catch (error) {
      // Reading is given up when the replay is.
      if (!controls.stopped) throw error;
    }
  }

  /** Answers false where the replay goes on elsewhere, or not at all. */
  async #tellBatch(events: readonly StoredEvent[]): Promise<boolean> {
    const { controls, moved } = this.#parts;
    for (let at = 0; at < events.length;) {
      const { sleeps } = controls;
      if (!controls.free && !(await controls.turn(events[at]!.time))) return false;
      // A wait has given the event loop its turns.
      if (controls.sleeps !== sleeps) this.#startSlice();
      if (this.#sliceLeft <= 0) {
        await this.#breathe();
        continue;
      }
      const before = at;
      at = this.#tellSome(events, at);
      this.#told += at - before;
      this.#looked = this.position;
      moved();
      if (this.#eased !== undefined) await this.#untilEased(this.#eased);
      if (controls.hasStepped) await this.#endStep();
    }
    return !controls.moved;
  }

  /** Tells events until somebody has to be waited for; answers where it has come to. */
  #tellSome(events: readonly StoredEvent[], from: number): number {
    const { controls, recipient, present, telling } = this.#parts;
    for (let at = from; at < events.length; at++) {
      const event = events[at]!;
      this.position = event.position;
      telling(event);
      this.#eased = recipient.tell(present(event));
      if (!controls.free) {
        controls.told(event.time);
        return at + 1;
      }
      if (this.#eased !== undefined || this.#isSliceOver()) return at + 1;
    }
    return events.length;
  }

  async #untilEased(eased: Promise<void>): Promise<void> {
    this.#eased = undefined;
    await this.#parts.controls.until(eased);
  }

  async #endStep(): Promise<void> {
    await this.#untilRest();
    // What still runs there is waited for behind the move.
    if (!this.#parts.controls.moved) this.#parts.controls.endStep();
  }

  async #untilRest(): Promise<void> {
    const rest = this.#parts.recipient.rest();
    if (rest !== undefined) await this.#parts.controls.until(rest);
  }

  async #untilEnded(): Promise<void> {
    const stopped = this.#parts.recipient.stop();
    if (stopped !== undefined) await this.#parts.controls.untilEnded(stopped);
  }

  // The system's clock whatever the bus has: this is about the event loop.
  #isSliceOver(): boolean {
    this.#sliceLeft--;
    if (--this.#clockIn > 0) return this.#sliceLeft <= 0;
    const now = performance.now();
    this.#clockEvery = now - this.#clockRead > SLOW_MS ? 1 : Math.min(CLOCK_EVERY, this.#clockEvery * 2);
    this.#clockIn = this.#clockEvery;
    this.#clockRead = now;
    if (now - this.#sliceStarted >= SLICE_MS) this.#sliceLeft = 0;
    return this.#sliceLeft <= 0;
  }

  async #breathe(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#startSlice();
  }

  #startSlice(): void {
    this.#sliceStarted = performance.now();
    this.#clockRead = this.#sliceStarted;
    this.#sliceLeft = SLICE_EVENTS;
  }
}
