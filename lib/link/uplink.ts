import type { Clock } from '../clock.ts';
import { NO_CHAIN, runWithCause, type Retelling } from '../context.ts';
import { expected, type TelltaleError } from '../errors.ts';
import { errorFromPlain, errorToPlain } from '../event/crossing-error.ts';
import { deepFrozen } from '../event/deep-frozen.ts';
import { Envelope } from '../event/envelope.ts';
import type { Failure } from '../invoke/invoke.ts';
import type { PendingAppend } from '../store/port.ts';
import type { BusPort, Local } from './bus-port.ts';
import { Calls } from './calls.ts';
import {
  CREDIT_BYTES,
  PROTOCOL,
  receive,
  type AppendTerms,
  type Message,
  type Offer,
  type Receivers,
  type TypeInfo,
} from './frames.ts';
import { Interests, mustTell } from './interests.ts';
import { Outgoing } from './outgoing.ts';
import type { ProxyStore } from './proxy-store.ts';
import { Questions } from './questions.ts';
import type { Transport } from './transport.ts';
import { Wire } from './wire.ts';

const MIB = 1024 * 1024;

/**
 * The worker's end of a link. Events come for an interest and reach its subscriptions only; one is acknowledged when
 * all of their handlers have ended. What the bus emits goes to the parent, behind what was emitted before it and before
 * the acknowledgement of the event it comes from. Failure: where the parent is gone the bus's store has stopped;
 * local subscriptions go on. Closing: `leave` when the bus begins to close, `closed` when all is stored.
 */
