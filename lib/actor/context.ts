import { expected } from '../errors.ts';
import type { Envelope } from '../event/envelope.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { HandlerContext, type ContextPort, type HandlerSite } from '../invoke/handler-context.ts';

export type Receive = (state: unknown, event: TelltaleEvent, context: ActorContext) => unknown;

/** What a running `receive` reaches of its actor. */
export interface ActorSite extends HandlerSite {
  readonly key: string;
  /** A handle of the actor itself. */
  readonly self: unknown;
  spawn(name: string, behaviour: unknown): unknown;
  /** Throws `MAILBOX_FULL` where no room is left, `NOT_SUPPORTED` where nothing can be put off. */
  mustStash(envelope: Envelope): void;
  /** A value that may be an answer. Throws `PAYLOAD_*`. */
  plain(value: unknown): unknown;
}

/**
 * The third argument of `receive`. What it decides about the actor itself (`become`, `stop`, `stash`,
 * `unstash`) is carried out when `receive` has ended well.
 */
export class ActorContext extends HandlerContext {
  /** @internal What `receive` wishes for. */
  next: Receive | undefined = undefined;
  /** @internal */
  wish: 'none' | 'stop' | 'stash' = 'none';
  /** @internal */
  unstashes = false;
  /** @internal Where events are stored first: what is to be answered, and the events emitted meanwhile. */
  held: Held | undefined = undefined;
  private readonly actor: ActorSite;

  constructor(envelope: Envelope, port: ContextPort, site: ActorSite) {
    super(envelope, port, site);
    this.actor = site;
  }

  /** The key of this instance; `main` for an actor without keys. */
  get key(): string {
    return this.actor.key;
  }

  get self(): unknown {
    return this.actor.self;
  }

  /** Answers whoever asked; nothing where nobody did. */
  get answer(): (value: unknown) => void {
    return (value) => {
      const plain = this.actor.plain(value);
      if (this.held) this.held.answers.push(plain);
      else this.envelope.asking?.answered(plain);
    };
  }

  get spawn(): (name: string, behaviour: unknown) => unknown {
    return (name, behaviour) => this.actor.spawn(name, behaviour);
  }

  get become(): (receive: Receive) => void {
    return (receive) => {
      if (typeof receive !== 'function') throw expected('INVALID_OPTION', '`become`', 'a function', receive);
      this.next = receive;
    };
  }

  get stop(): () => void {
    return () => void (this.wish = 'stop');
  }

  get stash(): () => void {
    return () => {
      this.actor.mustStash(this.envelope);
      this.wish = 'stash';
    };
  }

  get unstash(): () => void {
    return () => void (this.unstashes = true);
  }
}

/** What is carried out when the actor's own events are stored. */
export interface Held {
  readonly events: Envelope[];
  readonly answers: unknown[];
  /** Has the bus made the ids of all the events? Otherwise they are looked up. */
  fresh: boolean;
}
