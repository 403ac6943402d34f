import { TelltaleError, expected, isTelltaleError, toError } from '../errors.ts';
import type { StoreHealth } from './port.ts';

type Word = StoreHealth['status'];

/** A store's or a sink's status word and its last error, and what the two allow. */
export class StoreStatus {
  readonly #name: () => string;
  readonly #kind: 'store' | 'sink';
  readonly #turn: (() => Promise<void> | undefined) | undefined;
  #word: Word = 'closed';
  #lastError: TelltaleError | undefined;

  /** `turn` is what answers wait for, so that the event loop has its turns. */
  constructor(name: () => string, kind: 'store' | 'sink', turn?: () => Promise<void> | undefined) {
    this.#name = name;
    this.#kind = kind;
    this.#turn = turn;
  }

  get word(): Word {
    return this.#word;
  }

  get lastError(): TelltaleError | undefined {
    return this.#lastError;
  }

  is(word: Word): boolean {
    return this.#word === word;
  }

  become(word: Word): void {
    if (word === 'open') this.#lastError = undefined;
    this.#word = word;
  }

  mustWrite(): void {
    if (this.#word !== 'open') throw this.refusal();
  }

  /** Reads go on after fail-stop, and while the last appends are written. */
  mustRead(): void {
    if (this.#word === 'closed' || this.#word === 'opening') throw this.refusal();
  }

  /** Throws `NOT_SUPPORTED` unless the store brings the operation. */
  mustHave(name: string, isThere: boolean): void {
    if (!isThere) throw expected('NOT_SUPPORTED', `\`${name}\` of ${this.#who}`, 'there', undefined);
  }

  refusal(): TelltaleError {
    if (this.#word === 'failed') return this.#stopped();
    return expected('STORE_CLOSED', this.#who, 'open', this.#word);
  }

  /** Runs an operation of the store; what it throws becomes a `TelltaleError`. */
  async call<T>(operation: () => Promise<T>): Promise<T> {
    try {
      const answer = await operation();
      const turn = this.#turn?.();
      if (turn !== undefined) await turn;
      return answer;
    } catch (thrown) {
      throw this.wrap(thrown);
    }
  }

  wrap(thrown: unknown): TelltaleError {
    if (isTelltaleError(thrown)) return thrown;
    const cause = toError(thrown);
    return new TelltaleError('STORE_UNAVAILABLE', `${this.#who}: ${cause.message}`, { cause });
  }

  note(thrown: unknown): TelltaleError {
    this.#lastError = this.wrap(thrown);
    return this.#lastError;
  }

  /** What a write threw. After a sync error or corruption the store takes nothing more: a retry could hide the loss. */
  noteWrite(thrown: unknown): TelltaleError {
    const error = this.wrap(thrown);
    // A refusal (of a fence, of an event) says nothing about the store.
    if (!error.code.startsWith('STORE_')) return error;
    this.#lastError = error;
    if (error.code !== 'STORE_FAILED' && error.code !== 'STORE_CORRUPT') return error;
    if (this.#word === 'open') this.#word = 'failed';
    return error.code === 'STORE_FAILED' ? error : this.#stopped();
  }

  // A sink of somebody's own may have no name but the one the bus calls it by.
  get #who(): string {
    return [this.#kind, this.#name()].join(' ').trim();
  }

  #stopped(): TelltaleError {
    const cause = this.#lastError;
    return new TelltaleError('STORE_FAILED', `${this.#who} stopped after an error: ${cause?.message}`, {
      cause,
    });
  }
}
