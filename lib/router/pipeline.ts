import type { Observable, Subject, Subscription } from 'rxjs';
import type { Clock } from '../clock.ts';
import type { Cause } from '../context.ts';
import { NO_CHAIN, currentCause, runWithoutCause } from '../context.ts';
import { TelltaleError, expected } from '../errors.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { retryDelayMs, type RetryPolicy } from '../retry.ts';
import { causesOf, type PipelineOutput } from './caused.ts';
import { isolatedObservable } from '../rx/isolated-observable.ts';
import { rxjs } from '../rx/rxjs.ts';

export interface PipelinePort {
  readonly clock: Clock;
  /** The bus its outputs belong to. */
  readonly owner: object;
  /** Emits an output; throws the typed refusals. */
  emit(cause: Cause | undefined, output: PipelineOutput, causes: readonly string[] | undefined): void;
  /** An operator failed or an output was refused. `told`: an event that was being delivered fails with the same error. */
  failed(error: unknown, told: boolean): void;
  /** A plain output had no cause. */
  causeless(): void;
}

export type PipelineBuild = (source: Observable<TelltaleEvent>) => Observable<PipelineOutput>;

const BACKOFF: RetryPolicy = { attempts: Infinity, delayMs: 10, factor: 2, maxDelayMs: 30_000, jitter: 0.2 };
/** After this long without a failure the backoff begins anew. */
const STABLE_MS = 10_000;

/**
 * A named RxJS pipeline from a pattern to new events. Failure: an operator's error never ends it: the event it failed
 * on fails like any handler's, the pipeline is built anew with backoff, and what comes meanwhile waits in the
 * subscription's mailbox; what its operators held is gone. Closing: `complete` lets them give out what they hold.
 */
