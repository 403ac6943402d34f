import type { Clock } from '../clock.ts';
import { runWithCause } from '../context.ts';
import type { TelltaleError } from '../errors.ts';
import type { LateOutcome, Replies } from '../event/asking.ts';
import { Envelope } from '../event/envelope.ts';
import type { Candidates } from './answerers.ts';
import type { Pending } from './call.ts';
import type { Deadlines } from './deadlines.ts';
import { Question } from './question.ts';
import { noAnswerer, timedOut } from './refusals.ts';

/** What of a question crosses a link beside its event. Plain data. */
export interface IncomingTerms {
  readonly path: readonly string[];
  readonly streams: boolean;
  readonly remainingMs: number;
}

export interface IncomingPort {
  readonly clock: Clock;
  readonly pending: Deadlines<Pending>;
  readonly replies: Replies;
  ended(): void;
  late(outcome: LateOutcome): void;
}

/** A question that came over a link: answered here, by one of those who answer its type. */
export class Incoming implements Pending, Replies {
  readonly inside = true;
  readonly path: readonly string[];
  readonly streams: boolean;
  #dueMs: number;
  readonly #request: Envelope;
  readonly #port: IncomingPort;
  #candidates: Candidates | undefined;
  #question: Question | undefined;
  #status: 'open' | 'ended' = 'open';

  constructor(request: Envelope, { path, streams, remainingMs }: IncomingTerms, port: IncomingPort) {
    this.#request = request;
    this.#port = port;
    this.path = path;
    this.streams = streams;
    this.#dueMs = port.clock.monotonic() + remainingMs;
  }

  get dueMs(): number {
    return this.#dueMs;
  }

  get address(): string {
    return this.#request.event.type;
  }

  get remainingMs(): number {
    return this.#dueMs - this.#port.clock.monotonic();
  }

  begin(candidates: Candidates | undefined): void {
    this.#candidates = candidates;
    this.#port.pending.add(this);
    this.#hand();
  }

  expire(): void {
    this.cancel(timedOut(this.#request.event.type, 'no answer within what was left of its deadline', {}));
  }

  cancel(reason: TelltaleError): void {
    if (!this.#end()) return;
    this.#question?.giveUp(reason);
    this.#port.replies.refused(reason);
  }

  answered(value: unknown): void {
    if (this.#end()) this.#port.replies.answered(value);
  }

  part(value: unknown): void | Promise<void> {
    if (this.#status === 'ended') return;
    if (this.streams) this.#leaveToAsker();
    return this.#port.replies.part(value);
  }

  ended(): void {
    if (this.#end()) this.#port.replies.ended();
  }

  failed(error: unknown): void {
    if (this.#end()) this.#port.replies.failed(error);
  }

  refused(error: TelltaleError): void {
    if (this.#end()) this.#port.replies.refused(error);
  }

  dropped(): void {
    if (this.#status === 'open') this.#hand();
  }

  late(outcome: LateOutcome): void {
    this.#port.late(outcome);
  }

  #hand(): void {
    const { event, bytes, admitted, transient, chain, owner, position } = this.#request;
    const answerer = this.#candidates?.pick(event);
    if (!answerer) return this.refused(noAnswerer(event.type));
    const question = (this.#question = new Question(this, this));
    const own = new Envelope(event, bytes, transient, admitted, chain, owner);
    own.position = position;
    runWithCause(Object.assign(own, { asking: question }), (taken) => answerer.take(taken), own);
  }

  // How long the next part may take depends on when it is read, which only the asker knows.
  #leaveToAsker(): void {
    if (this.#dueMs === Infinity) return;
    this.#port.pending.delete(this);
    this.#dueMs = Infinity;
    this.#port.pending.add(this);
  }

  #end(): boolean {
    if (this.#status === 'ended') return false;
    this.#status = 'ended';
    this.#port.pending.delete(this);
    this.#port.ended();
    return true;
  }
}
