import type { Clock } from '../clock.ts';
import { runWithCause } from '../context.ts';
import { warnOfFault } from '../errors.ts';
import type { Envelope } from '../event/envelope.ts';
import type { TelltaleEvent } from '../event/event.ts';
import type { Filter } from '../filter/language.ts';
import type { ContextPort } from '../invoke/handler-context.ts';
import { HandlerContext } from '../invoke/handler-context.ts';
import type { Failure } from '../invoke/invoke.ts';
import { invoke } from '../invoke/invoke.ts';
import type { Handed, LinkEnd } from '../invoke/link-end.ts';
import { createCounts } from '../mailbox/counts.ts';
import { createKeyedMailbox } from '../mailbox/keyed-mailbox.ts';
import type { Mailbox } from '../mailbox/mailbox.ts';
import type { MailboxLimits } from '../mailbox/overflow.ts';
import { isFull, offer } from '../mailbox/overflow.ts';
import { createPlainMailbox } from '../mailbox/plain-mailbox.ts';
import type { Paused, Turn } from '../mailbox/turn.ts';
import type { RetryPolicy } from '../retry.ts';
import { KeyFailure, laneKey } from '../invoke/lane-key.ts';
import { Run, Runs } from './runs.ts';
import type { SubscriptionFigures } from './subscription-figures.ts';
import type { Target } from './target.ts';

export type Handler = (event: TelltaleEvent, context: HandlerContext) => unknown;

export interface SubscriptionOptions {
  readonly pattern: string;
  readonly handler: Handler;
  readonly where?: (event: TelltaleEvent) => boolean;
  readonly key?: (event: TelltaleEvent) => unknown;
  readonly concurrency: number;
  readonly group?: string;
  readonly retry?: RetryPolicy;
  readonly mailbox: MailboxLimits;
  /** Events that are told again: them alone, or them and the live ones. */
  readonly replay?: 'only' | 'both';
  /** An event taken is done with: handled, failed or dropped. */
  readonly onEnd?: (envelope: Envelope) => void;
  /** What a reader behind the handler has not read yet: it counts as queued, not as handled. */
  readonly held?: () => { readonly events: number; readonly bytes: number };
  /** Set where its events come from the log: is anything stored that it was not handed yet? */
  readonly isBehind?: () => boolean;
  /** `where` and `key` as they were given, where they can be told to another thread. */
  readonly filter?: Filter;
  readonly keyPath?: string;
  /** A reader that sees every event, in every thread: `once`, `observe`, `iterate`. */
  readonly stream?: boolean;
  /** Is handed questions, and hears nothing. */
  readonly answers?: boolean;
  /** Set where a link takes the handler's place. */
  readonly link?: LinkEnd;
}

/** What a subscription tells the rest of the bus. None of it may throw. */
export interface SubscriptionPort {
  readonly clock: Clock;
  readonly turn: Turn;
  readonly context: ContextPort;
  failed(subscription: Subscription, envelope: Envelope, failure: Failure): void;
  dropped(subscription: Subscription, envelopes: readonly Envelope[]): void;
  waiting(subscription: Subscription, waitedMs: number): void;
  /** Room or rest: whoever waits for it looks again. */
  eased(subscription: Subscription): void;
  handled(subscription: Subscription, tookMs: number): void;
}

const WAITING_REPORT_MS = 1_000;

/**
 * One live listener. Ordering: its events in dispatch order, one at a time; with `key`, in order within a key;
 * with `concurrency` alone, in no promised order. Capacity: a mailbox for what arrives while the handler is busy.
 * Failure: the handler runs alone; what it throws is counted, reported and dead-lettered by the port. Closing: after
 * `remove` the handler is not called any more, what was queued counts as cancelled.
 */
