import type { TelltaleError } from '../errors.ts';
import type { Answerer, LateOutcome, Replies } from '../event/asking.ts';
import type { Envelope } from '../event/envelope.ts';
import { Call, type Answer, type CallPort, type CallTerms } from './call.ts';
import { Question } from './question.ts';
import { aborted, askFailed, noAnswerer, noQuorum, tooManyParts } from './refusals.ts';

/** Whose answers are waited for. */
export type To = 'one' | 'all' | { readonly quorum: number };

export interface Settle {
  resolve(value: unknown): void;
  reject(error: TelltaleError): void;
}

const MAX_PARTS = 10_000;

/** An ask that is answered as a whole: by one, by all, or by as many as it needs. Parts of a stream are collected. */
export class WholeCall extends Call {
  readonly streams = false;
  readonly everybody: boolean;
  readonly #to: To;
  readonly #settle: Settle;
  #slots: Slot[] = [];

  constructor(port: CallPort, terms: CallTerms, to: To, settle: Settle) {
    super(port, terms);
    this.#to = to;
    this.everybody = to !== 'one';
    this.#settle = settle;
  }

  protected hand({ event }: Envelope): void {
    const { candidates } = this.terms;
    const one = this.#to === 'one' ? candidates.pick(event, this.passed) : undefined;
    if (one) return this.#giveOne(one);
    const chosen = this.#to === 'one' ? [] : candidates.all(event);
    if (chosen.length === 0) return this.#nobody();
    const slots = (this.#slots = chosen.map((answerer) => this.#slot(answerer)));
    // Before anybody works in vain.
    if (this.#isHopeless()) return this.cancel(this.#noQuorum());
    // Those before it may have answered at once, and be enough.
    for (const { question, answerer } of slots) if (question.status === 'open') this.give(answerer, question);
  }

  #giveOne(answerer: Answerer): void {
    const slot = this.#slot(answerer);
    this.#slots = [slot];
    this.give(answerer, slot.question);
  }

  #slot(answerer: Answerer): Slot {
    const slot = new Slot(this, answerer);
    slot.question = new Question(this, slot);
    return slot;
  }

  #nobody(): void {
    this.cancel(noAnswerer(this.terms.address, 'nobody there takes this request'));
  }

  /** One of those that were asked has answered, or never will. */
  settled(slot: Slot): void {
    const outcome = slot.outcome!;
    if (!this.terms.store) return this.#decide();
    this.port.record(this.request!, outcome, (error) => {
      if (error && outcome.ok) slot.outcome = { ok: false, error };
      this.#decide();
    });
  }

  dropped(slot: Slot): void {
    if (!this.isOpen) return;
    if (this.#to === 'one') return this.pass(slot.answerer);
    if (slot.answerer.many !== true) return slot.refused(noAnswerer(this.terms.address, 'its answerer went away'));
    // Behind the link nobody takes it.
    this.#slots = this.#slots.filter((other) => other !== slot);
    if (this.#slots.length > 0) this.#decide();
    else this.#nobody();
  }

  /** Behind a link there are so many more. */
  shared(slot: Slot, more: number): readonly Question[] {
    if (!this.isOpen) return [];
    const added = Array.from({ length: more }, () => this.#slot(slot.answerer));
    this.#slots.splice(this.#slots.indexOf(slot) + 1, 0, ...added);
    return added.map(({ question }) => question);
  }

  cancel(reason: TelltaleError): void {
    if (!this.isOpen) return;
    const open = this.#slots.filter((slot) => slot.outcome === undefined);
    const request = this.request;
    for (const slot of open) slot.outcome = { ok: false, error: reason };
    if (reason.code === 'TIMEOUT' && this.#to === 'all' && this.#slots.length > 0)
      this.#resolve(this.#answers(), reason);
    else this.#reject(reason);
    for (const slot of open) {
      slot.question.giveUp(reason);
      if (this.terms.store && request) this.port.record(request, slot.outcome!, () => undefined);
    }
  }

  #decide(): void {
    if (!this.isOpen) return;
    const to = this.#to;
    if (to === 'one') {
      const outcome = this.#slots[0]!.outcome!;
      return outcome.ok ? this.#resolve(outcome.value) : this.#reject(outcome.error);
    }
    if (to === 'all') return this.#slots.every((slot) => slot.outcome) ? this.#resolve(this.#answers()) : undefined;
    if (this.#answered >= to.quorum) this.#resolve(this.#answers());
    else if (this.#isHopeless()) this.#reject(this.#noQuorum());
  }

  #resolve(value: unknown, reason?: TelltaleError): void {
    if (this.end(true)) this.#settle.resolve(value);
    this.#release(reason);
  }

  #reject(error: TelltaleError): void {
    if (this.end(false)) this.#settle.reject(error);
    this.#release(error);
  }

  // Whoever has not answered need not any more.
  #release(reason: TelltaleError | undefined): void {
    if (this.#to === 'one') return;
    for (const { question } of this.#slots)
      if (question.status === 'open')
        question.giveUp(reason ?? aborted(this.terms.address, 'enough others have answered'));
  }

  #answers(): readonly Answer[] {
    return this.#slots.flatMap(({ outcome }) => outcome ?? []);
  }

  get #answered(): number {
    return this.#slots.filter(({ outcome }) => outcome?.ok).length;
  }

  #isHopeless(): boolean {
    if (typeof this.#to === 'string' || this.#slots.some(({ mayGrow }) => mayGrow)) return false;
    const failed = this.#slots.filter(({ outcome }) => outcome?.ok === false).length;
    return this.#slots.length - failed < this.#to.quorum;
  }

  #noQuorum(): TelltaleError {
    const { quorum } = this.#to as { readonly quorum: number };
    const errors = this.#slots.flatMap(({ outcome }) => (outcome?.ok === false ? [outcome.error] : []));
    return noQuorum(this.terms.address, { needed: quorum, answered: this.#answered, of: this.#slots.length }, errors);
  }
}

/** What one of those that are asked answers. */
class Slot implements Replies {
  readonly #call: WholeCall;
  readonly answerer: Answerer;
  declare question: Question;
  outcome: Answer | undefined = undefined;
  #parts: unknown[] | undefined;

  constructor(call: WholeCall, answerer: Answerer) {
    this.#call = call;
    this.answerer = answerer;
  }

  /** How many answer behind a link is known when the first of them has. */
  get mayGrow(): boolean {
    return this.answerer.many === true && this.outcome === undefined;
  }

  answered(value: unknown): void {
    this.#settle({ ok: true, value });
  }

  part(value: unknown): void {
    const parts = (this.#parts ??= []);
    if (parts.length < MAX_PARTS) return void parts.push(value);
    const error = tooManyParts(this.#call.terms.address, MAX_PARTS);
    this.question.giveUp(error);
    this.refused(error);
  }

  ended(): void {
    this.#settle({ ok: true, value: this.#parts ?? [] });
  }

  failed(error: unknown): void {
    this.refused(askFailed(this.#call.terms.address, error));
  }

  refused(error: TelltaleError): void {
    this.#settle({ ok: false, error });
  }

  dropped(): void {
    this.#call.dropped(this);
  }

  shared(more: number): readonly Question[] {
    return this.#call.shared(this, more);
  }

  late(outcome: LateOutcome): void {
    // Nobody misses an answer beyond a quorum.
    if (this.outcome) this.#call.late(outcome);
  }

  #settle(outcome: Answer): void {
    if (this.outcome) return;
    this.outcome = outcome;
    this.#call.settled(this);
  }
}
