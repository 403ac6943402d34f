import type { Clock } from '../clock.ts';
import { describeError } from '../event/describe-error.ts';
import type { Envelope } from '../event/envelope.ts';

export interface ReportPort {
  readonly clock: Clock;
  /** Would anybody hear it? */
  heard(type: string): boolean;
  /** Emits a transient `$bus.*` event. */
  emit(type: string, payload: unknown): void;
}

interface Coalesced {
  count: number;
  last: Record<string, unknown>;
  readonly cancel: () => void;
}

/** A part of the bus that runs user code beside handlers. */
export interface FailingPart {
  /** Warned about once. */
  readonly owner: object;
  readonly key: string;
  /** What it is called in a warning. */
  readonly thing: string;
  readonly about: Readonly<Record<string, unknown>>;
}

const COALESCE_MS = 1_000;
const MAX_KEYS = 10_000;

/**
 * What the bus says about itself, as transient `$bus.*` events. Repetitions within a second become one report with a
 * `count`. A failing handler nobody listens for is told once per subscription as a process warning, never thrown.
 */
export class Reports {
  readonly #port: ReportPort;
  readonly #open = new Map<string, Coalesced>();
  readonly #warned = new WeakSet<object>();
  readonly #once = new Set<string>();

  constructor(port: ReportPort) {
    this.#port = port;
  }

  /** Reports at once, then sums up what comes under the same key within a second. */
  say(type: string, key: string, payload: Record<string, unknown>): void {
    if (!this.#port.heard(type)) return;
    const open = this.#open.get(`${type} ${key}`);
    if (open) {
      open.count++;
      open.last = payload;
      return;
    }
    this.#port.emit(type, { ...payload, count: 1 });
    const id = `${type} ${key}`;
    const cancel = this.#port.clock.after(COALESCE_MS, () => this.#close(id, type));
    this.#open.set(id, { count: 0, last: payload, cancel });
  }

  /** Would `sayOnce` say it? What nobody hears is not said yet. */
  wouldSay(type: string, key: string): boolean {
    return !this.#once.has(`${type} ${key}`) && this.#once.size < MAX_KEYS && this.#port.heard(type);
  }

  /** Reports a thing once in the life of the bus. */
  sayOnce(type: string, key: string, payload: Record<string, unknown>): void {
    if (!this.wouldSay(type, key)) return;
    this.#once.add(`${type} ${key}`);
    this.#port.emit(type, payload);
  }

  /** Reports a failed handler; without a listener, warns once for each `owner`. */
  handlerFailed(owner: object, pattern: string, envelope: Envelope, error: unknown, attempts: number): void {
    const { name, message, stack = message } = describeError(error);
    const { id, type, correlationId } = envelope.event;
    // A failure while handling the bus's own reports must not make more of them.
    if (type.startsWith('$')) return;
    if (this.#port.heard('$bus.handler.failed')) {
      const about = { pattern, eventId: id, eventType: type, correlationId, attempts };
      return this.say('$bus.handler.failed', pattern, { ...about, error: { name, message, stack } });
    }
    const text = `a handler of \`${pattern}\` failed on \`${type}\` ${id}: ${message} (told once per subscription; listen to $bus.handler.failed or look at bus.deadLetters for the rest)`;
    this.#warn(owner, text, stack);
  }

  /** Reports a failure that no event is to blame for; without a listener, warns once for each owner if it should. */
  failed(type: string, part: FailingPart, thrown: unknown, { warn } = { warn: true }): void {
    const { owner, key, thing, about } = part;
    const error = describeError(thrown);
    if (this.#port.heard(type)) return this.say(type, key, { ...about, error });
    if (!warn) return;
    const text = `${thing} failed: ${error.message} (told once; listen to ${type} for the rest)`;
    this.#warn(owner, text, error.stack ?? error.message);
  }

  #warn(owner: object, text: string, detail: string): void {
    if (this.#warned.has(owner)) return;
    this.#warned.add(owner);
    process.emitWarning(text, { type: 'TelltaleWarning', code: 'HANDLER_FAILED', detail });
  }

  /** Says what is still being summed up, and stops. */
  close(): void {
    for (const [id, open] of this.#open) {
      open.cancel();
      this.#close(id, id.slice(0, id.indexOf(' ')));
    }
  }

  #close(id: string, type: string): void {
    const open = this.#open.get(id);
    this.#open.delete(id);
    if (open && open.count > 0) this.#port.emit(type, { ...open.last, count: open.count });
  }
}
