import { currentCause, runWithCause, runWithoutCause } from '../context.ts';
import { TelltaleError } from '../errors.ts';
import { describeError } from '../event/describe-error.ts';
import type { Envelope } from '../event/envelope.ts';
import { Receiving } from '../event/receiving.ts';
import type { Failure } from '../invoke/invoke.ts';
import { KeyFailure } from '../invoke/lane-key.ts';
import type { Paused } from '../mailbox/turn.ts';
import type { Behaviour } from './behaviour.ts';
import type { ActorFigures, InstanceInfo } from './figures.ts';
import { Books } from './books.ts';
import { Inbox } from './inbox.ts';
import { Instance, type Work } from './instance.ts';
import { Instances } from './instances.ts';
import { checkKey, instanceFor, stoppedError } from './keys.ts';
import type { ActorPort, ActorRef, Owner } from './port.ts';
import { errorOf, type Verdict } from './supervision.ts';

/**
 * One actor, with an instance for each key. Ordering: an instance handles its events one by one, in dispatch order;
 * instances run side by side. Capacity: one mailbox for all instances. Failure: `receive` runs alone; what becomes of
 * the instance is up to its supervision, an event that fails too often is a dead letter. Closing: an instance that stops
 * ends the event it handles, then its children; what was queued is cancelled and becomes dead letters.
 */
export class Actor implements ActorRef, Paused {
  readonly address: string;
  readonly behaviour: Behaviour;
  readonly #port: ActorPort;
  readonly #owner: Owner;
  readonly #books: Books;
  readonly #inbox: Inbox;
  readonly #instances: Instances;
  readonly #leave: () => void;
  #status: 'live' | 'stopping' | 'stopped' = 'live';
  /** Its `receive` has answered later: others may follow on it without a turn of the event loop. */
  #isAsync = false;
  /** An event of several of its patterns is one event. */
  #last: Envelope | undefined;

  constructor(address: string, behaviour: Behaviour, port: ActorPort, owner: Owner) {
    this.address = address;
    this.behaviour = behaviour;
    this.#port = port;
    this.#owner = owner;
    this.#books = new Books(this, port);
    this.#inbox = new Inbox(behaviour.mailbox, behaviour.keyOf !== undefined);
    const passivated = (instance: Instance): void => this.#report(instance, '$actor.passivated');
    this.#instances = new Instances({ behaviour, clock: port.clock, passivated });
    this.#leave = port.enlist(this);
    if (!behaviour.keyOf) this.#create(checkKey(this, undefined));
  }

  get live(): boolean {
    return this.#status === 'live';
  }

  get load(): number {
    return this.#books.counts.running + this.#inbox.length;
  }

