import type { Clock } from '../clock.ts';
import { TelltaleError, messageOf } from '../errors.ts';
import type { StoredEvent } from '../event/event.ts';
import type { Sink } from '../store/port.ts';

/** An archive that gives no answer for so long has failed. */
const PATIENCE_MS = 30_000;
/** Less than the bus waits for its parts when it closes, so that the archive is named. */
const CLOSING_MS = 3_000;

/**
 * The sink that gets events before they are removed. Opened at its first events; one call at a time. What it throws
 * comes as a `TelltaleError` that names it (`STORE_UNAVAILABLE`, or the code it has), and so does its silence.
 */
export class Archive {
  readonly #sink: Sink;
  readonly #clock: Clock;
  #asked = false;
  #open = false;
  /** Gives up the call under way. */
  #leave: (() => void) | undefined;
  #stopClosing: (() => void) | undefined;
  #late = false;
  /** The call that was given up when the bus closed. */
  #givenUp: TelltaleError | undefined;

  constructor(sink: Sink, clock: Clock) {
    this.#sink = sink;
    this.#clock = clock;
  }

  async write(events: readonly StoredEvent[]): Promise<void> {
    this.#asked = true;
    if (!this.#open) await this.#call('did not open', () => this.#sink.open({ clock: this.#clock }));
    this.#open = true;
    const positions = `${events[0]!.position} to ${events[events.length - 1]!.position}`;
    await this.#call(`did not take events ${positions}, which stay`, () => this.#sink.write(events));
  }

  /** From now on everything, `close` included, has to be done within 3 s. */
  hurry(): void {
    if (!this.#asked) return;
    this.#stopClosing ??= this.#clock.wait(CLOSING_MS, () => {
      this.#late = true;
      this.#leave?.();
    });
  }

  /** Rejects with what was given up, too. */
  async close(): Promise<void> {
    if (!this.#asked) return;
    try {
      await this.#call('did not close', () => this.#sink.close());
    } finally {
      this.#stopClosing?.();
    }
    if (this.#givenUp) throw this.#givenUp;
  }

  async #call(what: string, work: () => Promise<unknown>): Promise<void> {
    let stop: (() => void) | undefined;
    const silence = new Promise<never>((_, reject) => {
      const text = `it gave no answer within ${PATIENCE_MS / 1_000} s`;
      stop = this.#clock.after(PATIENCE_MS, () => reject(new Error(text)));
      this.#leave = () => reject(new Error(`the bus closes and it gave no answer within ${CLOSING_MS / 1_000} s`));
      if (this.#late) this.#leave();
    });
    try {
      await Promise.race([work(), silence]);
    } catch (error) {
      const code = error instanceof TelltaleError ? error.code : 'STORE_UNAVAILABLE';
      const text = `archive ${this.#sink.name} ${what}: ${messageOf(error)}`;
      const failed = new TelltaleError(code, text, { cause: error });
      if (this.#late) this.#givenUp = failed;
      throw failed;
    } finally {
      this.#leave = undefined;
      stop?.();
    }
  }
}
