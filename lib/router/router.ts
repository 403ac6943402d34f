import type { Envelope } from '../event/envelope.ts';
import { TopicTrie } from '../event/topic-trie.ts';
import type { MailboxLimits } from '../mailbox/overflow.ts';
import { Group } from './group.ts';
import { Places } from './places.ts';
import { isTold, kindOf, nameOf, type RecipientKind } from './recipient-name.ts';
import { NONE_REMOVED, addRemoved, type RemovedFigures } from './subscription-figures.ts';
import type { SubscriptionOptions, SubscriptionPort } from './subscription.ts';
import { Subscription } from './subscription.ts';
import type { Target } from './target.ts';

export interface RouterPort extends SubscriptionPort {
  /** Rises with every dispatch that reaches anybody; the number of the current one while it is under way. */
  dispatches(): number;
}

/** Tells another bus what is heard here, and hands over what it sends. */
export interface RouterLink {
  /** Room in each mailbox for what is on its way, beside what is dispatched here. */
  readonly room: { readonly max: number; readonly maxBytes: number };
  /** Throws what cannot be told to the other bus. */
  mustTell(options: SubscriptionOptions): void;
  /** `mailbox` is the listener's, without that room. Returns the undo. */
  announce(listener: Announced, mailbox: MailboxLimits): () => void;
  /** Who it is that handles events here, among all threads: `recipient` is one of this bus. */
  nameOf(recipient: string, kind: RecipientKind): string;
}

/** Who is announced: a subscription, or somebody who joined. */
interface Announced {
  readonly live: boolean;
  readonly options: Pick<SubscriptionOptions, 'pattern' | 'filter' | 'group' | 'keyPath' | 'stream'>;
  take(envelope: Envelope): void;
}

/**
 * Who hears what. Ordering: targets in the order they subscribed. A subscription added while an event is being
 * dispatched sees the next one; a removed one is not called any more.
 */
export class Router {
  readonly #port: RouterPort;
  readonly #trie = new TopicTrie<Target>();
  /** Who hears events that are told again into the bus itself. */
  readonly #retold = new TopicTrie<Subscription>();
  readonly #groups = new Map<string, { readonly group: Group; readonly leave: () => void }>();
  readonly #subscriptions = new Set<Subscription>();
  /** Removed, and one of their handlers has not ended. */
  readonly #leaving = new Set<Subscription>();
  #removed = NONE_REMOVED;
  #waiters = 0;
  #link: RouterLink | undefined;
  readonly #joinListeners = new Set<() => void>();
  readonly #places = new Places();
  readonly #placeOf = new WeakMap<Subscription, number>();