export class Pipeline {
  readonly #build: PipelineBuild;
  readonly #port: PipelinePort;
  readonly #origin = new WeakMap<TelltaleEvent, Cause>();
  #source: Subject<TelltaleEvent> = new (rxjs().Subject)();
  #running: Subscription | undefined;
  #status: 'running' | 'down' | 'completing' | 'ended' = 'running';
  #delivering: Cause | undefined;
  #failure: { readonly error: unknown } | undefined;
  #failures = 0;
  #startedMs = 0;
  #up: Promise<void> = Promise.resolve();
  #cancelRebuild: (() => void) | undefined;
  #whenEnded: () => void = () => undefined;
  /** Resolves when no operator has anything left to give out. */
  readonly ended = new Promise<void>((resolve) => (this.#whenEnded = resolve));

  constructor(build: PipelineBuild, port: PipelinePort) {
    this.#build = build;
    this.#port = port;
    this.#start();
  }

  /** The handler of the pipeline's subscription. Throws what an operator threw on this event. */
  readonly receive = (event: TelltaleEvent): void | Promise<void> => {
    const cause = currentCause();
    if (this.#status === 'down') return this.#feedWhenUp(event, cause);
    this.#feed(event, cause);
  };

  /** Takes nothing more and lets operators give out what they hold. */
  complete(): void {
    if (this.#status === 'down') this.#end();
    if (this.#status === 'running') {
      this.#status = 'completing';
      runWithoutCause(() => this.#source.complete());
    }
  }

  /** Gives out what can be given out at once, and cuts the rest. */
  stop(): void {
    this.complete();
    this.#running?.unsubscribe();
    this.#end();
  }

  async #feedWhenUp(event: TelltaleEvent, cause: Cause | undefined): Promise<void> {
    while (this.#status === 'down') await this.#up;
    if (this.#status !== 'running') throw new TelltaleError('ABORTED', 'the pipeline was ended while it was down');
    this.#feed(event, cause);
  }

  #feed(event: TelltaleEvent, cause: Cause | undefined): void {
    if (this.#status !== 'running') return;
    if (cause) this.#origin.set(event, cause);
    this.#failure = undefined;
    this.#delivering = cause;
    this.#source.next(event);
    this.#delivering = undefined;
    const failure = this.#takeFailure();
    if (failure) throw failure.error;
  }

  // Read through a method: `next` above changes the field, which the compiler cannot see.
  #takeFailure(): { readonly error: unknown } | undefined {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure;
  }

  #start(): void {
    this.#status = 'running';
    this.#startedMs = this.#port.clock.monotonic();
    const subject = new (rxjs().Subject)<TelltaleEvent>();
    this.#source = subject;
    // Isolated, because `build` may subscribe to it by itself as well.
    const source = isolatedObservable<TelltaleEvent>(
      (error) => this.#port.failed(error, false),
      (subscriber) => {
        const inner = subject.subscribe(subscriber);
        return () => inner.unsubscribe();
      },
    );
    // Outside every context: operators with timers would otherwise carry the first event's to all later ones.
    this.#running = runWithoutCause(() =>
      toOutputs(this.#build(source)).subscribe({
        next: (output) => this.#output(output),
        error: (error: unknown) => this.#fail(error),
        complete: () => this.#end(),
      }),
    );
  }

  #end(): void {
    this.#status = 'ended';
    this.#cancelRebuild?.();
    this.#whenEnded();
  }

  #output(output: PipelineOutput): void {
    try {
      if (typeof output !== 'object' || output === null || typeof output.type !== 'string') {
        throw expected('INVALID_OPTION', "a pipeline's output", '{ type, payload, options? }', output);
      }
      const causes = causesOf(output);
      if (causes) return this.#emitCaused(causes, output);
      if (!this.#delivering) this.#port.causeless();
      this.#port.emit(this.#delivering, output, undefined);
    } catch (error) {
      this.#port.failed(error, false);
    }
  }

  // The last cause stands for all: it completed the group. A transient one is replaced by what is stored above it.
  #emitCaused(causes: readonly TelltaleEvent[], output: PipelineOutput): void {
    const last = causes.at(-1)!;
    const agreed = causes.every(({ correlationId }) => correlationId === last.correlationId);
    const ids = [...new Set(causes.map((event) => this.#storedId(event)).filter((id) => id !== undefined))];
    const known = this.#origin.get(last);
    const cause: Cause = {
      correlationId: agreed ? last.correlationId : undefined,
      causationId: ids.at(-1),
      inherited: agreed ? known?.inherited : undefined,
      chain: known?.chain ?? NO_CHAIN,
      handling: last.id,
      owner: this.#port.owner,
      // As good as a handler: it has the reserve, and may still give out what it holds while the bus closes.
      running: 1,
    };
    this.#port.emit(cause, output, ids.length > 1 ? ids : undefined);
  }

  #storedId(event: TelltaleEvent): string | undefined {
    const known = this.#origin.get(event);
    return known ? known.causationId : event.id;
  }

  #fail(error: unknown): void {
    const told = this.#delivering !== undefined;
    if (told) this.#failure = { error };
    this.#port.failed(error, told);
    if (this.#status !== 'running') return this.#end();
    this.#status = 'down';
    const { clock } = this.#port;
    if (clock.monotonic() - this.#startedMs >= STABLE_MS) this.#failures = 0;
    this.#up = new Promise((resolve) => {
      const stopWaiting = clock.after(retryDelayMs(BACKOFF, ++this.#failures), () => {
        if (this.#status === 'down') this.#rebuild();
        resolve();
      });
      this.#cancelRebuild = () => {
        stopWaiting();
        resolve();
      };
    });
  }

  // A build that throws is a failure like an operator's, with the next backoff.
  #rebuild(): void {
    try {
      this.#start();
    } catch (error) {
      this.#fail(error);
    }
  }
}

// Throws `INVALID_OPTION` where RxJS would throw its own TypeError, or read a text letter by letter.
function toOutputs(built: unknown): Observable<PipelineOutput> {
  try {
    if (typeof built === 'object' && built !== null) return rxjs().from(built as Observable<PipelineOutput>);
  } catch {
    // Told below.
  }
  throw expected('INVALID_OPTION', 'the answer of `build`', 'an Observable', built);
}
