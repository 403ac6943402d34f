import type { Observable } from 'rxjs';
import { Subject, from } from 'rxjs';
import type { Clock } from '../clock.ts';
import type { Cause } from '../context.ts';
import { NO_CHAIN, currentCause, runWithoutCause } from '../context.ts';
import { expected } from '../errors.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { retryDelayMs, type RetryPolicy } from '../retry.ts';
import { causesOf, type PipelineOutput } from './caused.ts';

export interface PipelinePort {
  readonly clock: Clock;
  /** Emits an output; throws the typed refusals. */
  emit(cause: Cause | undefined, output: PipelineOutput, causes: readonly string[] | undefined): void;
  /** An operator failed outside the delivery of an event, or an output was refused. */
  failed(error: unknown): void;
  /** A plain output had no cause. */
  causeless(): void;
}

export type PipelineBuild = (source: Observable<TelltaleEvent>) => Observable<PipelineOutput>;

const BACKOFF: RetryPolicy = { attempts: Infinity, delayMs: 10, factor: 2, maxDelayMs: 30_000, jitter: 0.2 };

/**
 * A named RxJS pipeline from a pattern to new events. Failure: an operator's error never ends it: the event it failed
 * on fails like any handler's, the pipeline is built anew with backoff, and what comes meanwhile waits in the
 * subscription's mailbox. Closing: `complete` lets buffering operators give out what they hold.
 */
export class Pipeline {
  readonly #build: PipelineBuild;
  readonly #port: PipelinePort;
  readonly #origin = new WeakMap<TelltaleEvent, Cause>();
  #source = new Subject<TelltaleEvent>();
  #status: 'running' | 'down' | 'done' = 'running';
  #delivering: Cause | undefined;
  #failure: { readonly error: unknown } | undefined;
  #failures = 0;
  #up: Promise<void> = Promise.resolve();

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

  complete(): void {
    this.#status = 'done';
    runWithoutCause(() => this.#source.complete());
  }

  async #feedWhenUp(event: TelltaleEvent, cause: Cause | undefined): Promise<void> {
    while (this.#status === 'down') await this.#up;
    this.#feed(event, cause);
  }

  #feed(event: TelltaleEvent, cause: Cause | undefined): void {
    if (this.#status === 'done') return;
    if (cause) this.#origin.set(event, cause);
    this.#failure = undefined;
    this.#delivering = cause;
    this.#source.next(event);
    this.#delivering = undefined;
    const failure = this.#takeFailure();
    if (failure) throw failure.error;
    this.#failures = 0;
  }

  // Read through a method: `next` above changes the field, which the compiler cannot see.
  #takeFailure(): { readonly error: unknown } | undefined {
    const failure = this.#failure;
    this.#failure = undefined;
    return failure;
  }

  #start(): void {
    this.#status = 'running';
    this.#source = new Subject();
    // Outside every context: operators with timers would otherwise carry the first event's to all later ones.
    runWithoutCause(() =>
      from(this.#build(this.#source.asObservable())).subscribe({
        next: (output) => this.#output(output),
        error: (error: unknown) => this.#fail(error),
        complete: () => void (this.#status = 'done'),
      }),
    );
  }

  #output(output: PipelineOutput): void {
    try {
      if (typeof output !== 'object' || output === null || typeof output.type !== 'string') {
        throw expected('INVALID_OPTION', "a pipeline's output", '{ type, payload, options? }', output);
      }
      const causes = causesOf(output);
      if (causes)
        return this.#port.emit(
          this.#joined(causes),
          output,
          causes.length > 1 ? causes.map(({ id }) => id) : undefined,
        );
      if (!this.#delivering) this.#port.causeless();
      this.#port.emit(this.#delivering, output, undefined);
    } catch (error) {
      this.#port.failed(error);
    }
  }

  // The last cause stands for all: it completed the group.
  #joined(causes: readonly TelltaleEvent[]): Cause {
    const last = causes.at(-1)!;
    const agreed = causes.every(({ correlationId }) => correlationId === last.correlationId);
    const known = this.#origin.get(last);
    return {
      correlationId: agreed ? last.correlationId : undefined,
      causationId: known ? known.causationId : last.id,
      inherited: agreed ? known?.inherited : undefined,
      chain: known?.chain ?? NO_CHAIN,
      owner: known?.owner,
      running: 0,
    };
  }

  #fail(error: unknown): void {
    if (this.#delivering) this.#failure = { error };
    else this.#port.failed(error);
    this.#status = 'down';
    const delay = retryDelayMs(BACKOFF, ++this.#failures);
    this.#up = new Promise((resolve) => {
      this.#port.clock.after(delay, () => {
        if (this.#status === 'down') this.#rebuild();
        resolve();
      });
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
