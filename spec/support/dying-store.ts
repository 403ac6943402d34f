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
 * A log as a process has it that dies at its nth call: before the call is carried out, or behind it. Whoever is dead is
 * never answered and hears nothing any more; the log itself stays.
 */
export function mortal(log: Store, nth: number, dies: 'before' | 'behind'): MortalStore {
  const state = { calls: 0, isDead: false };
  const never = new Promise<never>(() => undefined);
  /** May this call be carried out, and may its answer be heard? */
  const enter = (): [boolean, boolean] => {
    if (state.isDead) return [false, false];
    state.isDead = ++state.calls === nth;
    return [!state.isDead || dies === 'behind', !state.isDead];
  };
  const own: Partial<Store> = {
    open: async () => undefined,
    close: async () => undefined,
    enqueue: (append) => {
      const [isDone, isHeard] = enter();
      const answered = (answer: () => void): void => void (isHeard && !state.isDead && answer());
      const asked: PendingAppend = {
        ...pick(append),
        acknowledged: (receipt) => answered(() => append.acknowledged(receipt)),
        failed: (error) => answered(() => append.failed(error)),
      };
      if (isDone) log.enqueue(asked);
    },
    onCommit: (listener) => log.onCommit((events) => void (!state.isDead && listener(events))),
  };
  const store = new Proxy(log, {
    get: (target, name) => {
      if (name in own) return own[name as keyof Store];
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== 'function' || SYNC.includes(String(name)))
        return typeof member === 'function' ? (member.bind(target) as unknown) : member;
      return async (...given: unknown[]) => {
        const [isDone, isHeard] = enter();
        const answer: unknown = isDone
          ? await (member as (...all: unknown[]) => unknown).apply(target, given)
          : undefined;
        return isHeard && !state.isDead ? answer : never;
      };
    },
  });
  return {
    store,
    get calls() {
      return state.calls;
    },
    get isDead() {
      return state.isDead;
    },
  };
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
