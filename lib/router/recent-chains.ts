import { NO_CHAIN, type Chain } from '../context.ts';
import type { Envelope } from '../event/envelope.ts';

const MAX_EVENTS = 10_000;

/**
 * How the latest events came about, by id. The log does not say how fast a chain of causes grows; with this a loop
 * through handlers that follow the log is found like any other. Capacity: the latest 10,000 that have a cause.
 */
export class RecentChains {
  readonly #chains = new Map<string, Chain>();

  remember({ event, chain }: Envelope): void {
    if (chain === NO_CHAIN) return;
    if (this.#chains.size >= MAX_EVENTS) this.#chains.delete(this.#chains.keys().next().value!);
    this.#chains.set(event.id, chain);
  }

  of(id: string): Chain {
    return this.#chains.get(id) ?? NO_CHAIN;
  }
}
