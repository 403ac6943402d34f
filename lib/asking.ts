import { give, type AdmitAnswer } from './ask/give.ts';
import { Asks, type AskPort } from './ask/asks.ts';
import { currentCause, type Cause } from './context.ts';
import type { Core } from './core.ts';
import { TelltaleError, expected } from './errors.ts';
import { admit } from './event/admission.ts';
import type { Answerer } from './event/asking.ts';
import { describeError } from './event/describe-error.ts';
import { toPlain } from './event/to-plain.ts';
import { checkType } from './event/type-name.ts';
import { EVENT_OPTIONS } from './intake/emit-options.ts';
import { onEnd } from './on-end.ts';
import { parseSubscribe } from './options.ts';
import { mustKnow } from './parse-options.ts';
import type { Handler, Subscription, SubscriptionOptions } from './router/subscription.ts';

/** Questions do not depend on each other, so that many are answered at once. */
const CONCURRENCY = 16;
const ANSWER_OPTIONS: readonly string[] = ['where', 'key', 'concurrency', 'mailbox', 'signal'];

/** Whoever asks is told of a refusal; a letter could only be tried again as an event that nobody answers. */
const SILENT = { silent: true } as const;

const known = new WeakMap<Core, Asks>();

/** What a bus asks, and who answers it. */
export function asksOf(core: Core): Asks {
  let asks = known.get(core);
  if (!asks) known.set(core, (asks = new Asks(portOf(core))));
  return asks;
}

/** The functions of a bus that ask and answer. */
export function createAsking(core: Core) {
  const asks = asksOf(core);
  return {
    ask: (type: string, payload: unknown, options?: unknown) => asks.ask(currentCause(), type, payload, options),
    askEach: (type: string, payloads: Iterable<unknown>, options?: unknown) =>
      asks.askEach(currentCause(), type, payloads, options),
    askStream: (type: string, payload: unknown, options?: unknown) =>
      asks.askStream(currentCause(), type, payload, options),
    answer: (type: string, handler: Handler, options?: object) => {
      if (typeof handler !== 'function') throw expected('INVALID_OPTION', '`handler`', 'a function', handler);
      core.mustAccept(currentCause());
      const undo = addAnswerer(core, type, handler, options);
      return Object.assign(() => undo(), { [Symbol.dispose]: undo });
    },
  };
}

/**
 * A handler that answers: a subscription that hears nothing by itself and is handed its questions, so that mailbox,
 * keys, figures and closing are those of every other.
 */
function addAnswerer(core: Core, type: string, handler: Handler, given: object | undefined): () => void {
  const { where, signal, from: _, ...options } = parseAnswer(core, checkType(type), given);
  if (signal?.aborted) return () => undefined;
  const answer = answerWith(handler, admitAnswers(core, type));
  const terms: SubscriptionOptions = { ...options, where: () => false, handler: answer, answers: true };
  const { undo } = core.router.subscribe(terms, (subscription) =>
    asksOf(core).answer(type, answererOf(subscription, where)),
  );
  if (!signal) return undo;
  const stopWaiting = onEnd(core, signal, undo);
  return () => {
    stopWaiting();
    undo();
  };
}

function parseAnswer(core: Core, type: string, given: object | undefined): ReturnType<typeof parseSubscribe> {
  mustKnow(given ?? {}, ANSWER_OPTIONS, 'answer');
  const parsed = parseSubscribe(type, given, { ...core.options.mailbox, overflow: 'reject' });
  const { overflow } = parsed.mailbox;
  if (overflow === 'wait')
    throw expected('INVALID_OPTION', '`mailbox.overflow` of answer', 'a policy that holds up nobody', overflow);
  const { concurrency } = (given ?? {}) as { readonly concurrency?: number };
  return { ...parsed, concurrency: concurrency ?? CONCURRENCY };
}

function answererOf(subscription: Subscription, where: SubscriptionOptions['where']): Answerer {
  return {
    get credit() {
      return subscription.credit;
    },
    accepts: (event) => subscription.live && (where === undefined || where(event)),
    take: (envelope) => subscription.take(envelope),
  };
}

function answerWith(handler: Handler, admitAnswer: AdmitAnswer): Handler {
  return (event, context) => {
    const asking = context.envelope.asking!;
    // Its asker has gone while it waited.
    if (asking.status !== 'open') return;
    return give(asking, handler(event, context), admitAnswer);
  };
}

/** An answer is plain data like a payload, so that it is the same here and in another thread. */
function admitAnswers(core: Core, type: string): AdmitAnswer {
  const mode = core.schemas.payloadMode(type) ?? core.options.payload;
  if (mode === 'trust') return (value) => value;
  const { maxEventBytes } = core.options;
  return (value) => {
    if (value === undefined) return undefined;
    return admit(mode === 'plain' ? toPlain(value) : value, 'answer', maxEventBytes).value;
  };
}

function portOf(core: Core): AskPort {
  const { clock } = core.options;
  return {
    clock,
    eventOptions: EVENT_OPTIONS.filter((name) => name !== 'transient'),
    isInside: (cause): cause is Cause => core.isInside(cause),
    send: (cause, { type, payload, options, metadata }, call) => {
      if (options['transient'] === false) core.storeFor('`store: true`');
      const request = core.admit(cause, type, payload, options, metadata ? { ...SILENT, metadata } : SILENT);
      if ('dropped' in request) {
        const text = `the admit stage \`${request.dropped}\` dropped the request \`${type}\``;
        throw new TelltaleError('ASK_DROPPED', text, { details: { stage: request.dropped } });
      }
      request.to = call;
      if (!core.dispatcher.room(request.bytes, core.isInside(cause))) {
        core.counters.refuse(1);
        throw core.dispatcher.fullError();
      }
      core.carrier.carry(request, options['id'] === undefined, undefined, (outcome) => {
        if ('error' in outcome) call.cancel(outcome.error);
        else if (outcome.status === 'stored' && outcome.receipt.duplicate) call.cancel(knownRequest(type));
      });
      return request.event;
    },
    record: (request, outcome, done) => {
      const { type } = request.event;
      const failed = 'ok' in outcome && !outcome.ok;
      const about = failed ? { type, error: outcome.error } : { type, ...outcome, ok: undefined };
      try {
        const event = core.makeOwn(request, failed ? '$ask.failed' : '$ask.answered', about, { transient: false });
        core.carrier.carry(event, true, undefined, (end) => done('error' in end ? end.error : undefined));
      } catch (error) {
        done(error as TelltaleError);
      }
    },
    late: (address, request, outcome) => {
      const { id: eventId, type, correlationId } = request.event;
      const error = 'error' in outcome ? { error: describeError(outcome.error) } : {};
      core.reports.say('$bus.ask.late', address, { address, type, eventId, correlationId, ...error });
    },
    onClosing: (begun, settled, ended) => {
      core.life.onShutDown(begun);
      core.life.onSettled(settled);
      core.life.onClose(ended);
    },
  };
}

// Its answer, if there was one, is in the log beside it.
function knownRequest(type: string): TelltaleError {
  return new TelltaleError('EVENT_CONFLICT', `the request \`${type}\` is stored already; ask with a new id`);
}