  constructor(port: RouterPort) {
    const eased = (subscription: Subscription): void => {
      if (this.#leaving.has(subscription)) this.#forgetIfEnded(subscription);
      port.eased(subscription);
    };
    this.#port = { ...port, eased };
  }

  /** Is there a subscription for whose mailbox publishers wait? */
  get hasWaiters(): boolean {
    return this.#waiters > 0;
  }

  /** The live ones, and removed ones until their handlers have ended. */
  get subscriptions(): ReadonlySet<Subscription> {
    return this.#subscriptions;
  }

  /** What those amounted to that are gone. */
  get removed(): RemovedFigures {
    return this.#removed;
  }

  targets(type: string): readonly Target[] {
    return this.#trie.match(type);
  }

  /**
   * Who events of a type were meant for, of those who are there: every subscription of the pattern, those included that
   * read the log, or its group of that name. Without a pattern all whom it would reach. Filters are not asked.
   */
  recipients(type: string, pattern?: string, group?: string): readonly Target[] {
    if (pattern === undefined) return this.targets(type);
    const named = this.#groups.get(`${group}\u0000${pattern}`);
    if (group !== undefined) return named ? [named.group] : [];
    const own = ({ live, options }: Subscription): boolean =>
      live && options.pattern === pattern && options.group === undefined;
    return [...this.#subscriptions].filter(own);
  }

  /** Whoever asked for events of this type to be told again. */
  retold(type: string): readonly Subscription[] {
    return this.#retold.match(type);
  }

  /**
   * Adds a subscription; `remove` it through the undo, which may be called again without effect. With `source` it hears
   * nothing that is dispatched: `source` hands it its events, and answers how to stop that.
   */
  subscribe(
    options: SubscriptionOptions,
    source?: (subscription: Subscription) => () => void,
  ): { readonly subscription: Subscription; readonly undo: () => void } {
    const link = source || options.replay === 'only' || options.pattern.startsWith('$') ? undefined : this.#link;
    link?.mustTell(options);
    const joined = options.group === undefined || link ? undefined : this.#groupFor(options, options.group);
    const onEnd = (envelope: Envelope): void => joined?.ended(subscription, envelope);
    const own = link ? { ...options, mailbox: withRoom(options.mailbox, link.room) } : options;
    const place = isTold(options) ? this.#places.take(nameOf(options)) : 1;
    const subscription = new Subscription(
      joined ? { ...own, onEnd } : own,
      this.#port,
      this.#recipient(options, place),
    );
    if (isTold(options)) this.#placeOf.set(subscription, place);
    const leave = joined
      ? this.#join(joined, subscription)
      : (source?.(subscription) ?? this.#reach(subscription, link, options.mailbox));
    this.#subscriptions.add(subscription);
    if (options.mailbox.overflow === 'wait') this.#waiters++;
    this.#joined();
    return { subscription, undo: () => this.#remove(subscription, leave, joined) };
  }

  /** Hands events of a pattern to somebody who is no subscription; returns the undo. */
  join(
    pattern: string,
    target: Target,
    { mailbox, keyPath }: Pick<SubscriptionOptions, 'mailbox' | 'keyPath'>,
  ): () => void {
    const leave = this.#trie.add(pattern, target);
    const link = pattern.startsWith('$') ? undefined : this.#link;
    const options = { pattern, ...(keyPath !== undefined && { keyPath }) };
    const take = (envelope: Envelope): void =>
      target.wants(envelope.event) ? target.again(envelope) : envelope.retelling?.dropped(envelope);
    const withdraw = link?.announce({ live: true, options, take }, mailbox);
    this.#joined();
    return () => {
      leave();
      withdraw?.();
    };
  }

  /** From now on every subscription that hears what is dispatched is announced to another bus. */
  linkTo(link: RouterLink): void {
    this.#link = link;
  }

  /** Calls `listener` whenever somebody has come who may hear more types; returns the undo. */
  onJoin(listener: () => void): () => void {
    this.#joinListeners.add(listener);
    return () => void this.#joinListeners.delete(listener);
  }

  #joined(): void {
    if (this.#joinListeners.size > 0) for (const listener of this.#joinListeners) listener();
  }

  /** Somebody for whose mailbox publishers wait has come, or has gone. */
  countWaiter(by: 1 | -1): void {
    this.#waiters += by;
  }

  #remove(subscription: Subscription, leave: () => void, joined: Group | undefined): void {
    if (!this.#subscriptions.has(subscription) || this.#leaving.has(subscription)) return;
    this.#leaving.add(subscription);
    if (subscription.options.mailbox.overflow === 'wait') this.#waiters--;
    // Before anything else is dispatched, so that a group keeps the order of what it hands over.
    subscription.remove((queued) => {
      if (joined) return joined.remove(subscription, queued);
      for (const envelope of queued) {
        envelope.retelling?.dropped(envelope);
        envelope.asking?.dropped();
      }
    });
    leave();
    this.#forgetIfEnded(subscription);
  }

  // A group is shared by all threads, so that only the other side can say whose an event is.
  #reach(subscription: Subscription, link: RouterLink | undefined, mailbox: MailboxLimits): () => void {
    if (!link) return this.#listen(subscription);
    const leave = subscription.options.group === undefined ? this.#listen(subscription) : undefined;
    const withdraw = link.announce(subscription, mailbox);
    return () => {
      leave?.();
      withdraw();
    };
  }

  #listen(subscription: Subscription): () => void {
    const { pattern, replay } = subscription.options;
    const leaveLive = replay === 'only' ? undefined : this.#trie.add(pattern, subscription);
    const leaveRetold = replay && this.#retold.add(pattern, subscription);
    return () => {
      leaveLive?.();
      leaveRetold?.();
    };
  }

  #forgetIfEnded(subscription: Subscription): void {
    if (subscription.counts.running > 0 || !this.#leaving.delete(subscription)) return;
    this.#subscriptions.delete(subscription);
    const place = this.#placeOf.get(subscription);
    if (place !== undefined) this.#places.leave(nameOf(subscription.options), place);
    this.#removed = addRemoved(this.#removed, subscription.figures());
  }

  #recipient(options: SubscriptionOptions, place: number): string {
    const name = nameOf(options);
    const recipient = place === 1 ? name : `${name}#${place}`;
    return this.#link?.nameOf(recipient, kindOf(options)) ?? recipient;
  }

  #groupFor(options: SubscriptionOptions, name: string): Group {
    const id = `${name}\u0000${options.pattern}`;
    const known = this.#groups.get(id);
    if (known) return known.group;
    const group = new Group(options.key, () => this.#port.dispatches());
    const leaveTrie = this.#trie.add(options.pattern, group);
    const leave = (): void => {
      this.#groups.delete(id);
      leaveTrie();
    };
    this.#groups.set(id, { group, leave });
    return group;
  }

  #join(group: Group, subscription: Subscription): () => void {
    group.add(subscription);
    const { pattern, group: name } = subscription.options;
    return () => {
      if (group.size === 0) this.#groups.get(`${name}\u0000${pattern}`)?.leave();
    };
  }
}

function withRoom(mailbox: MailboxLimits, room: RouterLink['room']): MailboxLimits {
  return { ...mailbox, max: mailbox.max + room.max, maxBytes: mailbox.maxBytes + room.maxBytes };
}
