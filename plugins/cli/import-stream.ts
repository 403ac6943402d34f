import type { Bus } from '../../lib/index.ts';
import { toError } from '../../lib/plugin.ts';
import type { Line } from './lines.ts';
import { reasonOf } from './render/tree.ts';
import { toRecordedEvent } from './recorded-event.ts';
import type { RecordedEvent } from './recorded-event.ts';
import { Tally } from './tally.ts';

export interface Example {
  readonly line: number;
  readonly id: string;
  readonly type: string;
  readonly reason: string;
}

/** What became of the lines: lines = stored + duplicates + refused. */
export interface ImportResult {
  readonly lines: number;
  readonly stored: number;
  /** Same id, same content: the log had it already. */
  readonly duplicates: number;
  readonly refused: number;
  /** Lines without a time; they got the time of import. */
  readonly withoutTime: number;
  /** Types of all lines that have one. */
  readonly types: Tally;
  readonly correlations: Tally;
  /** By error code: how many, and the first few. */
  readonly refusals: ReadonlyMap<string, { readonly count: number; readonly examples: readonly Example[] }>;
  /** Events whose type ends in `.failed`. */
  readonly failures: { readonly count: number; readonly examples: readonly Example[] };
}

const IN_FLIGHT = 512;
const EXAMPLES = 3;
const KEPT_OF_LINE = 32 * 1024;
// No type at all: the bus refuses it, whatever else it holds.
const NO_TYPE = '';

/** Publishes line after line, at most 512 at a time; a line that is refused becomes a dead letter and stops nothing. */
export function importStream(bus: Bus, lines: AsyncIterable<Line>): { result: Promise<ImportResult>; read(): number } {
  const taking = new Taking(bus);
  return { result: taking.run(lines), read: () => taking.lines };
}

class Taking {
  readonly #bus: Bus;
  readonly #types = new Tally();
  readonly #correlations = new Tally();
  readonly #refusals = new Map<string, { count: number; examples: Example[] }>();
  readonly #failures: { count: number; examples: Example[] } = { count: 0, examples: [] };
  readonly #inFlight = new Set<Promise<void>>();
  #stopped: unknown;
  lines = 0;
  #stored = 0;
  #duplicates = 0;
  #refused = 0;
  #withoutTime = 0;

  constructor(bus: Bus) {
    this.#bus = bus;
  }

  async run(lines: AsyncIterable<Line>): Promise<ImportResult> {
    const importedAt = Date.now();
    for await (const line of lines) {
      this.lines++;
      const taken = this.#take(line, importedAt).catch((error: unknown) => void (this.#stopped ??= error));
      this.#inFlight.add(taken);
      void taken.then(() => this.#inFlight.delete(taken));
      if (this.#inFlight.size >= IN_FLIGHT) await Promise.race(this.#inFlight);
      if (this.#stopped !== undefined) break;
    }
    await Promise.all(this.#inFlight);
    if (this.#stopped !== undefined) throw toError(this.#stopped);
    await this.#bus.flush();
    return this.#result();
  }

  async #take(line: Line, importedAt: number): Promise<void> {
    let recorded: RecordedEvent | undefined;
    try {
      recorded = toRecordedEvent(line, importedAt);
      this.#types.add(recorded.type);
      if (!recorded.hasTime) this.#withoutTime++;
      const receipt = await this.#bus.publish(recorded.type, recorded.payload, recorded.options);
      if (receipt.duplicate) this.#duplicates++;
      else this.#stored++;
      this.#correlations.add(receipt.event.correlationId);
      this.#noteFailure(line, recorded);
    } catch (error) {
      this.#refuse(line, recorded, toError(error));
    }
  }

  #noteFailure(line: Line, { type, options, payload }: RecordedEvent): void {
    if (!type.endsWith('.failed')) return;
    this.#failures.count++;
    if (this.#failures.examples.length >= EXAMPLES) return;
    const reason = reasonOf(payload);
    this.#failures.examples.push({ line: line.number, id: idOf(options), type, reason });
  }

  #refuse(line: Line, recorded: RecordedEvent | undefined, error: Error & { code?: string }): void {
    const code = error.code ?? error.name;
    // Not the line's fault: the store is in trouble, and going on would blame every line after it.
    if (/^(?:STORE_|BUS_|INGRESS_)/.test(code)) throw error;
    this.#refused++;
    if (recorded === undefined) this.#keepLine(line, error);
    const entry = this.#refusals.get(code) ?? { count: 0, examples: [] };
    this.#refusals.set(code, entry);
    entry.count++;
    if (entry.examples.length < EXAMPLES)
      entry.examples.push({
        line: line.number,
        id: idOf(recorded?.options),
        type: recorded?.type ?? '',
        reason: error.message,
      });
  }

  /** A line that is no event at all never reached the bus: offered without a type, it is refused and kept like the rest. */
  #keepLine(line: Line, error: Error): void {
    const unreadable = { line: line.number, text: line.text.slice(0, KEPT_OF_LINE), problem: error.message };
    // Being refused is what keeps it, and it is counted already.
    void this.#bus.publish(NO_TYPE, unreadable).catch(() => undefined);
  }

  #result(): ImportResult {
    return {
      lines: this.lines,
      stored: this.#stored,
      duplicates: this.#duplicates,
      refused: this.#refused,
      withoutTime: this.#withoutTime,
      types: this.#types,
      correlations: this.#correlations,
      refusals: this.#refusals,
      failures: this.#failures,
    };
  }
}

function idOf(options: RecordedEvent['options'] | undefined): string {
  const id = options?.['id'];
  return typeof id === 'string' ? id : '';
}
