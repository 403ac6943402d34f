import type { Clock } from '../clock.ts';
import { TelltaleError, toError } from '../errors.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { matchesPattern } from '../event/pattern.ts';
import { onAbort } from '../on-abort.ts';
import type { Store } from '../store/port.ts';
import { parseJoin, type JoinOptions, type ParsedJoin } from './join-options.ts';

/** What a join needs of its bus. */
export interface JoinPort {
  readonly clock: Clock;
  /** Without a store only events from now on are counted. */
  readonly store?: Store | undefined;
  /** Calls the listener for each event of the pattern, until undone. */
  subscribe(pattern: string, listener: (event: TelltaleEvent) => void): () => void;
  /** Resolves when everything dispatched before the call can be read from the store. */
  written?(): Promise<unknown>;
  /** Tells when no event will come any more; returns the undo. */
  onClose?(listener: () => void): () => void;
}

export interface JoinResult {
  readonly complete: boolean;
  /** All events that were counted, in the order they were stored or arrived. */
  readonly events: readonly TelltaleEvent[];
  /** How many of each pattern have not come; empty when complete. */
  readonly missing: Readonly<Record<string, number>>;
}

/**
 * Waits until a correlation has so many events of each pattern: stored ones count, live ones count, each once.
 * Rejects with `JOIN_FAILED` (the event is in `details.event`), `TIMEOUT`, `BUS_CLOSED` (all three resolve with
 * `partial: true`), `ABORTED`, and what the store's reading throws.
 */
export async function join(
  port: JoinPort,
  correlationId: string,
  wanted: Readonly<Record<string, number>>,
  options?: JoinOptions,
): Promise<JoinResult> {
  return new Join(port, parseJoin(correlationId, wanted, options)).run();
}

class Join {
  readonly #port: JoinPort;
  readonly #options: ParsedJoin;
  readonly #seen = new Set<string>();
  readonly #events: TelltaleEvent[] = [];
  readonly #left: number[];
  /** Live events that came while the store was read; they are told after it, so that order is the log's. */
  #waiting: TelltaleEvent[] | undefined = [];
  /** Nothing is counted any more. */
  #ended = false;
  #resolve: ((failure: Error | undefined) => void) | undefined;

  constructor(port: JoinPort, options: ParsedJoin) {
    this.#port = port;
    this.#options = options;
    this.#left = options.wants.map(({ count }) => count);
  }

  async run(): Promise<JoinResult> {
    const undos: (() => void)[] = [];
    const ended = new Promise<Error | undefined>((resolve) => (this.#resolve = resolve));
    try {
      this.#listen(undos);
      void this.#catchUp();
      const failure = await ended;
      if (failure !== undefined && !(this.#options.partial && isExpected(failure))) throw failure;
      return this.#result();
    } finally {
      for (const undo of undos) undo();
    }
  }

  #listen(undos: (() => void)[]): void {
    const { wants, failOn, timeoutMs, signal } = this.#options;
    const patterns = new Set([...wants.map(({ pattern }) => pattern.text), ...failOn.map(({ text }) => text)]);
    for (const pattern of patterns) undos.push(this.#port.subscribe(pattern, (event) => this.#arrived(event)));
    if (timeoutMs !== undefined)
      undos.push(this.#port.clock.wait(timeoutMs, () => this.#end(this.#failure('TIMEOUT', `after ${timeoutMs} ms`))));
    const closed = this.#port.onClose?.(() => this.#end(this.#failure('BUS_CLOSED', 'when the bus closed')));
    if (closed !== undefined) undos.push(closed);
    if (signal === undefined) return;
    const abort = (): void =>
      this.#end(new TelltaleError('ABORTED', `the join of ${this.#name()} was aborted`, { cause: signal.reason }));
    if (signal.aborted) return abort();
    undos.push(onAbort(signal, abort));
  }

  // Never rejects: what goes wrong is how the join ends.
  async #catchUp(): Promise<void> {
    try {
      const { store } = this.#port;
      if (store !== undefined) {
        await this.#port.written?.();
        for await (const event of store.read({ correlationId: this.#options.correlationId })) {
          if (this.#ended) return;
          this.#count(event);
        }
      }
      const waiting = this.#waiting!;
      this.#waiting = undefined;
      for (const event of waiting) this.#count(event);
      this.#checkComplete();
    } catch (error) {
      this.#end(toError(error));
    }
  }

  #arrived(event: TelltaleEvent): void {
    if (event.correlationId !== this.#options.correlationId) return;
    if (this.#waiting !== undefined) this.#waiting.push(event);
    else this.#count(event);
  }

  #count(event: TelltaleEvent): void {
    if (this.#ended || this.#seen.has(event.id)) return;
    this.#seen.add(event.id);
    const { wants, failOn } = this.#options;
    if (failOn.some((pattern) => matchesPattern(pattern, event.type))) return this.#failed(event);
    let counted = false;
    for (const [index, { pattern }] of wants.entries()) {
      if (!matchesPattern(pattern, event.type)) continue;
      this.#left[index]!--;
      counted = true;
    }
    if (counted) this.#events.push(event);
    this.#checkComplete();
  }

  #failed(event: TelltaleEvent): void {
    const text = `the join of ${this.#name()} ended with \`${event.type}\` (${event.id}); ${this.#describeMissing()}`;
    this.#end(new TelltaleError('JOIN_FAILED', text, { details: { event, missing: this.#missing() } }));
  }

  #end(failure?: Error): void {
    this.#ended = true;
    this.#resolve!(failure);
  }

  #checkComplete(): void {
    if (this.#isComplete()) this.#end();
  }

  #isComplete(): boolean {
    return this.#left.every((left) => left <= 0);
  }

  #missing(): Readonly<Record<string, number>> {
    const missing: Record<string, number> = {};
    for (const [index, { pattern }] of this.#options.wants.entries())
      if (this.#left[index]! > 0) missing[pattern.text] = this.#left[index]!;
    return missing;
  }

  #describeMissing(): string {
    const parts = this.#options.wants.map(({ pattern, count }, index) => ({
      pattern,
      count,
      left: this.#left[index]!,
    }));
    const missing = parts.filter(({ left }) => left > 0);
    return `missing: ${missing.map(({ pattern, count, left }) => `${left} of ${count} \`${pattern.text}\``).join(', ')}`;
  }

  #failure(code: 'TIMEOUT' | 'BUS_CLOSED', when: string): TelltaleError {
    const text = `the join of ${this.#name()} was not complete ${when}; ${this.#describeMissing()}`;
    return new TelltaleError(code, text, { details: { missing: this.#missing() } });
  }

  #name(): string {
    return `\`${this.#options.correlationId}\``;
  }

  #result(): JoinResult {
    return { complete: this.#isComplete(), events: this.#events, missing: this.#missing() };
  }
}

function isExpected(failure: Error): boolean {
  return (
    failure instanceof TelltaleError &&
    (failure.code === 'JOIN_FAILED' || failure.code === 'TIMEOUT' || failure.code === 'BUS_CLOSED')
  );
}