  offer(envelope: Envelope): void {
    if (envelope === this.#last) return;
    this.#last = envelope;
    // Its consumer brings it what is stored.
    if (!this.behaviour.durable || envelope.transient) this.take(envelope);
  }

  take(envelope: Envelope, brought = false): void {
    this.#books.counts.routed++;
    if (!this.live) return this.#books.cancel([envelope], stoppedError(this));
    const key = instanceFor(this, envelope.event);
    if (key instanceof KeyFailure) return this.#books.refuse(envelope, key.failure);
    const instance = this.#instances.get(key) ?? this.#create(key);
    if (instance.status === 'stopped') return this.#books.cancel([envelope], instance.error ?? stoppedError(this, key));
    if (instance.status !== 'idle' || (!brought && this.#mustPause(envelope)) || !this.#inbox.acquire(key))
      return brought ? this.#inbox.bring(instance, envelope) : this.#books.drop(this.#inbox.push(envelope, key));
    if (this.#start(instance, envelope)) this.#goOn(instance);
  }

  /** A new turn of the event loop has time for what waits. */
  resume(): void {
    this.#pump();
  }

  congested(envelope: Envelope): boolean {
    return this.#inbox.isPatient && this.#isFull(envelope);
  }

  giveUp(envelope: Envelope): void {
    if (this.#isFull(envelope)) this.#inbox.giveUp();
  }

  isHandling(id: string): boolean {
    return this.#instances.isHandling(id);
  }

  figures(): ActorFigures {
    const { live: instances } = this.#instances;
    const { queued, queuedBytes } = this.#inbox;
    return { name: this.address, instances, ...this.#books.counts, queued, queuedBytes };
  }

  instances(): readonly InstanceInfo[] {
    return this.#instances.list(this.#inbox);
  }

  /** Ends one instance, or the actor; resolves when it has. Rejects with `WOULD_DEADLOCK` from inside of it. */
  async stop(key?: string): Promise<void> {
    const isWhole = key === undefined || !this.behaviour.keyOf;
    const { all } = this.#instances;
    const which = isWhole ? all : all.filter((instance) => instance.key === key);
    const cause = currentCause();
    if (cause && which.some((instance) => instance.isInside(cause))) {
      const text = `actor ${this.address} would wait for its own \`receive\`; use \`context.stop()\``;
      throw new TelltaleError('WOULD_DEADLOCK', text);
    }
    if (isWhole && this.live) this.#status = 'stopping';
    await runWithoutCause(() => Promise.all(which.map((instance) => this.#stopInstance(instance))));
    if (isWhole) this.#finish();
  }

  async state(key?: string): Promise<unknown> {
    return (await this.#find(checkKey(this, key)))?.state();
  }

  async snapshot(key?: string): Promise<void> {
    if (this.behaviour.persist !== 'events')
      throw new TelltaleError('INVALID_OPTION', `actor ${this.address} has no events to take a snapshot of`);
    return (await this.#find(checkKey(this, key)))!.snapshot();
  }

  /** The time to end by itself is over: what runs is left to itself, and has its letter. */
  cut(error: unknown): { readonly cut: number; readonly stillRunning: number } {
    let [cut, stillRunning] = [0, 0];
    if (this.live) this.#status = 'stopping';
    for (const instance of this.#instances.all) {
      if (instance.status === 'stopped') continue;
      instance.halt(error);
      if (instance.work) {
        stillRunning++;
        this.#port.cut(this, [instance.work.envelope], error);
      }
      cut += this.#cancelQueued(instance, error);
    }
    this.#finish();
    return { cut, stillRunning };
  }

  #isFull(envelope: Envelope): boolean {
    if (!this.live || !this.#inbox.isFull(envelope)) return false;
    const { durable, persist } = this.behaviour;
    // Its consumer brings it what is stored.
    if (durable && !envelope.transient) return false;
    // `receive` must never wait for its own mailbox: what it emits is turned away instead.
    const { emitter } = envelope.chain;
    if (emitter !== undefined && this.isHandling(emitter)) return false;
    const key = instanceFor(this, envelope.event);
    if (key instanceof KeyFailure || !this.#inbox.isFree(key)) return !(key instanceof KeyFailure);
    // One that is to be rebuilt first has to queue it.
    return persist !== false && this.#instances.get(key)?.status !== 'idle';
  }

  #create(key: string): Instance {
    const instance = this.#instanceOf(key);
    this.#instances.add(instance);
    this.#inbox.acquire(key);
    runWithoutCause(() => {
      const begun = instance.begin();
      if (!(begun instanceof Promise)) return this.#begun(instance, '$actor.started', begun);
      void begun.then((failure) => this.#begun(instance, '$actor.started', failure));
      return undefined;
    });
    return instance;
  }

  #instanceOf(key: string): Instance {
    // A child without keys stands for itself; the entity of every other needs an id.
    const entity = this.address.includes('/') && !this.behaviour.keyOf ? this.address : `${this.address}/${key}`;
    return new Instance({
      key,
      entity,
      behaviour: this.behaviour,
      port: this.#port,
      actor: this,
      stashRoom: this.#inbox.stashRoom,
      spawn: (parent, name, behaviour) => this.#spawn(parent, name, behaviour),
      snapshotFailed: (_, error) => this.#port.broken(this, { key, action: 'snapshot' }, error),
    });
  }

  /** Where an instance stands, also one that is put aside. Rejects with why its state cannot be rebuilt. */
  async #find(key: string): Promise<Instance | undefined> {
    const known = this.#instances.get(key);
    if (known && known.status !== 'starting' && known.status !== 'stopped') return known;
    if (!this.behaviour.persist) return undefined;
    const instance = this.#instanceOf(key);
    const failure = await instance.begin();
    if (failure) throw errorOf(failure);
    return instance;
  }

  #begun(instance: Instance, type: string, failure: Failure | undefined): void {
    if (instance.status === 'stopped') return;
    if (failure) return this.#notBegun(instance, errorOf(failure));
    instance.status = 'idle';
    instance.usedMs = this.#port.clock.monotonic();
    this.#report(instance, type);
    const { work } = instance;
    const isReady =
      !work || instance.wanted === 'stop' || runWithCause(work.cause, () => this.#run(instance, work), undefined);
    if (isReady) this.#goOn(instance);
  }

  /** Handles an event whose lane is ours; answers whether that is over and the instance ready for more. */
  #start(instance: Instance, envelope: Envelope): boolean {
    this.#books.begin(envelope);
    const work: Work = { envelope, cause: new Receiving(envelope), attempt: 1 };
    return runWithCause(work.cause, () => this.#run(instance, work), undefined);
  }

  #run(instance: Instance, work: Work): boolean {
    instance.status = 'running';
    const outcome = instance.run(work);
    if (!(outcome instanceof Promise)) return this.#end(instance, work, outcome);
    this.#isAsync = true;
    void outcome.then((failure) => {
      if (this.#end(instance, work, failure)) this.#goOn(instance);
      return undefined;
    });
    return false;
  }

  #end(instance: Instance, work: Work, failure: Failure | undefined): boolean {
    work.cause.receiver = undefined;
    this.#inbox.moved();
    // Cut meanwhile: its event has had its letter.
    if (instance.status === 'stopped') {
      this.#finishWork(instance).done(work, failure ? 'failed' : 'handled');
      return false;
    }
    if (failure) return this.#supervise(instance, work, errorOf(failure));
    instance.supervisor.went();
    instance.status = 'idle';
    this.#instances.used(instance);
    const { unstashes, wish } = instance.ended!;
    if (unstashes) this.#inbox.unstash(instance);
    if (wish === 'stop') instance.wanted = 'stop';
    if (wish !== 'stash') this.#finishWork(instance).done(work, 'handled');
    else {
      this.#finishWork(instance).leave(work);
      this.#inbox.stash(instance, work.envelope);
    }
    return true;
  }

  #goOn(instance: Instance): void {
    this.#settle(instance);
    this.#pump();
  }

  /** Does what is wanted, goes through what was unstashed, and gives the lane back. */
  #settle(instance: Instance): void {
    const { turn } = this.#port;
    while (instance.status === 'idle') {
      if (instance.wanted === 'stop') return void this.#quit(instance, 'stopped', instance.error);
      if (instance.wanted === 'restart') return this.#restart(instance, instance.restartMs);
      if (instance.front.length > 0 && !turn.enter({ resume: () => this.#goOn(instance) })) return;
      const next = this.#inbox.next(instance);
      if (!next) return this.#inbox.release(instance.key);
      if (!this.#start(instance, next)) return;
    }
  }

  #pump(): void {
    while (this.#inbox.mayTake) {
      const next = this.#port.turn.enter(this) ? this.#inbox.take() : undefined;
      if (!next) break;
      const { item, key } = next;
      const instance = this.#instances.get(key!)!;
      if (this.#start(instance, item)) this.#settle(instance);
    }
    this.#port.eased();
  }

  // Only what handlers emit: an event from outside is handled before `emit` returns.
  #mustPause({ chain }: Envelope): boolean {
    return this.#isAsync && chain.emitter !== undefined && !this.#port.turn.enter(this);
  }

  #supervise(instance: Instance, work: Work, error: unknown): boolean {
    const verdict = instance.supervisor.failed();
    const { envelope, attempt } = work;
    const { id: eventId, type: eventType } = envelope.event;
    const about = { key: instance.key, eventId, eventType, attempt, action: verdict.act };
    runWithoutCause(() => this.#port.broken(this, about, error, !envelope.asking));
    if (verdict.act === 'restart' && attempt < this.behaviour.supervision.retry.attempts) work.attempt++;
    else this.#finishWork(instance).fail(work, error);
    this.#carryOut(instance, verdict, error);
    return verdict.act === 'resume';
  }

  #notBegun(instance: Instance, error: unknown): void {
    const verdict = instance.supervisor.notBegun(error);
    runWithoutCause(() => this.#port.broken(this, { key: instance.key, action: verdict.act }, error));
    this.#carryOut(instance, verdict, error);
  }

  #carryOut(instance: Instance, verdict: Verdict, error: unknown): void {
    if (verdict.act === 'resume') instance.status = 'idle';
    else if (verdict.act === 'restart') this.#restart(instance, verdict.delayMs);
    else void this.#quit(instance, verdict.act === 'give-up' ? 'gave-up' : 'failed', error);
    if (verdict.act === 'escalate') this.#owner.failed(error);
  }

  /** A child has failed in a way that is left to its parent. */
  #childFailed(instance: Instance, error: unknown): void {
    if (instance.status === 'stopped') return;
    const verdict = instance.supervisor.failed();
    runWithoutCause(() => this.#port.broken(this, { key: instance.key, action: verdict.act, child: true }, error));
    if (verdict.act === 'resume') return;
    instance.wanted = verdict.act === 'restart' ? 'restart' : 'stop';
    instance.error = error;
    instance.restartMs = verdict.act === 'restart' ? verdict.delayMs : 0;
    if (instance.status === 'idle' && this.#inbox.acquire(instance.key)) this.#goOn(instance);
    if (verdict.act === 'escalate') this.#owner.failed(error);
  }

  #restart(instance: Instance, delayMs: number): void {
    this.#books.counts.restarts++;
    runWithoutCause(() => instance.restart(delayMs, (failure) => this.#begun(instance, '$actor.restarted', failure)));
  }

  async #stopInstance(instance: Instance): Promise<void> {
    const gone = new Promise<void>((resolve) => instance.whenStopped.push(resolve));
    instance.wanted = 'stop';
    if (instance.status !== 'running' && instance.status !== 'stopped') void this.#quit(instance, 'stopped');
    // It had failed: its next event begins it anew.
    else if (instance.status === 'stopped' && !instance.isWinding) return this.#instances.forget(instance, undefined);
    await gone;
  }

  /** Ends an instance, its children first; what is queued for it is cancelled. */
  async #quit(instance: Instance, reason: string, error?: unknown): Promise<void> {
    const { work } = instance;
    const why = error ?? stoppedError(this, instance.key);
    instance.halt(error);
    if (!this.behaviour.keyOf && this.live) this.#status = 'stopping';
    if (work) this.#finishWork(instance).fail(work, why);
    this.#cancelQueued(instance, why);
    if (instance.children.size + instance.tasks.size > 0) await runWithoutCause(() => instance.wind());
    instance.isWinding = false;
    this.#instances.forget(instance, error);
    const about = { reason, ...(error !== undefined && { error: describeError(error) }) };
    runWithoutCause(() => this.#report(instance, '$actor.stopped', about));
    if (!this.behaviour.keyOf) this.#finish();
    for (const told of instance.whenStopped) told();
    this.#port.eased();
  }

  #finish(): void {
    if (this.#status === 'stopped') return;
    this.#status = 'stopped';
    this.#instances.end();
    this.#leave();
    this.#owner.forget();
  }

  #spawn(parent: Instance, name: string, given: unknown): unknown {
    const known = parent.children.get(name);
    if (known) return this.#port.handleOf(known);
    if (parent.status === 'stopped') throw stoppedError(this, parent.key);
    const address = `${parent.terms.entity}/${name}`;
    const child = new Actor(address, this.#port.parse(given, address), this.#port, {
      failed: (error) => this.#childFailed(parent, error),
      forget: () => void parent.children.delete(name),
    });
    if (child.live) parent.children.set(name, child);
    return this.#port.handleOf(child);
  }

  #finishWork(instance: Instance): Books {
    instance.work = undefined;
    return this.#books;
  }

  #cancelQueued(instance: Instance, error: unknown): number {
    const queued = this.#inbox.empty(instance);
    this.#books.cancel(queued, error);
    return queued.length;
  }

  #report(instance: Instance, type: string, about: object = {}): void {
    this.#port.report(type, { name: this.address, key: instance.key, ...about });
  }
}
