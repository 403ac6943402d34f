import type { Core } from './core.ts';
import { toError } from './errors.ts';
import type { StoredEvent } from './event/event.ts';
import type { Page, PageQuery, Store } from './store/port.ts';

/** What readers get to see of an event: its payload in the current version of its schema. */
export type Present = (event: StoredEvent) => StoredEvent;

/**
 * Shows stored events as readers of this bus see them. One that nobody can bring up to date is told once per type and
 * shown as it is stored, never dropped.
 */
export function presenterOf(core: Core): Present {
  return (event) => {
    try {
      return core.schemas.upcast(event);
    } catch (error) {
      const about = { type: event.type, version: event.schemaVersion, message: toError(error).message };
      core.reports.sayOnce('$bus.upcast.failed', event.type, about);
      return event;
    }
  };
}

/** The store as readers see it. Filters have looked at the events as they are stored. */
export function viewOf(store: Store, show: Present): Store {
  const page = async (asked: PageQuery): Promise<Page> => {
    const found = await store.page(asked);
    return { ...found, events: found.events.map(show) };
  };
  async function* read(asked?: Partial<PageQuery>): AsyncGenerator<StoredEvent> {
    for await (const event of store.read(asked)) yield show(event);
  }
  return new Proxy(store, {
    get: (target, name) => {
      if (name === 'page') return page;
      if (name === 'read') return read;
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}
