import { TelltaleError } from '../errors.ts';
import { errorFromPlain, errorToPlain } from '../event/crossing-error.ts';
import type { Plain } from '../event/event.ts';
import type { Failure } from '../invoke/invoke.ts';
import type { BusPort } from './bus-port.ts';
import { mustBeAppend, mustBeAsk, mustBeDone, mustBeHello, mustBeTell } from './check-frames.ts';
import { compareTypes } from './compare-types.ts';
import type { Delivery } from './delivery.ts';
import { CREDIT_BYTES, receive, type Interest, type Message, type Offer, type Receivers } from './frames.ts';
import { Incoming } from './incoming.ts';
import { Numbered } from './numbered.ts';
import { Questions } from './questions.ts';
import { serveStore } from './serve-store.ts';
import type { Transport } from './transport.ts';
import { Wire } from './wire.ts';

/** What a worker's end of a link tells its pool. */
export interface MemberPort {
  readonly bus: BusPort;
  /** Its place in the pool: what its events have come in through, whichever worker is there. */
  readonly origin: object;
  readonly offer: Offer;
  /** The worker's script has set up what it does at first. */
  ready(): void;
  hear(interest: Interest): void;
  unhear(id: number): void;
  /** The handlers of an event have ended there. */
  settled(delivery: Delivery, failure: Failure | undefined): void;
  /** Nobody there takes it any more. */
  declined(delivery: Delivery): void;
  /** There are free credits again. */
  eased(): void;
  /** Its bus closes, or has closed. */
  leaves(): void;
  /** All it had to say is said; its thread or process may live on. */
  bye(): void;
  /** Would a transient event of this type reach anybody else? */
  isWanted(type: string): boolean;
  /** `said` where the worker has said goodbye, or was refused: then it is no death. */
  ended(reason: TelltaleError, said: 'bye' | 'refused' | undefined): void;
}

/**
 * One connected worker, seen from the parent. Ordering: events as they are handed in. Capacity: `credits` events, of 16 MiB, are
 * on their way, `free` says how many more may be. Failure: what it had in its hands when it went is in `inFlight`.
 */
export class Member {
  readonly inFlight = new Numbered<Delivery>();
  readonly #wire: Wire;
  readonly #port: MemberPort;
  readonly #incoming: Incoming;
  readonly #unwanted = new Set<string>();
  readonly #questions: Questions;
  readonly #answered = new Map<string, () => void>();
  #seq = 0;
  #bytesInFlight = 0;
  #said: 'bye' | 'refused' | undefined;
  #status: 'offered' | 'linked' | 'leaving' | 'ended' = 'offered';
  #stopWatching: (() => void) | undefined;
  #stopRemovals: (() => void) | undefined;
  received = 0;

