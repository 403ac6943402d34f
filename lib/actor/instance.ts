import { runWithCause, type Cause } from '../context.ts';
import { TelltaleError } from '../errors.ts';
import type { Envelope } from '../event/envelope.ts';
import type { TelltaleEvent } from '../event/event.ts';
import type { Receiving } from '../event/receiving.ts';
import { derivedId } from '../ids.ts';
import { invoke, isThenable, type Failure } from '../invoke/invoke.ts';
import { Fifo } from '../mailbox/fifo.ts';
import { checkActorName, type Behaviour } from './behaviour.ts';
import { ActorContext, type ActorSite, type Receive } from './context.ts';
import { copyState } from './copy-state.ts';
import { decide, type DecideTerms } from './decide.ts';
import type { InstanceStatus } from './figures.ts';
import type { Aside } from './inbox.ts';
import { addressOf } from './keys.ts';
import type { ActorPort, ActorRef, Log } from './port.ts';
import { rebuild, type Standing } from './rebuild.ts';
import { saveSnapshot } from './snapshot-document.ts';
import { ALL_SAVED, isDue } from './snapshots.ts';
import type { StashRoom } from './stash-room.ts';
import { Supervisor } from './supervision.ts';

/** One event on its way through `receive`, over all attempts. */
export interface Work {
  readonly envelope: Envelope;
  /** The context it runs in. */
  readonly cause: Receiving;
  /** From 1. */
  attempt: number;
}

export interface InstanceTerms {
  readonly key: string;
  /** Its place: the entity of its events. */
  readonly entity: string;
  readonly behaviour: Behaviour;
  readonly port: ActorPort;
  readonly actor: ActorRef;
  readonly stashRoom: StashRoom;
  spawn(instance: Instance, name: string, behaviour: unknown): unknown;
  snapshotFailed(instance: Instance, error: unknown): void;
}

/**
 * One instance of an actor: its state, what it has stashed, its children. Its actor calls `run` for one event at a time.
 * Failure: what `initial`, `receive` and `apply` throw is answered, never thrown.
 */
export class Instance implements ActorSite, Aside {
  readonly terms: InstanceTerms;
  /** Whom questions name. */
  readonly address: string;
  readonly supervisor: Supervisor;
  readonly children = new Map<string, ActorRef>();
  readonly stashed: Envelope[] = [];
  readonly front = new Fifo<Envelope>();
  status: InstanceStatus = 'starting';
  /** Is to stop, or to begin anew, when the event it handles is done with. */
  wanted: 'nothing' | 'stop' | 'restart' = 'nothing';
  /** How long a wanted restart waits. */
  restartMs = 0;
  /** Being handled, or waiting for its next attempt. */
  work: Work | undefined;
  /** Of the last event that went well: what `receive` wished for. */
  ended: ActorContext | undefined;
  /** Why it was stopped. */
  error: unknown;
  /** When it last had something to do, for actors that put idle instances aside. */
  usedMs = 0;
  standing: Standing = NOWHERE;
  /** The state may have been changed in its place by what is not stored yet, or was not stored. */
  #isAhead = false;
  /** While it is ahead: over when it may be looked at again. */
  #catchingUp: Promise<unknown> | undefined;
  /** Until its children have stopped and its snapshots are stored, after it was halted. */
  isWinding = true;
  /** Told when it has stopped, its children too. */
  readonly whenStopped: (() => void)[] = [];
  /** Snapshots on their way. */
  readonly tasks = new Set<Promise<unknown>>();
  #isSnapshotDue = false;
  #cancelRestart: (() => void) | undefined;
  #receive: Receive;
  #abort: AbortController | undefined;
  /** Events stored up to here may have been handled before the state was rebuilt. */
  #recovered = 0;

  constructor(terms: InstanceTerms) {
    this.terms = terms;
    this.address = addressOf(terms.actor, terms.key);
    this.supervisor = new Supervisor(terms.behaviour.supervision, terms.port.clock);
    this.#receive = terms.behaviour.receive;
  }

  get key(): string {
    return this.terms.key;
  }

  get recipient(): string {
    return `actor:${this.terms.entity}`;
  }

  get self(): unknown {
    return this.terms.port.handleOf(this.terms.actor);
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController();
    if (this.status === 'stopped') this.#abort.abort();
    return this.#abort.signal;
  }

