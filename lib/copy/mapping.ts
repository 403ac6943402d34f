import { expected } from '../errors.ts';
import { contentHash } from '../event/content-hash.ts';
import type { Metadata, StoredEvent, TelltaleEvent } from '../event/event.ts';
import { checkEvents } from '../store/check-events.ts';
import type { CopyOptions } from './options.ts';

/** What becomes of an event in a copy; `undefined` leaves it out. Throws the code of what is wrong with the answer. */
export type Mapping = (event: StoredEvent) => Promise<StoredEvent | undefined> | StoredEvent;

export function mappingOf({ map, forget = false }: CopyOptions, maxEventBytes: number): Mapping {
  if (map === undefined) return (event) => event;
  return async (event) => {
    const changed = await map(event);
    if (changed === null) return undefined;
    if (changed === event) return event;
    if (typeof changed !== 'object')
      throw expected('INVALID_OPTION', '`map` of copyStore', 'a function that answers an event or null', changed);
    return placed(event, changed, forget, maxEventBytes);
  };
}

function placed(event: StoredEvent, changed: TelltaleEvent, forget: boolean, maxEventBytes: number): StoredEvent {
  const metadata = forget ? without$content(changed.metadata) : { ...changed.metadata, $content: contentHash(event) };
  const admitted = checkEvents([{ ...changed, metadata }], maxEventBytes).events[0]!;
  const { position, storedAt } = event;
  const revision = admitted.entity === undefined ? 0 : event.revision;
  return Object.freeze({ ...admitted, position, revision, storedAt });
}

function without$content(metadata: Metadata): Metadata {
  const { $content: _, ...rest } = metadata;
  return rest;
}
