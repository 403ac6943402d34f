import { currentCause, runWithCause, type Cause } from '../context.ts';
import { expected, TelltaleError } from '../errors.ts';
import type { Admitted } from '../event/admission.ts';
import type { Envelope } from '../event/envelope.ts';
import { isId } from '../event/identity.ts';
import { derivedId } from '../ids.ts';
import { HeedfulPromise } from './heedful-promise.ts';
import { admitDone, type EffectDone } from './results.ts';
import { Running } from './running.ts';
import { Waits } from './waits.ts';

export const EFFECT_DONE = '$effect.done';

export interface EffectPort {
  /** The largest payload of `$effect.done`. */
  readonly maxBytes: number;
  /** Is what this event brings about stored? Otherwise results live as long as its handling. */
  isKept(envelope: Envelope): boolean;
  /** Throws what stands against storing a result, before anything is done. */
  mustTake(envelope: Envelope): void;
  /** What is stored under this id, frozen. Rejects with `EVENTS_REMOVED` where it was. */
  find(id: string): Promise<EffectDone | undefined>;
  /** What anybody has stored for an event under this name: a replay does not know for whom it tells it. */
  findAny(eventId: string, name: string): Promise<readonly EffectDone[]>;
  /** Stores a result unless there is one; answers what is stored, frozen. */
  record(id: string, done: Admitted, cause: Envelope): Promise<EffectDone>;
  /** It has failed, and nobody awaits it. */
  unheard(effect: EffectName, error: unknown): void;
  /** One has ended. */
  ended(): void;
}

/** What an effect is known by. */
export interface EffectName {
  readonly recipient: string;
  readonly envelope: Envelope;
  readonly name: string;
}

interface Call extends EffectName {
  readonly id: string;
  readonly fn: () => unknown;
}

/** A cause within effects that have not ended. */
interface Within extends Cause {
  readonly effects?: readonly string[];
}

/** What is known of the effects of one event that is being handled, by id. */
interface Handling {
  readonly results: Map<string, { readonly done: Admitted } | { readonly refusal: TelltaleError }>;
  /** Those that are stored nowhere. */
  readonly calls: Map<string, Promise<unknown>>;
}

/**
 * Things done once for an event: results are stored and given back. An effect is known by recipient, event and name.
 *
 * Order: those of one handler run as it calls them; calls of one effect share one run. Failure: what `fn` throws is
 * thrown and not stored. A result that the store does not take is kept while the event is handled, so that a retry
 * stores it and does not run `fn` again; a process that dies between `fn` and the store runs it again. Closing: an effect
 * that runs counts as a handler that runs.
 */
export class Effects {
  readonly #port: EffectPort;
  readonly #running = new Running();
  readonly #waits = new Waits();
  readonly #calls = new Map<string, Promise<unknown>>();
  readonly #handlings = new WeakMap<Envelope, Handling>();

  constructor(port: EffectPort) {
    this.#port = port;
  }

  /** How many run. */
  get load(): number {
    return this.#running.size;
  }

  /** How many run whose handlers have ended. */
  get left(): number {
    return this.#running.left;
  }

