import { TelltaleError, messageOf } from '../errors.ts';
import type { Failure } from '../invoke/invoke.ts';
import type { BusPort } from './bus-port.ts';
import { Hearings } from './hearings.ts';
import type { Delivery } from './delivery.ts';
import { PROTOCOL } from './frames.ts';
import { Member } from './member.ts';
import { claimName } from './seat-names.ts';
import { Slot, type SlotStatus } from './slot.ts';
import type { RestartPolicy } from './supervision.ts';
import type { Transport } from './transport.ts';

/** A worker that was started, or was there already. */
export interface Started {
  readonly transport: Transport;
  /** Ends the worker at once; the transport tells when it is gone. */
  kill(): void;
}

export interface PoolTerms {
  readonly name: string;
  readonly size: number;
  /** Events one worker may have in its hands. */
  readonly credits: number;
  /** Whether an event goes to one of the workers that listen, or to each. */
  readonly deliver: 'one' | 'every';
  /** Absent: a worker that died is not started again. */
  readonly restart: RestartPolicy | undefined;
  readonly unresponsiveMs: number;
  readonly startTimeoutMs: number;
  readonly drainTimeoutMs: number;
  /** What is started, for error texts. */
  readonly what: string;
  /** Starts the worker at a place, from 0. May throw. */
  start(place: number, name: string): Started;
}

/** How one worker of a pool does. */
export interface WorkerFigures {
  readonly name: string;
  readonly status: SlotStatus;
  /** Events in its hands, and events that wait for it alone. */
  readonly inFlight: number;
  readonly waiting: number;
  /** Events its handlers have dealt with, and those they failed on. */
  readonly handled: number;
  readonly failed: number;
  /** Events that came from it. */
  readonly received: number;
  readonly restarts: number;
  readonly lastError?: string;
}

const UP_CREDITS = 1_024;
/** Time for a worker to end by itself when it has said goodbye. */
const LINGER_MS = 1_000;
/** The part of the time a closing bus allows that its workers get. */
const BUS_SHARE = 0.7;
const MAX_DEATHS = 2;

/**
 * Workers that share the events of a bus. Ordering: see `Hearing`. Capacity: `credits`, and 16 MiB, for each worker. Failure: a
 * worker that dies is started again, and what it had not acknowledged is handed to its successor, or to another worker
 * where there is none; an event that two workers died of fails; a worker that dies too often is given up, and when the
 * last one is, every event for them fails. Closing: handlers end, what they emitted is stored, then the workers go.
 */
export class Pool {
  readonly name: string;
  /** Resolves when every worker has set itself up. Rejects with `WORKER_FAILED`, `SCHEMA_CONFLICT`. */
  readonly ready: Promise<void>;
  readonly #bus: BusPort;
  readonly #terms: PoolTerms;
  readonly #slots: readonly Slot[];
  readonly #hearings: Hearings;
  readonly #forget: readonly (() => void)[];
  readonly #claim: ReturnType<typeof claimName>;
  #stopBeating: (() => void) | undefined;
  #beatMs = 0;
  #resolveReady: () => void = () => undefined;
  #rejectReady: (error: unknown) => void = () => undefined;
  #status: 'open' | 'closing' | 'closed' = 'open';
  #closing: Promise<void> | undefined;
  readonly #waiters = new Set<() => void>();

