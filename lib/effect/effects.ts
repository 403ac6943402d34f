import { createHash } from 'node:crypto';
import { currentCause, runWithCause, type Cause } from '../context.ts';
import { expected, TelltaleError } from '../errors.ts';
import type { Envelope } from '../event/envelope.ts';
import { isId } from '../event/identity.ts';
import { toPlain } from '../event/to-plain.ts';

export const EFFECT_DONE = '$effect.done';

/** The payload of `$effect.done`. */
export interface EffectDone {
  /** Whose effect it is: the name of a consumer or an actor, the group of a subscription, otherwise its pattern. */
  readonly recipient: string;
  readonly eventId: string;
  readonly name: string;
  /** As plain data; absent where the function answered with nothing. */
  readonly result?: unknown;
}

export interface EffectPort {
  /** The largest result; what is beyond is cut and marked as `toPlain` does. */
  readonly maxResultBytes: number;
  /** Is what this event brings about stored? Otherwise results live as long as its handling. */
  isKept(envelope: Envelope): boolean;
  /** Throws what stands against storing a result, before anything is done. */
  mustTake(envelope: Envelope): void;
  /** What is stored under this id. Rejects with `EVENTS_REMOVED` where it was. */
  find(id: string): Promise<EffectDone | undefined>;
  /** What anybody has stored for an event under this name: a replay does not know for whom it tells it. */
  findAny(eventId: string, name: string): Promise<readonly EffectDone[]>;
  /** Stores a result unless there is one; answers what is stored. */
  record(id: string, done: EffectDone, cause: Envelope): Promise<EffectDone>;
}

interface Call {
  readonly id: string;
  readonly recipient: string;
  readonly envelope: Envelope;
  readonly name: string;
  readonly fn: () => unknown;
}

/** A cause within effects that have not ended. */
interface Within extends Cause {
  readonly effects?: readonly string[];
}

/** What leaves room for the payload around it, so that it is not cut twice. */
const MAX_DEPTH = 30;

/**
 * Things done once for an event: results are stored and given back. An effect is known by recipient, event and name.
 *
 * Order: those of one handler run as it calls them; calls of one effect share one run. Failure: what `fn` throws is
 * thrown and not stored. A result that the store does not take is kept while the event is handled, so that a retry
 * stores it and does not run `fn` again; a process that dies between `fn` and the store runs it again.
 */
export class Effects {
  readonly #port: EffectPort;
  readonly #running = new Map<string, Promise<unknown>>();
  /** What has been run for an event that is being handled, by id. */
  readonly #results = new WeakMap<Envelope, Map<string, { readonly value: unknown }>>();

  constructor(port: EffectPort) {
    this.#port = port;
  }

  /**
   * Rejects with what `fn` throws, `WOULD_DEADLOCK` inside of itself, `REPLAY_CAPTURES` in a replay that captures where
   * nothing is stored, `EVENTS_REMOVED` where it was, and what the store refuses.
   */
  run<T>(recipient: string, envelope: Envelope, name: string, fn: () => T | Promise<T>): Promise<T> {
    const running = this.#run({ id: '', recipient, envelope, name, fn });
    // Nobody has to await it: its failure must not end the process.
    running.catch(() => undefined);
    return running as Promise<T>;
  }

  async #run(call: Call): Promise<unknown> {
    checkCall(call);
    const { recipient, envelope, name } = call;
    const id = effectId(recipient, envelope.event.id, name);
    if (withinEffects().includes(id))
      throw new TelltaleError('WOULD_DEADLOCK', `effect \`${name}\` called inside of itself would wait for itself`);
    let running = this.#running.get(id);
    if (!running) {
      running = this.#once({ ...call, id }).finally(() => this.#running.delete(id));
      this.#running.set(id, running);
    }
    return running;
  }

  async #once(call: Call): Promise<unknown> {
    const { id, recipient, envelope, name } = call;
    if (!this.#port.isKept(envelope)) return (await this.#result(call)).value;
    const recorded = await this.#recorded(call);
    if (recorded) return recorded.result;
    this.#port.mustTake(envelope);
    const { value } = await this.#result(call);
    const done = { recipient, eventId: envelope.event.id, name, ...(value !== undefined && { result: value }) };
    const stored = await this.#port.record(id, done, envelope);
    return stored === done ? value : stored.result;
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
  async #result({ id, envelope, fn }: Call): Promise<{ readonly value: unknown }> {
    let results = this.#results.get(envelope);
    if (!results) this.#results.set(envelope, (results = new Map<string, { readonly value: unknown }>()));
    const known = results.get(id);
    if (known) return known;
    const within = Object.create(envelope, { effects: { value: [...withinEffects(), id] } }) as Within;
    const answer = await runWithCause(within, () => fn(), undefined);
    const { maxResultBytes: maxBytes } = this.#port;
    const result = { value: answer === undefined ? undefined : toPlain(answer, { maxBytes, maxDepth: MAX_DEPTH }) };
    results.set(id, result);
    return result;
  }
}

/** The same for the same effect in every process. */
export function effectId(recipient: string, eventId: string, name: string): string {
  const hash = createHash('sha256').update(JSON.stringify([recipient, eventId, name]));
  return `effect-${hash.digest('base64url')}`;
}

function withinEffects(): readonly string[] {
  const cause: Within | undefined = currentCause();
  return cause?.effects ?? [];
}

function checkCall({ name, fn }: Call): void {
  if (!isId(name))
    throw expected('INVALID_OPTION', 'the name of an effect', 'a well-formed string of 1 to 256 bytes', name);
  if (typeof fn !== 'function') throw expected('INVALID_OPTION', `effect \`${name}\``, 'a function', fn);
}