  readonly #receivers: Receivers = {
    hello: ([, hello]) => void this.#introduced(hello),
    ready: () => this.#port.ready(),
    done: (message) => this.#done(message),
    failed: ([, seq, error, attempts]) => this.#settle(seq, { error: errorFromPlain(error), attempts }),
    declined: ([, seq]) => this.#decline(seq),
    hear: ([, interest]) => this.#port.hear(interest),
    unhear: ([, id]) => this.#port.unhear(id),
    append: (message) => {
      mustBeAppend(message);
      const [, serial, events, sizes, terms] = message;
      this.received += events.length;
      this.#incoming.append(serial, events, sizes, terms);
    },
    tell: (message) => {
      mustBeTell(message);
      this.received++;
      this.#incoming.tell(message[1], message[2], message[3]);
    },
    call: ([, id, method, args]) => void this.#answer(id, method, args),
    watch: () => this.#watch(),
    answers: ([, type, isAnswered]) => this.#answers(type, isAnswered),
    ask: (message) => {
      mustBeAsk(message);
      this.#questions.asked(message);
    },
    answer: ([, id, kind, value]) => this.#questions.answered(id, kind, value),
    'taken-part': ([, id]) => this.#questions.taken(id),
    forget: ([, id, reason]) => this.#questions.forgotten(id, reason),
    pong: () => undefined,
    bye: () => {
      this.#said = 'bye';
      this.#status = 'leaving';
      this.#port.leaves();
      this.#port.bye();
    },
  };

  constructor(transport: Transport, port: MemberPort) {
    this.#port = port;
    this.#incoming = new Incoming({
      bus: port.bus,
      origin: port.origin,
      send: (message) => this.#wire.send(message),
      touch: () => this.#wire.touch(),
      isWanted: (type) => this.#isWanted(type),
    });
    this.#wire = new Wire(transport, {
      clock: port.bus.clock,
      receive: (message) => receive(this.#receivers, message),
      last: () => this.#incoming.takeLast(),
      ended: (error) => this.#end(error),
    });
    const send = (message: Message, bytes?: number): void => this.#wire.send(message, bytes);
    this.#questions = new Questions({ bus: () => port.bus, send, other: port.offer.name });
    this.#wire.send(['offer', port.offer]);
    this.#stopRemovals = port.bus.store?.onRemove((ranges) => this.#wire.send(['removed', ranges]));
  }

  /** How many events more it may have. */
  get free(): number {
    if (this.#status !== 'linked' || this.#bytesInFlight >= CREDIT_BYTES) return 0;
    return this.#port.offer.credits - this.inFlight.size;
  }

  get heardMs(): number {
    return this.#wire.heardMs;
  }

  send(delivery: Delivery, interest: number): void {
    const seq = ++this.#seq;
    const { event, transient, position, chain, bytes } = delivery.envelope;
    this.inFlight.add(seq, delivery);
    this.#bytesInFlight += bytes;
    const kind = transient ? 1 : 0;
    if (chain.depth === 0) return this.#wire.send(['event', seq, interest, event, kind, position, bytes], bytes);
    this.#wire.send(['event', seq, interest, event, kind, position, bytes, chain], bytes);
  }

  ping(): void {
    this.#wire.send(['ping']);
  }

  drain(): void {
    this.#wire.send(['drain']);
  }

  /** Ends the link from this side; nothing more is told. */
  end(): void {
    this.#finish();
    this.#wire.end();
  }

  /** Somebody new may listen to what was not wanted. */
  joined(): void {
    for (const type of this.#unwanted) {
      if (!this.#port.isWanted(type)) continue;
      this.#unwanted.delete(type);
      this.#wire.send(['wanted', type]);
    }
  }

  #isWanted(type: string): boolean {
    if (this.#port.isWanted(type)) return true;
    this.#unwanted.add(type);
    return false;
  }

  #done(message: Extract<Message, readonly ['done', ...unknown[]]>): void {
    mustBeDone(message, this.#seq, this.#port.offer.credits);
    for (let i = 1; i < message.length; i += 2) {
      const from = message[i] as number;
      const end = from + (message[i + 1] as number);
      for (let seq = from; seq < end; seq++) this.#settle(seq);
    }
    this.#port.eased();
  }

  #settle(seq: number, failure?: Failure): void {
    const delivery = this.#take(seq);
    if (!delivery) return;
    this.#port.settled(delivery, failure);
    if (failure) this.#port.eased();
  }

  #decline(seq: number): void {
    const delivery = this.#take(seq);
    if (delivery) this.#port.declined(delivery);
  }

  #take(seq: number): Delivery | undefined {
    const delivery = this.inFlight.take(seq);
    if (delivery) this.#bytesInFlight -= delivery.envelope.bytes;
    return delivery;
  }

  async #introduced(hello: unknown): Promise<void> {
    try {
      const types = mustBeHello(hello);
      compareTypes(await this.#port.bus.types(), types, this.#port.offer.name);
    } catch (error) {
      return this.#refuse(error);
    }
    if (this.#status !== 'offered') return;
    this.#status = 'linked';
    this.#wire.send(['welcome']);
  }

  #refuse(error: unknown): void {
    const { name } = this.#port.offer;
    this.#said = 'refused';
    this.#wire.send(['refused', errorToPlain(error)]);
    const cause = error instanceof TelltaleError ? error : undefined;
    this.#finish();
    this.#port.ended(
      cause ?? new TelltaleError('WORKER_FAILED', `worker \`${name}\` was refused`, { cause: error }),
      'refused',
    );
  }

  async #answer(id: number, method: string, args: readonly unknown[]): Promise<void> {
    try {
      if (method === 'leave') {
        this.#leave();
        this.#port.leaves();
      }
      const value = method === 'leave' ? null : await serveStore(this.#port.bus.store, method, args);
      this.#wire.send(['reply', id, value ?? null]);
    } catch (error) {
      this.#wire.send(['error', id, errorToPlain(error) satisfies Plain]);
    }
  }

  // Asked over the link like anybody else who answers it.
  #answers(type: string, isAnswered: boolean): void {
    this.#answered.get(type)?.();
    this.#answered.delete(type);
    if (isAnswered) this.#answered.set(type, this.#port.bus.answer(type, this.#questions));
  }

  #leave(): void {
    for (const undo of this.#answered.values()) undo();
    this.#answered.clear();
    if (this.#status === 'linked') this.#status = 'leaving';
  }

  #watch(): void {
    this.#stopWatching ??= this.#port.bus.store?.onCommit((events) =>
      this.#wire.send(['moved', events[0]!.position - 1, events.at(-1)!.position]),
    );
  }

  #end(error: TelltaleError): void {
    if (this.#status === 'ended') return;
    this.#finish(error);
    this.#port.ended(error, this.#said);
  }

  #finish(reason: Error = new Error('the link was ended')): void {
    this.#leave();
    this.#status = 'ended';
    this.#questions.end(reason);
    this.#stopWatching?.();
    this.#stopRemovals?.();
  }
}
