import type { PendingAppend, Store } from '../../lib/plugin.ts';

/** One process's way to a log that others open after it. */
export interface MortalStore {
  readonly store: Store;
  /** How many calls have reached the log. */
  readonly calls: number;
  readonly isDead: boolean;
}

const SYNC = ['name', 'supports', 'health', 'onRemove', 'read'];

/**
 * A process that dies at its nth call to what outlives it: before the call is carried out, or behind it. Whoever is dead
 * is never answered and hears nothing any more.
 */
export class Life {
  calls = 0;
  isDead = false;
  readonly #nth: number;
  readonly #dies: 'before' | 'behind';

  constructor(nth: number, dies: 'before' | 'behind') {
    this.#nth = nth;
    this.#dies = dies;
  }

  /** May this call be carried out, and may its answer be heard? */
  enter(isStep = true): [boolean, boolean] {
    if (this.isDead) return [false, false];
    if (!isStep) return [true, true];
    this.isDead = ++this.calls === this.#nth;
    return [!this.isDead || this.#dies === 'behind', !this.isDead];
  }

  /** The same object, each call of which may be the last; only those named are steps, where some are. */
  callsOf<T extends object>(all: T, steps?: readonly string[]): T {
    return new Proxy(all, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        return this.#call(member.bind(target) as Call, steps?.includes(String(name)) ?? true);
      },
    });
  }

  #call(call: Call, isStep: boolean): Call {
    return async (...given) => {
      const [isDone, isHeard] = this.enter(isStep);
      const answer: unknown = isDone ? await call(...given) : undefined;
      return isHeard && !this.isDead ? answer : never;
    };
  }
}

type Call = (...given: readonly unknown[]) => unknown;

const never = new Promise<never>(() => undefined);

/** A log as a process has it that dies at its nth call; the log itself stays. */
export function mortal(log: Store, nth: number, dies: 'before' | 'behind'): MortalStore {
  const life = new Life(nth, dies);
  const store = mortalStore(log, life);
  return {
    store,
    get calls() {
      return life.calls;
    },
    get isDead() {
      return life.isDead;
    },
  };
}

/** @param steps the calls beside `enqueue` at which it may die; without them at all */
export function mortalStore(log: Store, life: Life, steps?: readonly string[]): Store {
  const own: Partial<Store> = {
    open: async () => undefined,
    close: async () => undefined,
    enqueue: (append) => {
      const [isDone, isHeard] = life.enter();
      const answered = (answer: () => void): void => void (isHeard && !life.isDead && answer());
      const asked: PendingAppend = {
        ...pick(append),
        acknowledged: (receipt) => answered(() => append.acknowledged(receipt)),
        failed: (error) => answered(() => append.failed(error)),
      };
      if (isDone) log.enqueue(asked);
    },
    onCommit: (listener) => log.onCommit((events) => void (!life.isDead && listener(events))),
  };
  const calls = life.callsOf(log, steps);
  return new Proxy(log, {
    get: (target, name) => {
      if (name in own) return own[name as keyof Store];
      if (!SYNC.includes(String(name))) return Reflect.get(calls, name) as unknown;
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}

function pick({
  events,
  bytes,
  expect,
  fresh,
  admitted,
}: PendingAppend): Omit<PendingAppend, 'acknowledged' | 'failed'> {
  return { events, bytes, fresh, admitted, ...(expect !== undefined && { expect }) };
}
