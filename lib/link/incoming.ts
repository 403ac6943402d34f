import { NO_CHAIN, type Chain } from '../context.ts';
import { isTelltaleError } from '../errors.ts';
import { errorToPlain } from '../event/crossing-error.ts';
import { deepFrozen } from '../event/deep-frozen.ts';
import { Envelope } from '../event/envelope.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { Fifo } from '../mailbox/fifo.ts';
import type { Durability } from '../store/port.ts';
import type { BusPort, Settled } from './bus-port.ts';
import type { AppendTerms, Message, ReceiptFrame } from './frames.ts';

export interface IncomingPort {
  readonly bus: BusPort;
  /** What these events have come in through. */
  readonly origin: object;
  send(message: Message): void;
  /** There is something to send last. */
  touch(): void;
  /** A transient event of this type has reached nobody but where it comes from. */
  isWanted(type: string): boolean;
}

interface Item {
  readonly envelopes: readonly Envelope[];
  /** 0 for a transient event. */
  readonly serial: number;
  readonly terms: AppendTerms;
  readonly bytes: number;
}

interface Run {
  readonly serial: number;
  readonly position: number;
  readonly storedAt: number;
  readonly durability: string;
  count: number;
}

const RETRY_MS = 5;
const TELL: AppendTerms = { fresh: true };

/**
 * Events of a worker on their way into the bus. Ordering: as they were sent. Capacity: what the ingress and the store's
 * backlog have no room for waits here; the worker gets its credits back when an event has been accepted, so that no
 * more than those, in number and in bytes, ever wait. Failure: what is refused is told to the worker, which dead-letters nothing by itself.
 */
export class Incoming {
  readonly #port: IncomingPort;
  readonly #waiting = new Fifo<Item>();
  #status: 'flowing' | 'waiting' | 'ended' = 'flowing';
  #taken = 0;
  #takenBytes = 0;
  #runs: Run[] = [];

  constructor(port: IncomingPort) {
    this.#port = port;
  }

  append(serial: number, events: readonly TelltaleEvent[], sizes: readonly number[], terms: AppendTerms): void {
    const { chains } = terms;
    const envelopes = events.map((event, i) => this.#envelope(event, sizes[i]!, false, chains?.[i] ?? undefined));
    this.#push({ envelopes, serial, terms, bytes: sizes.reduce((sum, bytes) => sum + bytes, 0) });
  }

  tell(event: TelltaleEvent, bytes: number, chain: Chain | undefined): void {
    this.#push({ envelopes: [this.#envelope(event, bytes, true, chain)], serial: 0, terms: TELL, bytes });
  }

  /** Credits and receipts, gathered until a frame leaves. */
  takeLast(): readonly Message[] {
    if (this.#taken === 0 && this.#runs.length === 0) return [];
    const messages: Message[] = this.#runs.map(toMessage);
    if (this.#taken > 0) messages.push(['taken', this.#taken, this.#takenBytes]);
    this.#runs = [];
    this.#taken = 0;
    this.#takenBytes = 0;
    return messages;
  }

  #envelope(event: TelltaleEvent, bytes: number, transient: boolean, chain: Chain | undefined): Envelope {
    // What is parsed is this side's own, and many will see it.
    deepFrozen(event);
    const envelope = new Envelope(event, bytes, transient, true, chain ?? NO_CHAIN, this.#port.bus.owner);
    envelope.origin = this.#port.origin;
    return envelope;
  }

  #push(item: Item): void {
    if (this.#status === 'flowing' && this.#takeNow(item)) return;
    this.#waiting.push(item);
  }

  /** False where there is no room; then it is called again when there is. */
  #takeNow(item: Item): boolean {
    const { bus } = this.#port;
    const full = item.serial > 0 ? bus.full(item.envelopes.length, item.bytes) : undefined;
    if (full && isTelltaleError(full, 'STORE_BACKLOG_FULL')) return this.#wait((go) => bus.clock.after(RETRY_MS, go));
    if (!bus.room(item.bytes)) return this.#wait((go) => bus.whenRoom(item.bytes, go));
    this.#take(item);
    return true;
  }

  #wait(start: (go: () => void) => void): false {
    this.#status = 'waiting';
    start(() => {
      this.#status = 'flowing';
      for (let next = this.#waiting.peek(); next && this.#takeNow(next); next = this.#waiting.peek())
        this.#waiting.shift();
    });
    return false;
  }

  #take({ envelopes, serial, terms, bytes }: Item): void {
    this.#taken += envelopes.length;
    this.#takenBytes += bytes;
    this.#port.touch();
    if (serial === 0) return this.#tell(envelopes[0]!);
    const { bus } = this.#port;
    try {
      if (envelopes.length > 1) return this.#commit(serial, envelopes, terms);
      bus.carry(envelopes[0]!, terms.fresh, terms.expect, (settled) => this.#settled(serial, settled));
    } catch (error) {
      this.#refuse(serial, error);
    }
  }

  #tell(envelope: Envelope): void {
    const { type } = envelope.event;
    if (!this.#port.isWanted(type)) this.#port.send(['unwanted', type]);
    this.#port.bus.carry(envelope, true, undefined);
  }

  #commit(serial: number, envelopes: readonly Envelope[], { fresh, expect }: AppendTerms): void {
    this.#port.bus.commit(envelopes, expect, fresh).then(
      ({ position, revisions, storedAt, duplicate, durability }) =>
        this.#port.send([
          'stored',
          serial,
          [position, storedAt, durability as Durability, duplicate ? 1 : 0, revisions],
        ]),
      (error: unknown) => this.#refuse(serial, error),
    );
  }

  #settled(serial: number, settled: Settled): void {
    if ('error' in settled) return this.#refuse(serial, settled.error);
    if (settled.status === 'unstored') return this.#note({ serial, position: 0, storedAt: 0, durability: 'none' });
    const { position, storedAt, durability, duplicate, revisions } = settled.receipt;
    if (!duplicate && (revisions[0] ?? 0) === 0) return this.#note({ serial, position, storedAt, durability });
    this.#port.send(['stored', serial, [position, storedAt, durability, duplicate ? 1 : 0, revisions]]);
  }

  // Most receipts say the same of appends one behind the other.
  #note(receipt: Omit<Run, 'count'>): void {
    const last = this.#runs.at(-1);
    if (last && follows(last, receipt)) last.count++;
    else this.#runs.push({ ...receipt, count: 1 });
    this.#port.touch();
  }

  #refuse(serial: number, error: unknown): void {
    this.#port.send(['not-stored', serial, errorToPlain(error)]);
  }
}

function follows(run: Run, { serial, position, storedAt, durability }: Omit<Run, 'count'>): boolean {
  return (
    serial === run.serial + run.count &&
    (position === 0 ? run.position === 0 : position === run.position + run.count) &&
    storedAt === run.storedAt &&
    durability === run.durability
  );
}

function toMessage({ serial, position, storedAt, durability, count }: Run): Message {
  const frame: ReceiptFrame = [position, storedAt, durability as Durability, 0];
  return count === 1 ? ['stored', serial, frame] : ['stored', serial, frame, count];
}
