import type { Cause } from '../context.ts';
import { mustNotBeCaptured } from '../context.ts';
import { TelltaleError, expected } from '../errors.ts';
import type { Addressee, Answerer, LateOutcome, QuestionTerms, RemoteReplies } from '../event/asking.ts';
import type { Envelope, Recipient } from '../event/envelope.ts';
import type { Metadata, TelltaleEvent } from '../event/event.ts';
import { checkType, isReserved } from '../event/type-name.ts';
import { Answerers, alone, besides, type Candidates } from './answerers.ts';
import type { Answer, Call, CallPort, CallTerms, Pending } from './call.ts';
import { Deadlines } from './deadlines.ts';
import { Each, type EachAnswer, type OneOfMany } from './each.ts';
import { Incoming } from './incoming.ts';
import { parseAsk, type AskTerms } from './options.ts';
import { busClosed, cycle, noAnswerer, timedOut } from './refusals.ts';
import { StreamCall } from './stream-call.ts';
import { WholeCall, type Settle } from './whole-call.ts';

/** What `Asks` reaches of the bus. */
export interface AskPort extends Pick<CallPort, 'clock' | 'record'> {
  /** Names of the options that every event takes. */
  readonly eventOptions: readonly string[];
  isInside(cause: Cause | undefined): boolean;
  /** Takes a request in and dispatches it, with `call` as its recipient. Throws the refusals of events. */
  send(cause: Cause | undefined, request: Request, call: Recipient & Pick<Pending, 'cancel'>): TelltaleEvent;
  late(address: string, request: Envelope, outcome: LateOutcome): void;
  /** Calls the first when the bus begins to close, the second when all handlers have ended, the third when it ends its streams. */
  onClosing(begun: () => void, settled: () => void, ended: () => void): void;
}

export interface Request {
  readonly type: string;
  readonly payload: unknown;
  readonly options: Readonly<Record<string, unknown>>;
  readonly metadata: Metadata | undefined;
}

/** Whether asks were answered; asked = answered + failed + waiting. */
export interface AskFigures {
  readonly asked: number;
  readonly answered: number;
  readonly failed: number;
  readonly waiting: number;
  /** Answers that came after their asker had given up. */
  readonly late: number;
}

/** Everything one bus asks, and whoever answers it. */
export class Asks {
  /** Is asked what nobody here takes, and whenever everybody is asked: the other end of a link. */
  elsewhere: Answerer | undefined;
  readonly #port: AskPort;
  readonly #calls: CallPort;
  readonly #pending: Deadlines<Pending>;
  readonly #groups = new Map<string, Answerers>();
  readonly #listeners = new Set<(type: string, answered: boolean) => void>();
  #asked = 0;
  #answered = 0;
  #failed = 0;
  #late = 0;
  #incoming = 0;
  #closing: 'unwatched' | 'watched' = 'unwatched';

  constructor(port: AskPort) {
    const { clock } = port;
    this.#port = port;
    this.#pending = new Deadlines(clock);
    this.#calls = {
      clock,
      pending: this.#pending,
      record: port.record,
      ended: (ok) => void (ok ? this.#answered++ : this.#failed++),
      late: (address, request, outcome) => this.#sayLate(address, request, outcome),
    };
  }