  constructor(bus: BusPort, terms: PoolTerms) {
    bus.mustBeOpen();
    this.name = terms.name;
    this.#claim = claimName(bus.owner, terms.name);
    this.#bus = bus;
    this.#terms = terms;
    this.#slots = Array.from({ length: terms.size }, (_, i) => new Slot(workerName(terms, i), terms.restart));
    this.#hearings = new Hearings(bus, terms, this.#slots);
    this.ready = new Promise((resolve, reject) => {
      this.#resolveReady = resolve;
      this.#rejectReady = reject;
    });
    // Nobody has to await it.
    this.ready.catch(() => undefined);
    const joined = (): void => {
      for (const { member } of this.#slots) member?.joined();
    };
    this.#forget = [
      () => this.#claim.leave(),
      bus.notice(() => this.#notices()),
      bus.fault(() => this.#slots.some(({ status }) => status === 'failed')),
      bus.onJoin(joined),
      bus.onClose(
        // The rest of the time is for ending those that do not end by themselves.
        () => this.#closeWithin(bus.closeTimeoutMs * BUS_SHARE),
        () => this.#end(0),
      ),
    ];
    for (const slot of this.#slots) this.#start(slot);
    this.#beat();
  }

  workers(): readonly WorkerFigures[] {
    return this.#slots.map((slot) => {
      const { name, status, inFlight, waiting, handled, failed, received, restarts, lastError, member } = slot;
      const figures = { name, status, inFlight, waiting, handled, failed, restarts };
      const all = received + (member?.received ?? 0);
      return { ...figures, received: all, ...(lastError && { lastError: lastError.message }) };
    });
  }

  /** Ends a worker as if it had died; false where it is not at work. */
  kill(name: string): boolean {
    const slot = this.#slots.find((one) => one.name === name);
    if (slot?.status !== 'ready') return false;
    this.#execute(slot, 'was killed');
    return true;
  }

  /** Lets the workers finish what they have, then ends them; what is not done within the time allowed fails. */
  close(): Promise<void> {
    return this.#closeWithin(this.#terms.drainTimeoutMs);
  }

  #closeWithin(timeoutMs: number): Promise<void> {
    this.#closing ??= this.#drain(Math.min(timeoutMs, this.#terms.drainTimeoutMs));
    return this.#closing;
  }

