import type { Store } from '../../lib/plugin.ts';

/** One store as several processes see it, one after the other or at once: each view opens and closes nothing. */
export function viewOfShared(store: Store, { shared } = { shared: true }): Store {
  const supports = { ...store.supports, shared };
  let status: 'open' | 'closed' = 'open';
  const own: Partial<Store> = {
    supports,
    open: async () => undefined,
    close: async () => void (status = 'closed'),
    health: () => ({ ...store.health(), status }),
  };
  return new Proxy(store, {
    get(target, name) {
      if (name in own) return own[name as keyof Store];
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}
