import type { Clock } from '../clock.ts';
import type { TelltaleError } from '../errors.ts';
import type { Answerer, LateOutcome, QuestionTerms, RemoteReplies, Replies } from '../event/asking.ts';
import type { Envelope } from '../event/envelope.ts';
import type { Candidates } from './answerers.ts';
import type { Pending } from './call.ts';
import type { Deadlines } from './deadlines.ts';
import { Question, hand } from './question.ts';
import { timedOut } from './refusals.ts';

export interface IncomingPort {
  readonly clock: Clock;
  readonly pending: Deadlines<Pending>;
  begun(): void;
  ended(): void;
  late(outcome: LateOutcome): void;
}

/** A question that came over a link: answered here, by one of those who answer its type, or by each of them. */
export class Incoming implements Pending, Replies {
  readonly inside = true;
  readonly endless = false;
  readonly path: readonly string[];
  readonly streams: boolean;
  readonly everybody: boolean;
  #dueMs: number;
  readonly #request: Envelope;
  readonly #port: IncomingPort;
  readonly #replies: RemoteReplies;
  readonly #passed = new Set<Answerer>();
  #candidates: Candidates | undefined;
  #answerer: Answerer | undefined;
  #question: Question | undefined;
  #status: 'open' | 'ended' = 'open';

  constructor(request: Envelope, terms: QuestionTerms, replies: RemoteReplies, port: IncomingPort) {
    const { path, streams, everybody, remainingMs } = terms;
    this.#request = request;
    this.#replies = replies;
    this.#port = port;
    this.path = path;
    this.streams = streams;
    this.everybody = everybody;
    this.#dueMs = port.clock.monotonic() + remainingMs;
    replies.begun(this);
    port.begun();
    port.pending.add(this);
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

  /** Hands it to one of these, or to each; where it comes from is none of them. */
  begin(candidates: Candidates, from: Answerer): void {
    this.#passed.add(from);
    if (!this.everybody) {
      this.#candidates = candidates;
      return this.#hand();
    }
    const [first, ...more] = candidates.all(this.#request.event, this.#passed);
    if (!first) return this.#drop();
    const others = this.#split(more.length);
    this.#give(first);
    for (const [i, other] of others.entries()) other.#give(more[i]!);
  }

  expire(): void {
    this.cancel(timedOut(this.#request.event.type, 'no answer within what was left of its deadline', {}));
  }

  cancel(reason: TelltaleError): void {
    if (!this.#end()) return;
    this.#question?.giveUp(reason);
    this.#replies.refused(reason);
  }

  answered(value: unknown): void {
    if (this.#end()) this.#replies.answered(value);
  }

  part(value: unknown): void | Promise<void> {
    if (this.#status === 'ended') return;
    if (this.streams) this.#leaveToAsker();
    return this.#replies.part(value);
  }

  ended(): void {
    if (this.#end()) this.#replies.ended();
  }

  failed(error: unknown): void {
    if (this.#end()) this.#replies.failed(error);
  }

  refused(error: TelltaleError): void {
    if (this.#end()) this.#replies.refused(error);
  }

  dropped(): void {
    if (this.#status === 'ended') return;
    this.#passed.add(this.#answerer!);
    this.#hand();
  }

  shared(more: number): readonly Question[] {
    return this.#split(more).map((incoming) => incoming.#ask());
  }

  late(outcome: LateOutcome): void {
    this.#port.late(outcome);
  }

  #hand(): void {
    const answerer = this.#candidates?.pick(this.#request.event, this.#passed);
    if (answerer) this.#give(answerer);
    else this.#drop();
  }

  // Whoever asked there looks for another one.
  #drop(): void {
    if (this.#end()) this.#replies.dropped();
  }

  #split(more: number): readonly Incoming[] {
    if (more === 0) return [];
    return this.#replies.shared(more).map((replies) => new Incoming(this.#request, this, replies, this.#port));
  }

  #ask(): Question {
    return (this.#question = new Question(this, this));
  }

  #give(answerer: Answerer): void {
    this.#answerer = answerer;
    hand(this.#request, this.#ask(), answerer);
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
