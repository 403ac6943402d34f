import { runWithCause } from '../context.ts';
import type { Envelope } from '../event/envelope.ts';
import type { StoredEvent } from '../event/event.ts';
import { onAbort } from '../on-abort.ts';
import type { Follower } from '../store/follow.ts';
import { Slice } from '../store/slice.ts';
import type { Subscription } from './subscription.ts';

/**
 * Hands what a follower brings to one subscription, which hears nothing from the dispatcher. Ordering: position order;
 * within a key where the subscription has keys. Capacity: the next event waits in the log until there is room, so the
 * mailbox never overflows. Closing: `run` ends with the follower, or when the signal is aborted, between two events.
 */
export class Tail {
  #status: 'starting' | 'handing' | 'waiting' | 'ended' = 'starting';
  #follower: Follower | undefined;
  #eased: (() => void) | undefined;

  /** Is there anything that was stored and not handed over yet, as far as is known? */
  get isBehind(): boolean {
    if (this.#status === 'waiting') return this.#follower?.isResting === false;
    return this.#status !== 'ended';
  }

  /** To be called when a handler has ended. */
  readonly ease = (): void => this.#eased?.();

  async run(
    follower: Follower,
    subscription: Subscription,
    { signal, envelopeOf }: { readonly signal: AbortSignal; readonly envelopeOf: (event: StoredEvent) => Envelope },
  ): Promise<void> {
    this.#follower = follower;
    const slice = new Slice();
    this.#status = 'waiting';
    const forget = onAbort(signal, this.ease);
    try {
      for await (const { events } of follower) {
        this.#status = 'handing';
        for (const event of events) {
          while (!subscription.hasRoom && !signal.aborted) await this.#ended();
          if (signal.aborted) return;
          const envelope = envelopeOf(event);
          runWithCause(envelope, () => subscription.take(envelope), undefined);
          if (slice.isOver) await slice.rest();
        }
        this.#status = 'waiting';
      }
      while (subscription.counts.running > 0 && !signal.aborted) await this.#ended();
    } finally {
      forget();
      this.end();
    }
  }

  /** Nothing more comes. */
  end(): void {
    this.#status = 'ended';
  }

  #ended(): Promise<void> {
    return new Promise((resolve) => (this.#eased = resolve));
  }
}