  async #drain(timeoutMs: number): Promise<void> {
    if (this.#status !== 'open') return;
    const started = this.#bus.clock.monotonic();
    await this.#until(() => this.#hearings.isIdle || this.#isClosed, timeoutMs / 2);
    if (this.#isClosed) return;
    this.#status = 'closing';
    for (const slot of this.#slots) {
      if (slot.status === 'ready') slot.member?.drain();
      // It has no ear for that yet, and nothing in its hands.
      else if (slot.member) this.#execute(slot, 'was not ready when its pool closed');
    }
    await this.#end(Math.max(0, timeoutMs - (this.#bus.clock.monotonic() - started)));
  }

  // Waits for workers that are leaving, then ends the rest.
  async #end(timeoutMs: number): Promise<void> {
    if (this.#status === 'closed') return;
    this.#status = 'closing';
    for (const slot of this.#slots) if (slot.status === 'restarting') this.#close(slot);
    const isDone = (): boolean => this.#slots.every(({ member }) => member === undefined);
    await this.#until(isDone, timeoutMs);
    const late = this.#slots.filter(({ member }) => member !== undefined);
    for (const slot of late) this.#execute(slot, 'did not end in time');
    if (late.length > 0) await this.#until(isDone, LINGER_MS);
    for (const slot of this.#slots) {
      slot.member?.end();
      this.#close(slot);
    }
    this.#status = 'closed';
    this.#stopBeating?.();
    for (const forget of this.#forget) forget();
    this.#hearings.end(closedError(this.name));
    this.#rejectReady(closedError(this.name));
    this.#changed();
  }

  #close(slot: Slot): void {
    const had = slot.bury();
    if (slot.status !== 'failed') slot.status = 'closed';
    this.#hearings.orphan(slot, had, closedError(this.name));
  }

  // Looked at whenever something has happened here.
  #until(condition: () => boolean, timeoutMs: number): Promise<void> {
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        cancel();
        this.#waiters.delete(look);
        resolve();
      };
      const cancel = this.#bus.clock.wait(timeoutMs, end);
      const look = (): void => void (condition() && end());
      this.#waiters.add(look);
    });
  }

  #changed(): void {
    for (const look of this.#waiters) look();
  }

  // The bus may have closed it meanwhile, which the compiler does not see.
  get #isClosed(): boolean {
    return this.#status === 'closed';
  }

  #start(slot: Slot): void {
    const place = this.#slots.indexOf(slot);
    let started: Started;
    try {
      started = this.#terms.start(place, slot.name);
    } catch (error) {
      return this.#died(slot, diedError(slot.name, `could not be started: ${messageOf(error)}`, error));
    }
    slot.kill = () => started.kill();
    slot.verdict = undefined;
    slot.cancelTimer = this.#bus.clock.after(this.#terms.startTimeoutMs, () =>
      this.#execute(slot, `was not ready within ${this.#terms.startTimeoutMs} ms`),
    );
    const { source, store, maxEventBytes } = this.#bus;
    const { credits } = this.#terms;
    const own = `${this.#claim.name}/${place + 1}`;
    const seat = { own, shared: this.#terms.deliver === 'every' ? own : this.#claim.name };
    const offer = { protocol: PROTOCOL, source, name: slot.name, credits, upCredits: UP_CREDITS, maxEventBytes, seat };
    const member: Member = new Member(started.transport, {
      bus: this.#bus,
      origin: slot,
      offer: { ...offer, ...(store && { store: store.supports }) },
      ready: () => this.#isReady(slot),
      hear: (interest) => this.#hearings.hear(slot, interest),
      unhear: (id) => this.#hearings.unhear(slot, id),
      settled: (delivery, failure) => this.#settled(slot, delivery, failure),
      declined: (delivery) => this.#hearings.declined(delivery),
      eased: () => this.#eased(slot),
      leaves: () => this.#hearings.leave(slot),
      bye: () => {
        slot.cancelTimer?.();
        slot.cancelTimer = this.#bus.clock.after(LINGER_MS, () => slot.kill());
      },
      isWanted: (type) => this.#bus.heard(type, (link) => this.#hearings.serves(link, slot)),
      ended: (reason, said) => this.#ended(slot, reason, said),
    });
    slot.member = member;
    const about = { restarts: slot.restarts };
    this.#say(slot.restarts > 0 ? '$worker.restarted' : '$worker.started', slot, about);
  }

  #isReady(slot: Slot): void {
    slot.cancelTimer?.();
    slot.status = 'ready';
    slot.wasReady = true;
    this.#say('$worker.ready', slot, {});
    if (this.#slots.every(({ wasReady }) => wasReady)) this.#resolveReady();
    // Whoever listened before the death and does not come back has nobody in this worker any more.
    slot.cancelTimer = this.#bus.clock.after(this.#terms.startTimeoutMs, () =>
      this.#hearings.stopExpecting(
        slot,
        new TelltaleError('WORKER_FAILED', `worker \`${slot.name}\` listens to it no more`),
      ),
    );
    this.#hearings.pump(slot);
  }

  #settled(slot: Slot, delivery: Delivery, failure: Failure | undefined): void {
    delivery.hearing.release(delivery);
    if (failure) slot.failed++;
    else slot.handled++;
    delivery.handed.ended(failure);
  }

  #eased(slot: Slot): void {
    this.#hearings.pump(slot);
    this.#changed();
  }

  #ended(slot: Slot, reason: TelltaleError, said: 'bye' | 'refused' | undefined): void {
    if (said === 'refused') {
      slot.kill();
      return this.#giveUp(slot, reason);
    }
    if (said === 'bye' || this.#status !== 'open') {
      // One that has not been ready since it was started has nothing in its hands, and was ended here.
      if (said !== 'bye' && slot.status === 'ready') this.#say('$worker.died', slot, { message: reason.message });
      this.#close(slot);
      return this.#changed();
    }
    const verdict = slot.verdict ?? `died: ${reason.message}`;
    this.#died(slot, diedError(slot.name, verdict, reason.cause ?? reason));
    // A frame that was not ours ends the link; the worker behind it is of no use any more.
    slot.kill();
  }

  #died(slot: Slot, error: TelltaleError): void {
    const { clock } = this.#bus;
    slot.lastError = error;
    const had = slot.bury();
    const restartInMs = slot.supervision.next(clock.monotonic(), slot.wasReady);
    this.#say('$worker.died', slot, { message: error.message, inFlight: had.length, restartInMs: restartInMs ?? null });
    for (const delivery of had) delivery.deaths++;
    const killers = had.filter(({ deaths }) => deaths >= MAX_DEATHS);
    for (const delivery of killers) {
      delivery.hearing.release(delivery);
      delivery.handed.ended({ error: killedError(delivery, error), attempts: delivery.deaths });
    }
    slot.suspect(had.filter(({ deaths }) => deaths < MAX_DEATHS));
    this.#hearings.expect(slot);
    if (restartInMs === undefined) this.#giveUp(slot, error);
    else this.#restart(slot, restartInMs);
    this.#changed();
  }

  #restart(slot: Slot, inMs: number): void {
    slot.status = 'restarting';
    slot.cancelTimer = this.#bus.clock.wait(inMs, () => {
      slot.restarts++;
      slot.status = 'starting';
      this.#start(slot);
    });
  }

  #giveUp(slot: Slot, cause: TelltaleError): void {
    const had = slot.bury();
    slot.status = 'failed';
    slot.lastError = cause;
    const text = `worker \`${slot.name}\` of ${this.#terms.what} is given up: ${cause.message}`;
    const error =
      cause.code === 'WORKER_FAILED'
        ? new TelltaleError('WORKER_FAILED', text, { cause: cause.cause ?? cause })
        : cause;
    this.#say('$worker.failed', slot, { message: text });
    this.#rejectReady(error);
    this.#hearings.orphan(slot, had, error);
    this.#changed();
  }

  #execute(slot: Slot, verdict: string): void {
    slot.verdict = verdict;
    slot.kill();
  }

  // A parent that was itself held up must not take its workers for dead.
  #beat(): void {
    const everyMs = this.#terms.unresponsiveMs / 4;
    const now = this.#bus.clock.monotonic();
    const late = now - this.#beatMs > 2 * everyMs;
    this.#beatMs = now;
    for (const slot of this.#slots) {
      if (slot.status !== 'ready' || !slot.member) continue;
      const silentMs = Math.round(now - slot.member.heardMs);
      if (!late && silentMs > this.#terms.unresponsiveMs) this.#execute(slot, `did not respond for ${silentMs} ms`);
      else slot.member.ping();
    }
    this.#stopBeating = this.#bus.clock.after(everyMs, () => this.#beat());
  }

  #say(type: string, { name }: Slot, about: Readonly<Record<string, unknown>>): void {
    this.#bus.report(type, { pool: this.name, worker: name, ...about });
  }

  #notices(): readonly string[] {
    return this.#slots
      .filter(({ status }) => status === 'failed' || status === 'restarting')
      .map(({ name, status, lastError }) =>
        status === 'failed'
          ? `worker \`${name}\` of pool \`${this.name}\` is given up: ${lastError?.message}`
          : `worker \`${name}\` of pool \`${this.name}\` is started again: ${lastError?.message}`,
      );
  }
}

const workerName = ({ name, size }: PoolTerms, place: number): string => (size === 1 ? name : `${name}-${place + 1}`);

function diedError(name: string, verdict: string, cause: unknown): TelltaleError {
  return new TelltaleError('WORKER_FAILED', `worker \`${name}\` ${verdict}`, { cause });
}

function closedError(name: string): TelltaleError {
  return new TelltaleError('LINK_BROKEN', `pool \`${name}\` is closed`);
}

function killedError({ envelope: { event }, deaths }: Delivery, cause: TelltaleError): TelltaleError {
  const text = `\`${event.type}\` ${event.id} was in the hands of ${deaths} workers that died, the last time: ${cause.message}`;
  return new TelltaleError('WORKER_FAILED', text, { cause, details: { eventId: event.id, deaths } });
}