  /**
   * Rejects with what `fn` throws, `WOULD_DEADLOCK` where it would wait for itself, `REPLAY_CAPTURES` in a replay that
   * captures where nothing is stored, `EVENTS_REMOVED` where it was, `PAYLOAD_TOO_LARGE` and `PAYLOAD_TOO_DEEP`, and with
   * what the store refuses. Nobody has to await it.
   */
  run<T>(recipient: string, envelope: Envelope, name: string, fn: () => T | Promise<T>): Promise<T> {
    const call = { recipient, envelope, name, fn };
    const running = new HeedfulPromise<T>((resolve) => resolve(this.#run(call) as Promise<T>));
    const end = this.#running.begin(envelope);
    const ended = (): void => {
      end();
      this.#port.ended();
    };
    running.watch(ended, (error) => {
      if (!running.isHeeded) this.#port.unheard(call, error);
      ended();
    });
    return running;
  }

  async #run(given: Omit<Call, 'id'>): Promise<unknown> {
    checkCall(given);
    const { recipient, envelope, name } = given;
    const id = effectId(recipient, envelope.event.id, name);
    const call = { ...given, id };
    const outer = withinEffects();
    if (outer.includes(id) || this.#waits.reaches(id, outer)) throw wouldDeadlock(name);
    const calls = this.#port.isKept(envelope) ? this.#calls : this.#handling(envelope).calls;
    let running = calls.get(id);
    if (!running) {
      running = this.#once(call).finally(() => calls.delete(id));
      calls.set(id, running);
    }
    const stopWaiting = this.#waits.add(outer.at(-1), id);
    return running.finally(stopWaiting);
  }

  async #once(call: Call): Promise<unknown> {
    const { id, envelope } = call;
    if (!this.#port.isKept(envelope)) return ((await this.#result(call)).value as unknown as EffectDone).result;
    const recorded = await this.#recorded(call);
    if (recorded) return recorded.result;
    this.#port.mustTake(envelope);
    return (await this.#port.record(id, await this.#result(call), envelope)).result;
  }

  async #recorded({ id, recipient, envelope, name }: Call): Promise<EffectDone | undefined> {
    const { retelling } = envelope;
    if (retelling?.id === undefined) return this.#port.find(id);
    const all = await this.#port.findAny(envelope.event.id, name);
    const found = all.length === 1 ? all[0] : all.find((done) => done.recipient === recipient);
    if (found) return found;
    if (retelling.capture === undefined && all.length === 0) return undefined;
    const which =
      all.length === 0 ? 'was never carried out' : `has results of ${all.map((done) => done.recipient).join(', ')}`;
    throw new TelltaleError(
      'REPLAY_CAPTURES',
      `effect \`${name}\` of ${envelope.event.id} ${which}, and a replay that captures carries nothing out; leave it out where \`context.replay\` is set, or replay with \`accept: true\``,
    );
  }

  /** Runs `fn` unless this handling has done so. */
  async #result({ id, recipient, envelope, name, fn }: Call): Promise<Admitted> {
    const { results } = this.#handling(envelope);
    let known = results.get(id);
    if (!known) {
      // What it does is done once and not taken back: an actor that stores its facts first holds none of it back.
      const within = Object.create(envelope, {
        effects: { value: [...withinEffects(), id] },
        hold: { value: undefined },
      }) as Within;
      const result = await runWithCause(within, () => fn(), undefined);
      known = admitDone({ recipient, eventId: envelope.event.id, name, result }, this.#port.maxBytes);
      results.set(id, known);
    }
    if ('refusal' in known) throw known.refusal;
    return known.done;
  }

  #handling(envelope: Envelope): Handling {
    let handling = this.#handlings.get(envelope);
    if (!handling) this.#handlings.set(envelope, (handling = { results: new Map(), calls: new Map() }));
    return handling;
  }
}

/** The same for the same effect in every process. */
export function effectId(recipient: string, eventId: string, name: string): string {
  return derivedId('effect', recipient, eventId, name);
}

function withinEffects(): readonly string[] {
  const cause: Within | undefined = currentCause();
  return cause?.effects ?? [];
}

function checkCall({ name, fn }: Omit<Call, 'id'>): void {
  if (!isId(name))
    throw expected('INVALID_OPTION', 'the name of an effect', 'a well-formed string of 1 to 256 bytes', name);
  if (typeof fn !== 'function') throw expected('INVALID_OPTION', `effect \`${name}\``, 'a function', fn);
}

function wouldDeadlock(name: string): TelltaleError {
  const text = `effect \`${name}\` called inside of itself, or of one that it waits for, would wait for itself`;
  return new TelltaleError('WOULD_DEADLOCK', text);
}