export class Subscription implements Target, Paused {
  readonly options: SubscriptionOptions;
  readonly recipient: string;
  readonly counts = createCounts();
  readonly #port: SubscriptionPort;
  readonly #mailbox: Mailbox<Envelope>;
  /** Asynchronous handlers that have not ended. */
  readonly #running = new Runs();
  /** Of what a link has in its hands. */
  #handedBytes = 0;
  #disowned: ReadonlySet<Envelope> | undefined;
  #status: 'live' | 'removed' = 'live';
  /** With overflow `wait`: spent where publishers waited in vain; one handler that ends shows that it goes on. */
  #patience: 'left' | 'spent' = 'left';
  #abort: AbortController | undefined;
  /** Its handler has answered a Promise: others may follow on it without a turn of the event loop. */
  #isAsync = false;
  #watch: 'off' | 'armed' | 'reported' = 'off';
  #unwatch: (() => void) | undefined;

  constructor(options: SubscriptionOptions, port: SubscriptionPort, recipient: string) {
    this.options = options;
    this.recipient = recipient;
    this.#port = port;
    this.#mailbox = options.key
      ? createKeyedMailbox({ evicts: options.mailbox.overflow === 'drop-oldest' || options.mailbox.overflow === 'lag' })
      : createPlainMailbox();
  }

  get live(): boolean {
    return this.#status === 'live';
  }

  /** Running and queued events; one more where the log has some that it was not handed yet. */
  get load(): number {
    const queued = this.counts.running + this.#mailbox.length;
    return this.options.isBehind?.() ? queued + 1 : queued;
  }