  mustStash(envelope: Envelope): void {
    const { entity, behaviour, stashRoom } = this.terms;
    if (behaviour.durable)
      throw new TelltaleError(
        'NOT_SUPPORTED',
        `\`stash\` of actor ${entity} would hold up its mailbox, which is the log`,
      );
    if (stashRoom.has(envelope)) return;
    const { length, bytes, limits } = stashRoom;
    const text = `the stash of actor ${this.terms.actor.address} is full: ${length} of ${limits.max} events, ${bytes} of ${limits.maxBytes} bytes`;
    throw new TelltaleError('MAILBOX_FULL', text);
  }

  /** Would nothing be lost if it were put aside? */
  get isAtRest(): boolean {
    if (this.status !== 'idle' || this.stashed.length > 0 || this.children.size > 0 || this.tasks.size > 0)
      return false;
    return this.#receive === this.terms.behaviour.receive;
  }

  spawn(name: string, behaviour: unknown): unknown {
    return this.terms.spawn(this, checkActorName(name), behaviour);
  }

  plain(value: unknown): unknown {
    return this.terms.port.plain(value);
  }

  /** Nothing more is handled, and what waits for a restart waits no longer. */
  halt(error?: unknown): void {
    this.status = 'stopped';
    this.error = error;
    this.#cancelRestart?.();
    this.#abort?.abort();
  }

  /** Stops its children, which may take as long as they handle something, and waits for its snapshots. */
  async wind(): Promise<void> {
    await this.#stopChildren();
    await Promise.all(this.tasks);
  }

  /** Begins anew after a while, without its children. Tells `begun` how that went, unless it is stopped meanwhile. */
  restart(delayMs: number, begun: (failure: Failure | undefined) => void): void {
    this.status = 'restarting';
    this.wanted = 'nothing';
    const again = async (): Promise<void> => {
      await this.#stopChildren();
      if (this.status !== 'restarting') return;
      const failure = await this.begin();
      if (this.status === 'restarting') begun(failure);
    };
    this.#cancelRestart = this.terms.port.clock.wait(delayMs, () => void again());
  }