export class Uplink {
  readonly #wire: Wire;
  readonly #calls: Calls;
  readonly #interests: Interests;
  readonly #questions: Questions;
  #outgoing: Outgoing | undefined;
  #bus: BusPort | undefined;
  #store: ProxyStore | undefined;
  #done: number[] = [];
  #offered!: (offer: Offer) => void;
  #welcomed!: () => void;
  #refused!: (error: unknown) => void;
  #failed!: (error: unknown) => void;
  readonly #receivers: Receivers = {
    offer: ([, offer]) => this.#offered(offer),
    welcome: () => this.#welcomed(),
    refused: ([, error]) => this.#refused(errorFromPlain(error)),
    event: (message) => this.#deliver(message),
    stored: ([, serial, frame, count]) => this.#outgoing!.stored(serial, frame, count),
    'not-stored': ([, serial, error]) => this.#outgoing!.refused(serial, error),
    taken: ([, count, bytes]) => this.#outgoing!.taken(count, bytes),
    wanted: ([, type]) => this.#outgoing!.want(type, true),
    unwanted: ([, type]) => this.#outgoing!.want(type, false),
    reply: ([, id, value]) => this.#calls.replied(id, value),
    error: ([, id, error]) => this.#calls.failed(id, error),
    moved: ([, after, through]) => this.#store?.moved(after, through),
    removed: ([, ranges]) => this.#store?.forget(ranges),
    ask: (message) => this.#questions.asked(message),
    answer: ([, id, kind, value]) => this.#questions.answered(id, kind, value),
    'taken-part': ([, id]) => this.#questions.taken(id),
    forget: ([, id, reason]) => this.#questions.forgotten(id, reason),
    ping: () => this.#wire.send(['pong']),
    drain: () => this.onDrain(),
  };
  /** The parent has asked for the end. */
  onDrain: () => void = () => undefined;
  readonly offer: Promise<Offer>;
  readonly #welcome: Promise<void>;

  constructor(transport: Transport, clock: Clock) {
    this.offer = new Promise((resolve, reject) => {
      this.#offered = resolve;
      this.#failed = reject;
    });
    this.#welcome = new Promise((resolve, reject) => {
      this.#welcomed = resolve;
      this.#refused = reject;
    });
    // Whoever connects awaits them, or has given up.
    this.offer.catch(() => undefined);
    this.#welcome.catch(() => undefined);
    this.#wire = new Wire(transport, {
      clock,
      receive: (message) => receive(this.#receivers, message),
      last: () => this.#takeDone(),
      ended: (error) => this.#end(error),
    });
    this.#calls = new Calls((message) => this.#wire.send(message));
    this.#interests = new Interests((message) => this.#wire.send(message));
    const send = (message: Message, bytes?: number): void => this.#wire.send(message, bytes);
    this.#questions = new Questions({ bus: () => this.#bus!, send, other: 'the parent' });
  }

  /** Introduces this side. Rejects with `SCHEMA_CONFLICT` where the two declare a type differently. */
  async introduce(types: readonly TypeInfo[]): Promise<void> {
    const { credits: _, upCredits, store, protocol } = await this.offer;
    if (protocol !== PROTOCOL) throw expected('LINK_BROKEN', 'the protocol of the parent', `${PROTOCOL}`, protocol);
    this.#outgoing = new Outgoing(
      (message, bytes) => this.#wire.send(message, bytes),
      { credits: upCredits, maxEventBytes: store?.maxEventBytes ?? 8 * MIB },
      (type) => this.#bus?.countLost(type),
    );
    this.#wire.send(['hello', { protocol: PROTOCOL, types }]);
    await this.#welcome;
  }

  /** From here on the bus and its parent hear of each other. */
  async attach(bus: BusPort, store: ProxyStore): Promise<void> {
    const { credits, maxEventBytes, seat } = await this.offer;
    this.#bus = bus;
    this.#store = store;
    bus.linkTo({
      room: { max: credits, maxBytes: CREDIT_BYTES + maxEventBytes },
      mustTell,
      announce: (local, mailbox) => this.#interests.add(local, mailbox),
      nameOf: (recipient, kind) =>
        kind === 'group' ? recipient : `${kind === 'answer' ? seat.own : seat.shared} ${recipient}`,
    });
    bus.uplink((envelope) => this.#outgoing!.tell(envelope));
    bus.askElsewhere(this.#questions);
    for (const type of bus.answeredTypes()) this.#wire.send(['answers', type, true]);
    bus.onAnswerers((type, isAnswered) => this.#wire.send(['answers', type, isAnswered]));
    bus.onLeave(() => this.#leave());
    // Behind what the script subscribes as soon as it is connected.
    setImmediate(() => this.#wire.send(['ready']));
  }

  append(append: PendingAppend, terms: AppendTerms): void {
    this.#outgoing!.append(append, terms);
  }

  call(method: string, args: readonly unknown[]): Promise<unknown> {
    return this.#calls.call(method, args);
  }

  watch(): void {
    this.#wire.send(['watch']);
  }

  closed(): void {
    this.#wire.send(['bye']);
    this.#wire.end();
  }

  /** An event has been dealt with here. */
  settle(seq: number, failure: Failure | undefined): void {
    if (failure) return this.#wire.send(['failed', seq, errorToPlain(failure.error), failure.attempts]);
    const done = this.#done;
    const last = done.length - 2;
    const end = last < 0 ? undefined : done[last]! + done[last + 1]!;
    if (end === seq) done[last + 1]!++;
    else done.push(seq, 1);
    this.#wire.touch();
  }

  /** Nobody is there for it any more: another worker may have it. */
  decline(seq: number): void {
    this.#wire.send(['declined', seq]);
  }

  #takeDone(): readonly Message[] {
    if (this.#done.length === 0) return [];
    const done = this.#done;
    this.#done = [];
    return [['done', ...done]];
  }

  // Resolves when nothing is on its way to this side any more.
  async #leave(): Promise<void> {
    if (!this.#wire.isOpen) return;
    this.#interests.leave();
    // It fails where the link ends meanwhile, and `#end` tells everybody.
    await this.#calls.call('leave', []).catch(() => undefined);
  }

  #deliver([, seq, id, event, transient, position, bytes, chain]: Extract<
    Message,
    readonly ['event', ...unknown[]]
  >): void {
    const all = this.#interests.get(id)?.locals ?? [];
    const locals = all.every(isLive) ? all : all.filter(isLive);
    if (locals.length === 0) return this.decline(seq);
    // An event that only one subscription sees is its own.
    if (locals.length > 1) deepFrozen(event);
    const delivery = new Delivery(this, seq, locals.length);
    const envelope = new Envelope(event, bytes, transient === 1, true, chain ?? NO_CHAIN, this.#bus!.owner);
    envelope.position = position;
    (envelope as { retelling?: Retelling }).retelling = delivery;
    runWithCause(envelope, take, { locals, envelope });
  }

  #end(error: TelltaleError): void {
    this.#failed(error);
    this.#refused(error);
    this.#calls.end(error);
    this.#questions.end(error);
    this.#outgoing?.end(error);
  }
}

/** One event in the hands of this worker's handlers. */
class Delivery implements Retelling {
  readonly id = undefined;
  readonly capture = undefined;
  readonly #uplink: Uplink;
  readonly #seq: number;
  #left: number;
  #handled = false;
  #failure: Failure | undefined;

  constructor(uplink: Uplink, seq: number, left: number) {
    this.#uplink = uplink;
    this.#seq = seq;
    this.#left = left;
  }

  failed(_: object, error: unknown, attempts: number): void {
    this.#failure ??= { error, attempts };
  }

  dropped(): void {
    this.#settle();
  }

  ended(): void {
    this.#handled = true;
    this.#settle();
  }

  #settle(): void {
    if (--this.#left > 0) return;
    if (this.#handled) this.#uplink.settle(this.#seq, this.#failure);
    else this.#uplink.decline(this.#seq);
  }
}

const isLive = ({ live }: Local): boolean => live;

interface Taking {
  readonly locals: readonly Local[];
  readonly envelope: Envelope;
}

function take({ locals, envelope }: Taking): void {
  for (const local of locals) local.take(envelope);
}
