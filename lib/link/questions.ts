import { NO_CHAIN, type Asking, type Chain } from '../context.ts';
import { TelltaleError, messageOf } from '../errors.ts';
import type { Answerer, RemoteReplies } from '../event/asking.ts';
import { errorFromPlain, errorToPlain } from '../event/crossing-error.ts';
import { deepFrozen } from '../event/deep-frozen.ts';
import { Envelope } from '../event/envelope.ts';
import type { Plain } from '../event/event.ts';
import type { BusPort } from './bus-port.ts';
import type { AnswerKind, AskTerms, Message } from './frames.ts';

export interface QuestionsPort {
  /** Known once there is a bus. */
  bus(): BusPort;
  send(message: Message, bytes?: number): void;
  /** What the other side is called, for error texts. */
  readonly other: string;
}

/** Questions one side may have with the other; more are still taken, and others are asked before it. */
const CREDITS = 16;
/** Parts of an answer on their way. */
const PARTS = 16;
/** Ids of a question to everybody: one for each of those who may answer it. */
const SHARES = 2 ** 20;

/**
 * Questions over a link, both ways. Deadlines, and whom a chain of questions has been to, go with them. Capacity: an
 * answer in parts waits when 16 of them have not been taken. Failure: where the link ends, what was asked over it fails
 * at once, and nobody waits any more for what is being answered for it.
 */
export class Questions implements Answerer {
  readonly many = true;
  readonly #port: QuestionsPort;
  readonly #asked = new Map<number, Asking>();
  readonly #answering = new Map<number, Answering>();
  #last = 0;
  #ended: TelltaleError | undefined;

  constructor(port: QuestionsPort) {
    this.#port = port;
  }

  get credit(): number {
    return CREDITS - this.#asked.size;
  }

  accepts(): boolean {
    return this.#ended === undefined;
  }