  async #stopChildren(): Promise<void> {
    await Promise.all([...this.children.values()].map((child) => child.stop()));
  }

  /** Does it handle this event, or one of its children? */
  isHandling(id: string): boolean {
    if (this.work?.envelope.event.id === id) return true;
    return [...this.children.values()].some((child) => child.isHandling(id));
  }

  /** Is this the context of its `receive`, or of a child's? */
  isInside({ handling, receiver }: Cause): boolean {
    if (handling === undefined || receiver === undefined || !this.isHandling(handling)) return false;
    return receiver === this.address || receiver.startsWith(`${this.address}/`);
  }

  /** Begins anew, from `initial` or from what is stored; at once where nothing is. */
  begin(): undefined | Failure | Promise<undefined | Failure> {
    this.#receive = this.terms.behaviour.receive;
    return invoke(() => (this.terms.behaviour.persist ? this.#recover() : this.#reset()), undefined, { attempt: 1 });
  }

  /** Handles one event; the Promise never rejects. */
  run(work: Work): undefined | Failure | Promise<undefined | Failure> {
    this.work = work;
    work.cause.receiver = this.address;
    const context = this.#contextOf(work);
    return invoke(this.#call, work.envelope.event, context);
  }

  /** A copy of its state as the log has it. Rejects with why it cannot be rebuilt. */
  async state(): Promise<unknown> {
    while (this.#isAhead) await this.#settle();
    return copyState(this.standing.state);
  }

  /** Stores a snapshot of where it stands. Rejects as `state`, with `PAYLOAD_*` and with what the store refuses. */
  async snapshot(): Promise<void> {
    while (this.#isAhead) await this.#settle();
    const { entity, behaviour, port } = this.terms;
    const { schemaVersion, snapshot } = behaviour;
    const { standing } = this;
    this.standing = { ...standing, ...ALL_SAVED, pace: standing.pace };
    const keeping = { schemaVersion, compressAbove: snapshot.compressAbove };
    return this.track(saveSnapshot(port.log!.store, entity, standing, keeping));
  }

  #snapshotWhenDue(): void {
    const { behaviour, port } = this.terms;
    const { store } = port.log!;
    if (this.#isSnapshotDue || store.supports.readOnly) return;
    if (!isDue(behaviour.snapshot, this.standing, port.clock.now())) return;
    this.#isSnapshotDue = true;
    void port.snapshots.run(() => this.#takeSnapshot());
  }

  // It saves time, so it is not worth that whoever stops the instance waits for those before it.
  async #takeSnapshot(): Promise<void> {
    this.#isSnapshotDue = false;
    if (this.status === 'stopped') return;
    await this.snapshot().catch((error: unknown) => this.terms.snapshotFailed(this, error));
  }

  track<T>(task: Promise<T>): Promise<T> {
    const settled = task.then(
      () => void this.tasks.delete(settled),
      () => void this.tasks.delete(settled),
    );
    this.tasks.add(settled);
    return task;
  }

  readonly #call = (event: TelltaleEvent, context: ActorContext): unknown => {
    const { behaviour, port } = this.terms;
    if (behaviour.persist) return this.#decide(port.log!);
    const answer = this.#receive(this.standing.state, event, context);
    if (!isThenable(answer)) return this.#accept(answer, context);
    return answer.then((state) => this.#accept(state, context));
  };

  #accept(state: unknown, context: ActorContext): undefined {
    if (state !== undefined) this.standing = { ...NOWHERE, state };
    this.#conclude(context);
  }

  #conclude(context: ActorContext): void {
    if (context.next) this.#receive = context.next;
    this.ended = context;
  }

  async #decide(log: Log): Promise<void> {
    const { behaviour, entity } = this.terms;
    const work = this.work!;
    const { envelope, cause } = work;
    while (this.#isAhead) await this.#settle();
    const comesAgain = behaviour.durable && envelope.position > 0;
    if (comesAgain && envelope.position < this.#recovered && (await isHandled(log, entity, envelope.event))) {
      this.#conclude(this.#contextOf(work));
      return;
    }
    let settled = NOTHING;
    const terms: DecideTerms = {
      entity,
      behaviour,
      changing: () => {
        this.#isAhead = true;
        this.#catchingUp = new Promise<void>((resolve) => (settled = resolve));
      },
      receive: this.#receive,
      log,
      cause,
      context: () => this.#contextOf(work),
      // Whoever looks at it while `receive` runs again must not wait for its end: that may be `receive` itself.
      reload: () => this.#reload().finally(settled),
      ...(comesAgain && { factId: (index: number) => factId(entity, envelope.event, index) }),
    };
    try {
      const decided = await runWithCause(cause, () => decide(terms, this.standing), undefined);
      this.standing = decided.standing;
      this.#isAhead = false;
      this.#conclude(decided.context);
      for (const answer of decided.answers) envelope.asking?.answered(answer);
    } finally {
      this.#catchingUp = undefined;
      settled();
    }
    this.#snapshotWhenDue();
  }

  #contextOf({ cause, attempt }: Work): ActorContext {
    const context = new ActorContext(cause, this.terms.port.context, this);
    context.attempt = attempt;
    return context;
  }

  #reset(): undefined {
    this.standing = { ...NOWHERE, state: this.terms.behaviour.initial(this.key) };
  }

  #settle(): Promise<unknown> {
    return (this.#catchingUp ??= this.#reload());
  }

  async #reload(): Promise<Standing> {
    try {
      this.standing = await this.#load();
      this.#isAhead = false;
      return this.standing;
    } finally {
      this.#catchingUp = undefined;
    }
  }

  async #recover(): Promise<void> {
    await this.#settle();
    this.#recovered = this.standing.position;
    this.#snapshotWhenDue();
  }

  #load(): Promise<Standing> {
    const { entity, key, behaviour, port } = this.terms;
    const { store, present } = port.log!;
    const ignored = (reason: TelltaleError): void => this.terms.snapshotFailed(this, reason);
    const terms = { store, present, ignored, clock: port.clock, signal: this.signal };
    return rebuild({ entity, key, behaviour }, terms);
  }
}

const NOTHING = (): void => undefined;
const NOWHERE: Standing = { ...ALL_SAVED, state: undefined, revision: 0, position: 0 };

// The first fact of an event is stored with all the others, so it stands for all of them.
async function isHandled({ store }: Log, entity: string, event: TelltaleEvent): Promise<boolean> {
  const id = factId(entity, event, 0);
  return (await store.find([id])).has(id);
}

/** The same whenever the event comes again. */
function factId(entity: string, { id }: TelltaleEvent, index: number): string {
  return derivedId('fact', entity, id, index);
}
