import type { Envelope } from '../event/envelope.ts';
import { DueQueue } from '../store/due-queue.ts';
import type { Ledger, Waiting } from './ledger.ts';

interface Kept extends Waiting {
  readonly envelope: Envelope;
}

export interface KeptPort {
  /** The same event, as it is emitted now. */
  asOfNow(envelope: Envelope, item: Waiting): Envelope;
  emit(envelope: Envelope): void;
}

/** Schedules of a bus without store: they end with it. */
export class KeptSchedules implements Ledger<Kept> {
  readonly due = new DueQueue<Kept>();
  readonly #port: KeptPort;
  readonly #byKey = new Map<string, Kept>();
  #set = 0;

  constructor(port: KeptPort) {
    this.#port = port;
  }

  get size(): number {
    return this.#byKey.size;
  }

  get(key: string): Kept | undefined {
    return this.#byKey.get(key);
  }

  isOpen(item: Kept): boolean {
    return this.#byKey.get(item.key) === item;
  }

  all(): readonly Kept[] {
    return [...this.#byKey.values()];
  }

  async catchUp(): Promise<void> {}

  async set(key: string, at: number, envelope: Envelope): Promise<Kept> {
    const item = { key, at, type: envelope.event.type, position: ++this.#set, envelope };
    this.#byKey.set(key, item);
    this.due.push(item);
    this.due.prune(this.size, (one) => this.isOpen(one));
    return item;
  }

  async eventOf(item: Kept): Promise<Envelope> {
    return this.#port.asOfNow(item.envelope, item);
  }

  async emit(item: Kept, envelope: Envelope): Promise<void> {
    this.#port.emit(envelope);
    this.#byKey.delete(item.key);
  }

  async cancel(item: Kept): Promise<boolean> {
    return this.isOpen(item) && this.#byKey.delete(item.key);
  }
}