  /** Asks the other side. */
  take({ asking: given, event, transient, chain, bytes }: Envelope): void {
    const asking = given!;
    if (this.#ended) return asking.refused(this.#ended);
    const { path, streams, everybody, remainingMs } = asking;
    const id = this.#last + 1;
    this.#last += everybody ? SHARES : 1;
    // JSON has no Infinity.
    const terms: AskTerms = {
      path,
      streams,
      everybody,
      remainingMs: Number.isFinite(remainingMs) ? remainingMs : null,
    };
    this.#await(id, asking);
    const about = [id, event, terms, transient ? 1 : 0, bytes] as const;
    this.#port.send(chain.depth > 0 ? ['ask', ...about, chain] : ['ask', ...about], bytes);
  }

  /** The other side asks. */
  asked([, id, event, terms, transient, bytes, chain]: Extract<Message, readonly ['ask', ...unknown[]]>): void {
    deepFrozen(event);
    const bus = this.#port.bus();
    const above: Chain = chain ?? NO_CHAIN;
    const envelope = new Envelope(event, bytes, transient === 1, true, above, bus.owner);
    const { remainingMs } = terms;
    bus.receive(envelope, { ...terms, remainingMs: remainingMs ?? Infinity }, this.#answer(id, { next: id + 1 }), this);
  }

  /** An answer, or a part of one, from the other side. */
  answered(id: number, kind: AnswerKind, value: unknown): void {
    const asking = this.#asked.get(id);
    if (!asking) return kind === 'shared' ? this.#shared(undefined, value as readonly [number, number]) : undefined;
    if (kind === 'part') return this.#part(id, asking, value);
    if (kind === 'shared') return this.#shared(asking, value as readonly [number, number]);
    this.#asked.delete(id);
    if (kind === 'answered') asking.answered(value);
    else if (kind === 'ended') asking.ended();
    else if (kind === 'dropped') asking.dropped();
    else if (kind === 'failed') asking.failed(errorFromPlain(value as Plain));
    else asking.refused(asRefusal(errorFromPlain(value as Plain)));
  }

  /** A part has been taken there. */
  taken(id: number): void {
    this.#answering.get(id)?.taken();
  }

  /** The other side does not wait any more. */
  forgotten(id: number, reason: Plain): void {
    this.#answering.get(id)?.cancel(asRefusal(errorFromPlain(reason)));
  }

  end(cause: Error): void {
    const text = `\`${this.#port.other}\` is gone and answers no more: ${cause.message}`;
    this.#ended = new TelltaleError('LINK_BROKEN', text, { cause });
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const asking of asked) asking.refused(this.#ended);
    for (const answering of this.#answering.values()) answering.cancel(this.#ended);
  }

  #await(id: number, asking: Asking): void {
    this.#asked.set(id, asking);
    asking.whenGivenUp((reason) => {
      if (this.#asked.delete(id)) this.#port.send(['forget', id, errorToPlain(reason)]);
    });
  }

  /** Others answer as well; nobody waits for them where the asker has given up meanwhile. */
  #shared(asking: Asking | undefined, [first, more]: readonly [number, number]): void {
    const askings = asking?.shared(more) ?? [];
    for (let i = 0; i < more; i++) {
      const other = askings[i];
      if (other) this.#await(first + i, other);
      else this.#port.send(['forget', first + i, errorToPlain(new TelltaleError('ABORTED', 'its asker has given up'))]);
    }
  }

  #answer(id: number, ids: { next: number }): Answering {
    const answering = new Answering(id, {
      send: (message) => this.#port.send(message),
      over: () => void this.#answering.delete(id),
      others: (more) => {
        const first = ids.next;
        ids.next += more;
        return Array.from({ length: more }, (_, i) => this.#answer(first + i, ids));
      },
    });
    this.#answering.set(id, answering);
    return answering;
  }

  #part(id: number, asking: Asking, value: unknown): void {
    const room = asking.part(value);
    const taken = (): void => this.#port.send(['taken-part', id]);
    if (room) void room.then(taken);
    else taken();
  }
}

interface AnsweringPort {
  send(message: Message): void;
  over(): void;
  /** So many more that answer the same question. */
  others(more: number): readonly Answering[];
}

/** One question of the other side, on its way to an answer here. */
class Answering implements RemoteReplies {
  readonly id: number;
  readonly #port: AnsweringPort;
  #incoming: { cancel(reason: TelltaleError): void } | undefined;
  #parts = 0;
  #hasRoom: (() => void) | undefined;

  constructor(id: number, port: AnsweringPort) {
    this.id = id;
    this.#port = port;
  }

  begun(incoming: { cancel(reason: TelltaleError): void }): void {
    this.#incoming = incoming;
  }

  cancel(reason: TelltaleError): void {
    this.#incoming?.cancel(reason);
  }

  answered(value: unknown): void {
    this.#end('answered', value);
  }

  part(value: unknown): void | Promise<void> {
    this.#port.send(['answer', this.id, 'part', value]);
    if (++this.#parts < PARTS) return;
    return new Promise((resolve) => (this.#hasRoom = resolve));
  }

  ended(): void {
    this.#end('ended');
  }

  failed(error: unknown): void {
    this.#end('failed', errorToPlain(error));
  }

  refused(error: TelltaleError): void {
    this.#end('refused', errorToPlain(error));
  }

  dropped(): void {
    this.#end('dropped');
  }

  shared(more: number): readonly Answering[] {
    const others = this.#port.others(more);
    this.#port.send(['answer', this.id, 'shared', [others[0]!.id, more]]);
    return others;
  }

  // The bus it was answered on has counted and reported it.
  late(): void {}

  taken(): void {
    this.#parts--;
    this.#hasRoom?.();
    this.#hasRoom = undefined;
  }

  #end(kind: AnswerKind, value?: unknown): void {
    this.#hasRoom?.();
    this.#port.over();
    this.#port.send(value === undefined ? ['answer', this.id, kind] : ['answer', this.id, kind, value]);
  }
}

function asRefusal(error: unknown): TelltaleError {
  if (error instanceof TelltaleError) return error;
  return new TelltaleError('LINK_BROKEN', messageOf(error), { cause: error });
}
