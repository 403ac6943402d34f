import type { Clock } from '../clock.ts';
import type { Pace } from './pace.ts';
import type { Stretch } from './scope.ts';

/**
 * What can be done to a replay while it runs, and whose turn it is. States: running, paused, ended. Everything that
 * waits here is woken by every change.
 */
export class Controls {
  readonly #clock: Clock;
  readonly #pace: Pace | undefined;
  readonly #changed: () => void;
  #state: 'running' | 'paused' | 'ended' = 'running';
  #stopped: 'no' | 'yes' | 'at once' = 'no';
  #move: Stretch | undefined;
  #steps: { left: number; told: number; readonly done: (told: number) => void } | undefined;
  #wake: (() => void) | undefined;
  /** How often somebody has waited here: the event loop has had its turns meanwhile. */
  sleeps = 0;
  /** Events may be told without asking for each. A plain field: it is looked at behind every event. */
  free: boolean;
  #pausedMs = 0;
  #pausedAt = 0;

  constructor(clock: Clock, pace: Pace | undefined, changed: () => void) {
    this.#clock = clock;
    this.#pace = pace;
    this.#changed = changed;
    this.free = pace === undefined;
  }

  get state(): 'running' | 'paused' | 'ended' {
    return this.#state;
  }

  /** Nothing more is told. */
  get stopped(): boolean {
    return this.#stopped !== 'no';
  }

  /** The events at hand are not those to be told next. */
  get moved(): boolean {
    return this.stopped || this.#move !== undefined;
  }

  /** Time spent in pauses until now. */
  get pausedMs(): number {
    return this.#pausedMs + (this.#state === 'paused' ? this.#clock.monotonic() - this.#pausedAt : 0);
  }

  pause(): void {
    if (this.#state !== 'running') return;
    this.#pausedAt = this.#clock.monotonic();
    this.#pace?.hold();
    this.#become('paused');
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#pausedMs = this.pausedMs;
    this.#pace?.go();
    this.#endSteps();
    this.#become('running');
  }

  step(count: number): Promise<number> {
    this.pause();
    if (this.#state === 'ended') return Promise.resolve(0);
    this.#endSteps();
    return new Promise((done) => {
      this.#steps = { left: count, told: 0, done };
      this.#wake?.();
    });
  }

  moveTo(stretch: Stretch): void {
    this.#move = stretch;
    this.#look();
    this.#wake?.();
  }

  takeMove(): Stretch | undefined {
    const move = this.#move;
    this.#move = undefined;
    this.#look();
    if (move !== undefined) this.#pace?.restart();
    if (this.#state === 'paused') this.#pace?.hold();
    return move;
  }

  stop(): void {
    if (this.#stopped === 'no') this.#stopped = 'yes';
    this.#look();
    this.#wake?.();
  }

  /** Stops, and waits for nobody. */
  giveUp(): void {
    this.#stopped = 'at once';
    this.#look();
    this.#wake?.();
  }

  end(): void {
    this.#pausedMs = this.pausedMs;
    this.#endSteps();
    this.#become('ended');
  }

  /** Waits until an event of this time is due; answers false where others are told next, or none. */
  async turn(time: number): Promise<boolean> {
    while (!this.moved) {
      if (this.#state === 'paused') {
        if (this.#steps !== undefined && this.#steps.left > 0) return true;
        await this.#sleep(undefined);
        continue;
      }
      const waitMs = this.#pace?.untilDue(time) ?? 0;
      if (waitMs <= 0) return true;
      await this.#sleep(waitMs);
    }
    return false;
  }

  /** An event of this time has been told. */
  told(time: number): void {
    if (this.#state !== 'paused') return this.#pace?.told(time);
    this.#pace?.stepped(time);
    const steps = this.#steps;
    if (steps === undefined) return;
    steps.told++;
    steps.left--;
  }

  /** The events of a step have been told. */
  get hasStepped(): boolean {
    return this.#steps?.left === 0;
  }

  /** What they were told has ended. */
  endStep(): void {
    if (!this.hasStepped) return;
    this.#changed();
    this.#endSteps();
  }

  /** Waits for somebody, but not where the replay goes on elsewhere. */
  until(eased: Promise<void>): Promise<void> {
    return this.#until(eased, () => this.moved);
  }

  /** Waits for what runs, wherever the replay goes on. */
  untilEnded(ended: Promise<void>): Promise<void> {
    const since = this.#stopped;
    return this.#until(ended, () => this.#stopped === 'at once' || this.#stopped !== since);
  }

  async #until(ended: Promise<void>, isOff: () => boolean): Promise<void> {
    const waiting = new Set([ended]);
    void ended.then(() => {
      waiting.clear();
      this.#wake?.();
      return undefined;
    });
    while (waiting.size > 0 && !isOff()) await this.#sleep(undefined);
  }

  #become(state: 'running' | 'paused' | 'ended'): void {
    this.#state = state;
    this.#look();
    this.#wake?.();
    this.#changed();
  }

  #look(): void {
    this.free = this.#state === 'running' && this.#pace === undefined && !this.moved;
  }

  #endSteps(): void {
    const steps = this.#steps;
    this.#steps = undefined;
    steps?.done(steps.told);
  }

  /** Until something changes, at most so long. */
  #sleep(ms: number | undefined): Promise<void> {
    this.sleeps++;
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel?.();
        this.#wake = undefined;
        resolve();
      };
      const cancel = ms === undefined ? undefined : this.#clock.wait(ms, wake);
      this.#wake = wake;
    });
  }
}