  /** Would one more event run at once, or wait for its key within the limits? */
  get hasRoom(): boolean {
    const { key, mailbox } = this.options;
    if (this.#mayStart && this.#mailbox.length === 0) return true;
    return key !== undefined && !isFull(this.#mailbox, mailbox, 0);
  }

  /** Does its handler run for this event, and has not ended? */
  isHandling(id: string): boolean {
    for (const { envelope } of this.#running) if (envelope.event.id === id) return true;
    return false;
  }

  /** Leaves what still runs to others: answers its events, whose letters they open. */
  disown(): ReadonlySet<Envelope> {
    return (this.#disowned = new Set([...this.#running].map(({ envelope }) => envelope)));
  }

  disowns(envelope: Envelope): boolean {
    return this.#disowned?.has(envelope) === true;
  }

  /** How many more events it could handle at once; negative where events wait. */
  get credit(): number {
    const spare = this.options.concurrency - this.load;
    return this.#mayStart ? spare : Math.min(spare, -this.#mailbox.length);
  }

  get #mayStart(): boolean {
    const { concurrency, link } = this.options;
    return this.counts.running < concurrency && (link === undefined || this.#handedBytes < link.maxBytes);
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (!this.live) this.#abort.abort();
    return this.#abort.signal;
  }

  accepts(event: TelltaleEvent): boolean {
    return this.options.where === undefined || this.options.where(event);
  }

  congested(envelope: Envelope): boolean {
    return this.#patience === 'left' && this.isFull(envelope);
  }

  giveUp(envelope: Envelope): void {
    if (this.isFull(envelope)) this.#patience = 'spent';
  }

  /** With overflow `wait`: has it no room for this event? */
  isFull(envelope: Envelope): boolean {
    const { mailbox } = this.options;
    if (mailbox.overflow !== 'wait' || !this.live || !isFull(this.#mailbox, mailbox, envelope.bytes)) return false;
    if (!this.accepts(envelope.event)) return false;
    // A handler must never wait for its own mailbox: what it emits is turned away instead.
    const { emitter } = envelope.chain;
    if (emitter !== undefined && this.isHandling(emitter)) return false;
    const key = this.#keyOf(envelope);
    return !(key instanceof KeyFailure) && !(this.#mayStart && this.#mailbox.isFree(key));
  }

  offer(envelope: Envelope): void {
    if (this.wants(envelope.event)) this.take(envelope);
  }

  wants(event: TelltaleEvent): boolean {
    return this.live && this.accepts(event);
  }

  again(envelope: Envelope): void {
    this.offer(envelope);
  }

  /** Takes an event that has passed the filter. */
  take(envelope: Envelope): void {
    this.counts.routed++;
    if (this.options.key !== undefined) return this.#takeKeyed(envelope);
    // Without keys nothing but the number of running handlers is in the way: most events pass here and nowhere else.
    if (!this.#mayStart || this.#mailbox.length > 0 || this.#mustPause(envelope)) return this.#queue(envelope);
    this.#start(envelope, undefined);
    if (this.#mailbox.length > 0) this.#pump();
  }

  #takeKeyed(envelope: Envelope): void {
    const key = this.#keyOf(envelope);
    if (key instanceof KeyFailure) return this.#refuse(envelope, key.failure);
    if (!this.#mayStart || this.#mustPause(envelope) || !this.#mailbox.acquire(key)) return this.#queue(envelope, key);
    this.#start(envelope, key);
    // A synchronous handler may have been handed events meanwhile: those of a member of its group that it removed.
    if (this.#mailbox.length > 0) this.#pump();
  }

  #queue(envelope: Envelope, key?: string): void {
    const gone = offer(this.#mailbox, this.options.mailbox, envelope, envelope.bytes, key);
    if (gone.length > 0) {
      this.counts.dropped += gone.length;
      this.#port.dropped(this, gone);
      for (const one of gone) this.#done(one);
    }
    if (this.#watch === 'off') this.#watchQueue();
  }

  /**
   * Ends the subscription; answers what was queued, which `handOver` may give to others. Running handlers finish, their
   * signal is aborted, and they are not tried again.
   */
  remove(handOver?: (queued: readonly Envelope[]) => void): readonly Envelope[] {
    if (!this.live) return [];
    this.#status = 'removed';
    this.#unwatch?.();
    this.#abort?.abort();
    const queued = this.#mailbox.clear();
    this.counts.cancelled += queued.length;
    handOver?.(queued);
    this.#port.eased(this);
    return queued;
  }

  /** A new turn of the event loop has time for what waits. */
  resume(): void {
    this.#pump();
  }

  /** A reader behind the handler had no room for events it had taken: they count as dropped. */
  lose(envelopes: readonly Envelope[]): void {
    this.counts.handled -= envelopes.length;
    this.counts.dropped += envelopes.length;
    this.#port.dropped(this, envelopes);
  }

  figures(): SubscriptionFigures {
    const { pattern, group, key, concurrency, held, isBehind } = this.options;
    const unread = held?.() ?? { events: 0, bytes: 0 };
    return {
      pattern,
      ...(group !== undefined && { group }),
      order: key ? 'key' : concurrency > 1 ? 'none' : isBehind ? 'position' : 'dispatch',
      ...this.counts,
      handled: this.counts.handled - unread.events,
      queued: this.#mailbox.length + unread.events,
      queuedBytes: this.#mailbox.bytes + unread.bytes,
    };
  }

  #keyOf(envelope: Envelope): string | undefined | KeyFailure {
    const { key } = this.options;
    return key && laneKey(key, envelope.event);
  }

  #refuse(envelope: Envelope, failure: Failure): void {
    this.counts.failed++;
    this.#done(envelope, failure);
  }

  // The fast path: a synchronous handler that succeeds allocates its context and nothing else.
  #start(envelope: Envelope, key: string | undefined): void {
    const { handler, retry, link } = this.options;
    this.counts.running++;
    envelope.running++;
    if (link) return this.#hand(link, envelope, key);
    const context = new HandlerContext(envelope, this.#port.context, this);
    const terms = retry && { policy: retry, clock: this.#port.clock, signal: this.signal };
    const outcome = invoke(handler, envelope.event, context, terms);
    if (outcome instanceof Promise) this.#await(envelope, key, outcome);
    else this.#end(envelope, key, outcome);
  }

  // Without the Promises that a handler's answer costs: an event over a link is dearer than most handlers as it is.
  #hand(link: LinkEnd, envelope: Envelope, key: string | undefined): void {
    const handed = new HandedRun(this, envelope, key, this.#port.clock.monotonic());
    this.#running.add(handed);
    this.#handedBytes += envelope.bytes;
    link.take(handed);
    handed.isHanding = false;
  }

  /** What a link was handed has been dealt with. */
  handedBack(handed: HandedRun, failure: Failure | undefined): void {
    this.#running.remove(handed);
    this.#handedBytes -= handed.envelope.bytes;
    this.#port.handled(this, this.#port.clock.monotonic() - handed.startedMs);
    this.#end(handed.envelope, handed.key, failure);
    if (!handed.isHanding) this.#pump();
  }

  #await(envelope: Envelope, key: string | undefined, outcome: Promise<Failure | undefined>): void {
    this.#isAsync = true;
    const run = new Run(envelope, key, this.#port.clock.monotonic());
    this.#running.add(run);
    void outcome.then((failure) => {
      const endedMs = this.#port.clock.monotonic();
      this.#running.remove(run);
      this.#port.handled(this, endedMs - run.startedMs);
      this.#end(envelope, key, failure);
      this.#pump(endedMs);
      return undefined;
    });
  }

  #end(envelope: Envelope, key: string | undefined, failure: Failure | undefined): void {
    this.counts.running--;
    envelope.running--;
    this.#patience = 'left';
    this.#mailbox.release(key);
    if (failure === undefined) this.counts.handled++;
    else this.counts.failed++;
    this.#done(envelope, failure);
    if (!this.live) this.#port.eased(this);
  }

  // Lanes go on and figures add up whatever those do that are told.
  #done(envelope: Envelope, failure?: Failure): void {
    try {
      if (failure !== undefined) this.#port.failed(this, envelope, failure);
      this.options.onEnd?.(envelope);
      envelope.retelling?.ended(envelope);
    } catch (error) {
      warnOfFault('what is told of the end of an event', error);
    }
  }

  #pump(endedMs?: number): void {
    let nowMs = endedMs;
    while (this.live && this.#mayStart && this.#mailbox.length > 0) {
      if (!this.options.link && !this.#port.turn.enter(this, nowMs)) break;
      nowMs = undefined;
      const next = this.#mailbox.take();
      if (!next) break;
      if (this.options.link) this.#start(next.item, next.key);
      else runWithCause(next.item, () => this.#start(next.item, next.key), undefined);
    }
    this.#port.eased(this);
  }

  // Only what handlers emit: an event from outside is handled before `emit` returns.
  #mustPause(envelope: Envelope): boolean {
    return this.#isAsync && envelope.chain.emitter !== undefined && !this.#port.turn.enter(this);
  }

  // One timer while something waits, set anew until one handler has been in the way for all of its time.
  #watchQueue(): void {
    this.#watch = 'armed';
    this.#unwatch = this.#port.clock.after(WAITING_REPORT_MS, () => {
      const stuck = this.#isStuck();
      this.#watch = stuck ? 'reported' : 'off';
      if (stuck) this.#port.waiting(this, WAITING_REPORT_MS);
      else if (this.#mailbox.length > 0) this.#watchQueue();
    });
  }

  // With keys one slow handler holds up its lane; without, a queue moves on as long as any of them ends.
  #isStuck(): boolean {
    const runs = [...this.#running];
    const limitMs = this.#port.clock.monotonic() - WAITING_REPORT_MS;
    const isInTheWay = ({ key, startedMs }: Run): boolean => startedMs <= limitMs && this.#mailbox.hasBehind(key);
    return this.options.key ? runs.some(isInTheWay) : runs.length > 0 && runs.every(isInTheWay);
  }
}

// One object for each event, and no closure: as many of them live as there are events on their way.
class HandedRun extends Run implements Handed {
  /** The link has not taken it yet. */
  isHanding = true;
  private readonly subscription: Subscription;

  constructor(subscription: Subscription, envelope: Envelope, key: string | undefined, startedMs: number) {
    super(envelope, key, startedMs);
    this.subscription = subscription;
  }

  ended(failure: Failure | undefined): void {
    this.subscription.handedBack(this, failure);
  }
}
