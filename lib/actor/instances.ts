import type { Clock } from '../clock.ts';
import type { Behaviour } from './behaviour.ts';
import type { InstanceInfo } from './figures.ts';
import { IdleWatch } from './idle-watch.ts';
import type { Inbox } from './inbox.ts';
import type { Instance } from './instance.ts';

export interface InstancesTerms {
  readonly behaviour: Behaviour;
  readonly clock: Clock;
  /** One had nothing to do for so long that it was put aside. */
  passivated(instance: Instance): void;
}

/** The instances of one actor by key, those that have failed too until they may begin anew. Closing: `end` stops its timers. */
export class Instances {
  readonly #terms: InstancesTerms;
  readonly #byKey = new Map<string, Instance>();
  readonly #idle: IdleWatch | undefined;
  /** Of those that have failed. */
  readonly #timers = new Map<string, () => void>();

  constructor(terms: InstancesTerms) {
    this.#terms = terms;
    const { idleMs, keyOf } = terms.behaviour;
    this.#idle = idleMs && keyOf ? new IdleWatch(terms.clock, idleMs, (since) => this.#sweep(since)) : undefined;
  }

  get all(): readonly Instance[] {
    return [...this.#byKey.values()];
  }

  /** How many have not stopped. */
  get live(): number {
    return this.all.filter(({ status }) => status !== 'stopped').length;
  }

  get(key: string): Instance | undefined {
    return this.#byKey.get(key);
  }

  add(instance: Instance): void {
    this.#byKey.set(instance.key, instance);
    this.#idle?.start();
  }

  /** It has had something to do. */
  used(instance: Instance): void {
    if (this.#idle) instance.usedMs = this.#terms.clock.monotonic();
  }

  isHandling(id: string): boolean {
    for (const instance of this.#byKey.values()) if (instance.isHandling(id)) return true;
    return false;
  }

  list(inbox: Inbox): readonly InstanceInfo[] {
    return this.all.map((instance) => {
      const { key, status, supervisor } = instance;
      return { key, status, queued: inbox.queuedOf(instance), restarts: supervisor.restarts };
    });
  }

  // One that has failed is not begun anew by the next event, or restarts would have no bound.
  forget({ key }: Instance, error: unknown): void {
    const { keyOf, supervision } = this.#terms.behaviour;
    if (error === undefined || !keyOf) return this.#forget(key);
    const forget = (): void => this.#forget(key);
    this.#timers.set(key, this.#terms.clock.after(supervision.withinMs, forget));
  }

  end(): void {
    this.#idle?.stop();
    for (const key of this.#timers.keys()) this.#forget(key);
  }

  #forget(key: string): void {
    this.#timers.get(key)?.();
    this.#timers.delete(key);
    this.#byKey.delete(key);
  }

  #sweep(since: number): boolean {
    for (const instance of this.#byKey.values()) {
      if (instance.usedMs > since || !instance.isAtRest) continue;
      instance.halt();
      this.#byKey.delete(instance.key);
      this.#terms.passivated(instance);
    }
    return this.#byKey.size > 0;
  }
}
