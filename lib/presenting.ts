import type { Core } from './core.ts';
import { messageOf } from './errors.ts';
import type { StoredEvent } from './event/event.ts';
import type { Page, PageQuery, Store } from './store/port.ts';

/** What readers get to see of an event: its payload in the current version of its schema. */
export type Present = (event: StoredEvent) => StoredEvent;

/**
 * Shows stored events as readers of this bus see them. One that nobody can bring up to date, of a version this program
 * does not know, or that its schema no longer takes, is told once per type and shown as it is stored or was brought up
 * to date, never dropped. Schemas are asked only while somebody listens for what they refuse, and no more for a type
 * that has been told: a schema of some fields costs about as much as reading the event from memory. With
 * `validate: 'transform'` the schema is asked about what it has made: one that does not take its own output is told as
 * well, and the report says so.
 */
export function presenterOf(core: Core): Present {
  const { schemas, reports } = core;
  return (event) => {
    // Most types are not declared: a replay from memory asks this millions of times a second.
    if (event.schemaVersion === 1 && !schemas.declares(event.type)) return event;
    try {
      const shown = schemas.upcast(event);
      const isUnknown = event.schemaVersion > schemas.version(event.type);
      if (reports.wouldSay(isUnknown ? UNKNOWN : REFUSED, event.type)) tellProblem(core, shown);
      return shown;
    } catch (error) {
      const about = { type: event.type, version: event.schemaVersion, message: messageOf(error) };
      reports.sayOnce('$bus.upcast.failed', event.type, about);
      return event;
    }
  };
}

const REFUSED = '$bus.schema.refused';
const UNKNOWN = '$bus.schema.unknown';

function tellProblem({ schemas, reports }: Core, event: StoredEvent): void {
  const problem = schemas.problemOf(event);
  if (!problem) return;
  const { id: eventId, type, schemaVersion: version, position } = event;
  const about = { type, version, eventId, position, code: problem.code, message: problem.message };
  reports.sayOnce(problem.code === 'UNKNOWN_TYPE' ? UNKNOWN : REFUSED, type, about);
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