  get figures(): AskFigures {
    const { size } = this.#pending;
    const waiting = size - this.#incoming;
    return { asked: this.#asked, answered: this.#answered, failed: this.#failed, waiting, late: this.#late };
  }

  /** The types that somebody here answers. */
  get types(): readonly string[] {
    return [...this.#groups.keys()];
  }

  /** Calls `listener` when the first answerer of a type comes, and when the last one goes. Returns the undo. */
  onTypes(listener: (type: string, answered: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Adds somebody to those who answer a type; returns the undo. Throws `INVALID_TYPE`, `RESERVED_TYPE`. */
  answer(type: string, answerer: Answerer): () => void {
    mustBeOwn(type, 'answer');
    let group = this.#groups.get(type);
    if (!group) {
      this.#groups.set(type, (group = new Answerers()));
      for (const listener of this.#listeners) listener(type, true);
    }
    const joined = group;
    joined.add(answerer);
    return () => this.#leave(type, joined, answerer);
  }

  /** Asks whoever answers the type, or `whom` alone. Rejects; nobody has to look. */
  ask(cause: Cause | undefined, type: string, payload: unknown, options?: unknown, whom?: Addressee): Promise<unknown> {
    const deferred = new Deferred();
    try {
      const terms = this.#parse('ask', options);
      const make = (about: CallTerms): Call => new WholeCall(this.#calls, about, terms.to, deferred);
      this.#start(cause, { type, payload, terms, whom }, make);
    } catch (error) {
      deferred.reject(error);
    }
    return deferred.promise;
  }

  /** The parts of an answer as they come. The request is sent at once; what is wrong with it comes with the first part. */
  askStream(
    cause: Cause | undefined,
    type: string,
    payload: unknown,
    options?: unknown,
    whom?: Addressee,
  ): AsyncIterableIterator<unknown, undefined> {
    const terms = this.#parse('askStream', options);
    let call: StreamCall | undefined;
    this.#start(cause, { type, payload, terms, whom }, (about) => (call = new StreamCall(this.#calls, about)));
    return call!;
  }

  /** Throws `INVALID_OPTION`; what becomes of each question is in its answer. */
  askEach(
    cause: Cause | undefined,
    type: string,
    payloads: Iterable<unknown> | AsyncIterable<unknown>,
    options?: unknown,
  ): AsyncIterableIterator<EachAnswer, undefined> {
    const { signal, ...terms } = this.#parse('askEach', options);
    if (!isIterable(payloads)) throw expected('INVALID_OPTION', 'the payloads of askEach', 'iterable', payloads);
    mustNotBeCaptured(`asking \`${type}\``, cause);
    const ask = (payload: unknown) =>
      this.#askOne(cause, { type, payload, terms: { ...terms, signal: undefined }, whom: undefined });
    return new Each(payloads, { address: type, concurrency: terms.concurrency, signal, ask });
  }

  /**
   * A question that came over the link `from`: hands it to whoever answers its type, that link apart. `replies` are told
   * what becomes of it.
   */
  receive(request: Envelope, terms: QuestionTerms, replies: RemoteReplies, from: Answerer): void {
    this.#watchClosing();
    const incoming = new Incoming(request, terms, replies, {
      clock: this.#port.clock,
      pending: this.#pending,
      begun: () => void this.#incoming++,
      ended: () => void this.#incoming--,
      late: (outcome) => this.#sayLate(request.event.type, request, outcome),
    });
    incoming.begin(this.#candidates(request.event.type), from);
  }

  #parse(of: 'ask' | 'askEach' | 'askStream', options: unknown): AskTerms {
    this.#watchClosing();
    return parseAsk(of, options, this.#port.eventOptions);
  }

  #askOne(cause: Cause | undefined, given: Given): OneOfMany {
    let call: Call | undefined;
    let event: TelltaleEvent | undefined;
    const outcome = new Promise<Answer>((settle) => {
      const resolve = (value: unknown): void => settle({ ok: true, value });
      const reject = (error: TelltaleError): void => settle({ ok: false, error });
      try {
        const make = (about: CallTerms): Call => (call = new WholeCall(this.#calls, about, 'one', { resolve, reject }));
        event = this.#start(cause, given, make);
      } catch (error) {
        reject(error as TelltaleError);
      }
    });
    return { event, outcome, cancel: (reason) => call?.cancel(reason) };
  }

  /** What is wrong before there is a call is thrown, the rest ends the call. */
  #start(cause: Cause | undefined, given: Given, make: (about: CallTerms) => Call): TelltaleEvent | undefined {
    const { type, payload, terms, whom } = given;
    mustNotBeCaptured(`asking \`${type}\``, cause);
    const call = make(this.#terms(cause, given));
    this.#asked++;
    call.begin();
    try {
      if (!whom) mustBeOwn(type, 'ask');
      const refusal = this.#refusal(cause, call, given);
      if (refusal) throw refusal;
      return this.#port.send(cause, { type, payload, options: terms.event, metadata: whom?.metadata }, call);
    } catch (error) {
      call.cancel(error as TelltaleError);
      return undefined;
    }
  }

  #terms(cause: Cause | undefined, { type, terms, whom }: Given): CallTerms {
    const above = cause?.asking?.status === 'open' ? cause.asking : undefined;
    const address = whom?.address ?? type;
    return {
      address,
      path: [...pathAbove(cause), address],
      candidates: whom ? alone(whom.answerer) : this.#candidates(type),
      timeoutMs: terms.timeoutMs,
      limitMs: above ? this.#port.clock.monotonic() + above.remainingMs : Infinity,
      store: terms.store,
      signal: terms.signal,
      inside: this.#port.isInside(cause),
    };
  }

  #candidates(type: string): Candidates {
    const here = this.#groups.get(type);
    if (!this.elsewhere) return here ?? NOBODY;
    return here ? besides(here, alone(this.elsewhere)) : alone(this.elsewhere);
  }

  /** Why it need not be sent. */
  #refusal(cause: Cause | undefined, call: Call, { terms: { signal }, whom }: Given): TelltaleError | undefined {
    const { address, candidates } = call.terms;
    if (signal?.aborted)
      return new TelltaleError('ABORTED', `the ask of \`${address}\` was aborted`, { cause: signal.reason });
    const path = pathAbove(cause);
    if (!whom?.several && path.includes(address)) return cycle(address, path);
    const above = cause?.asking;
    if (above && above.status !== 'answered' && above.remainingMs <= 0)
      return timedOut(address, 'the question above was given up before one', {});
    return candidates === NOBODY ? noAnswerer(address) : undefined;
  }

  #leave(type: string, group: Answerers, answerer: Answerer): void {
    group.remove(answerer);
    if (group.size > 0 || this.#groups.get(type) !== group) return;
    this.#groups.delete(type);
    for (const listener of this.#listeners) listener(type, false);
  }

  #sayLate(address: string, request: Envelope, outcome: LateOutcome): void {
    this.#late++;
    this.#port.late(address, request, outcome);
  }

  // Only with the first question: a bus that asks nothing closes without a turn of the event loop for it.
  #watchClosing(): void {
    if (this.#closing === 'watched') return;
    this.#closing = 'watched';
    const close = (which: (call: Pending) => boolean): void => {
      for (const call of this.#pending.items) if (which(call)) call.cancel(busClosed(call.address));
    };
    this.#port.onClosing(
      () => close(({ inside, endless }) => !inside && endless),
      () => close(({ inside }) => !inside),
      () => close(() => true),
    );
  }
}

interface Given {
  readonly type: string;
  readonly payload: unknown;
  readonly terms: AskTerms;
  readonly whom: Addressee | undefined;
}

/** Whom the questions above went to, and the actor that asks: a question to one of them would never be answered. */
function pathAbove(cause: Cause | undefined): readonly string[] {
  const { asking, receiver } = cause ?? {};
  const path = asking && asking.status !== 'answered' ? asking.path : [];
  return receiver === undefined || path.includes(receiver) ? path : [...path, receiver];
}

const NOBODY: Candidates = new Answerers();

/** A Promise whose rejection may stay unseen: the books count it. */
class Deferred implements Settle {
  readonly promise: Promise<unknown>;
  declare resolve: (value: unknown) => void;
  declare fail: (error: unknown) => void;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.fail = reject;
    });
  }

  reject(reason: unknown): void {
    this.fail(reason);
    // Whoever awaits it is told; nobody may be.
    void this.promise.catch(() => undefined);
  }
}

/** Throws `INVALID_TYPE`, `RESERVED_TYPE`. */
function mustBeOwn(type: string, to: 'ask' | 'answer'): void {
  if (isReserved(checkType(type)))
    throw expected('RESERVED_TYPE', `the type to ${to}`, 'a name of your own (types with $ are the bus’s)', type);
}

function isIterable(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return Symbol.iterator in value || Symbol.asyncIterator in value;
}
