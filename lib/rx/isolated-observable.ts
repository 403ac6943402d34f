import type { Observable, Observer, Operator, Subscriber, Subscription } from 'rxjs';
import { rxjs } from './rxjs.ts';

/** Told what a subscriber or an operator threw. */
export type StreamFailure = (error: unknown) => void;

type Subscribe<T> = (this: Observable<T>, subscriber: Subscriber<T>) => (() => void) | void;
type Create = <T>(failed: StreamFailure, subscribe: Subscribe<T>) => Observable<T>;

let create: Create | undefined;

/**
 * An Observable whose subscribers can hurt only themselves. RxJS rethrows what a `next` callback throws as an uncaught
 * exception, and an operator's error without an `error` callback as well: both would end the process. Here the first
 * is reported and the subscription goes on; the second ends that stream and is reported. What is piped from it keeps
 * the guard, because operators make their result with `lift`. What creation functions (`merge`, `combineLatest`) make of
 * it is plain RxJS again: give those an error callback, and subscribers that do not throw.
 */
export function isolatedObservable<T>(failed: StreamFailure, subscribe: Subscribe<T>): Observable<T> {
  return (create ??= defineIsolated())(failed, subscribe);
}

// Defined when RxJS is loaded, which is when it is first needed.
function defineIsolated(): Create {
  const Base = rxjs().Observable;
  class IsolatedObservable<T> extends Base<T> {
    readonly #failed: StreamFailure;

    constructor(failed: StreamFailure, subscribe?: Subscribe<T>) {
      super(subscribe);
      this.#failed = failed;
    }

    override lift<R>(operator?: Operator<T, R>): Observable<R> {
      const lifted = new IsolatedObservable<R>(this.#failed);
      lifted.source = this as unknown as Observable<R>;
      if (operator) lifted.operator = operator as unknown as Operator<unknown, R>;
      return lifted;
    }

    override subscribe(
      observer?: Partial<Observer<T>> | ((value: T) => void) | null,
      error?: ((reason: unknown) => void) | null,
      complete?: (() => void) | null,
    ): Subscription {
      // What operators subscribe with passes errors on by itself, and ends when its own subscriber does.
      if (isSubscriber<T>(observer)) return super.subscribe(observer);
      const given: Partial<Observer<T>> = typeof observer === 'function' ? { next: observer } : (observer ?? {});
      return super.subscribe(this.#guard({ ...(error && { error }), ...(complete && { complete }) }, given));
    }

    #guard(legacy: Partial<Observer<T>>, observer: Partial<Observer<T>>): Observer<T> {
      const failed = this.#failed;
      const alone = (call: () => void): void => {
        try {
          call();
        } catch (error) {
          failed(error);
        }
      };
      return {
        next: (value) => alone(() => observer.next?.(value)),
        complete: () => alone(() => (observer.complete ? observer.complete() : legacy.complete?.())),
        error: (reason: unknown) => {
          if (observer.error) alone(() => observer.error!(reason));
          else if (legacy.error) alone(() => legacy.error!(reason));
          else failed(reason);
        },
      };
    }
  }
  return (failed, subscribe) => new IsolatedObservable(failed, subscribe);
}

// As RxJS itself does it: an operator may come from another copy of the library.
function isSubscriber<T>(value: unknown): value is Subscriber<T> {
  if (value instanceof rxjs().Subscriber) return true;
  if (typeof value !== 'object' || value === null || !('closed' in value)) return false;
  const { next, error, complete, add, remove, unsubscribe } = value as Record<string, unknown>;
  return [next, error, complete, add, remove, unsubscribe].every((method) => typeof method === 'function');
}
