import type { Envelope } from '../event/envelope.ts';

/** What a handler's context reaches of the bus; every call names the event being handled as the cause. */
export interface ContextPort {
  emit(cause: Envelope, type: string, payload: unknown, options: unknown): unknown;
  publish(cause: Envelope, type: string, payload: unknown, options: unknown): unknown;
  once(pattern: string, options: unknown): unknown;
  schedule(cause: Envelope, type: string, payload: unknown, options: unknown): Promise<unknown>;
  ask(cause: Envelope, type: string, payload: unknown, options: unknown): Promise<unknown>;
  /** The wall clock. */
  now(): number;
  effect(cause: Envelope, name: string, fn: () => unknown, recipient: string): Promise<unknown>;
  /** From now until its end, what is published with this cause belongs to a transaction of a target. */
  join(cause: Envelope, tx: unknown): Joining;
}

/** What a handler publishes within a transaction. */
export interface Joining {
  /** Nothing more is taken: the handler has ended. */
  end(): void;
  /** Writes it, before the transaction is committed. Answers what the log refuses; rejects where the log fails. */
  store(): Promise<Error | undefined>;
  /** The transaction is committed. */
  committed(): void;
}

/** The running handler's surroundings that change while it runs. */
export interface HandlerSite {
  readonly signal: AbortSignal;
  /** Who handles the event, by kind and a name that survives a restart: `consumer:`, `actor:`, `group:`, `on:`, `answer:`. */
  readonly recipient: string;
  /** The transaction that is committed together with the checkpoint of a consumer. */
  readonly tx?: unknown;
}

/**
 * The second argument of every handler. Members are getters that answer bound functions, so `({ emit }) => …` works
 * and nothing is allocated for a handler that does not look.
 */
export class HandlerContext {
  attempt = 1;
  /** @internal */
  readonly envelope: Envelope;
  // TypeScript's `private`: defining real private fields would double the cost of a delivery.
  private readonly port: ContextPort;
  private readonly site: HandlerSite;

  constructor(envelope: Envelope, port: ContextPort, site: HandlerSite) {
    this.envelope = envelope;
    this.port = port;
    this.site = site;
  }

  /** Aborted when the subscription is removed, the bus stops waiting for this handler, or its asker has given up. */
  get signal(): AbortSignal {
    const { asking } = this.envelope;
    return asking === undefined ? this.site.signal : asking.signalWith(this.site);
  }

  /** Until when the asker waits, epoch ms; undefined where nobody asked. */
  get deadline(): number | undefined {
    const { asking } = this.envelope;
    return asking && this.port.now() + asking.remainingMs;
  }

  /** With `checkpointIn`: what is written through it is committed together with the checkpoint. */
  get tx(): unknown {
    return this.site.tx;
  }

  /** The event's position once it is stored; undefined before that and for transient events. */
  get position(): number | undefined {
    return this.envelope.position || undefined;
  }

  /** Which replay tells the event again; undefined where it is told for the first time. */
  get replay(): { readonly id: string; readonly captures: boolean } | undefined {
    const { id, capture } = this.envelope.retelling ?? {};
    return id === undefined ? undefined : { id, captures: capture !== undefined };
  }

  get emit(): (type: string, payload: unknown, options?: unknown) => unknown {
    return (type, payload, options) => this.port.emit(this.envelope, type, payload, options);
  }

  get publish(): (type: string, payload: unknown, options?: unknown) => unknown {
    return (type, payload, options) => this.port.publish(this.envelope, type, payload, options);
  }

  get ask(): (type: string, payload: unknown, options?: unknown) => Promise<unknown> {
    return (type, payload, options) => this.port.ask(this.envelope, type, payload, options);
  }

  get schedule(): (type: string, payload: unknown, options: unknown) => Promise<unknown> {
    return (type, payload, options) => this.port.schedule(this.envelope, type, payload, options);
  }

  get once(): (pattern: string, options?: unknown) => unknown {
    return (pattern, options) => this.port.once(pattern, options);
  }

  /** Runs `fn` once for this event and name, over retries and restarts; see `HandlerContext` of the bus. */
  get effect(): (name: string, fn: () => unknown) => Promise<unknown> {
    return (name, fn) => this.port.effect(this.envelope, name, fn, this.site.recipient);
  }
}
