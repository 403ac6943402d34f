import { channel } from 'node:diagnostics_channel';

/**
 * What the bus publishes on `node:diagnostics_channel`; free while nobody subscribes. Messages:
 * `telltale:event.accepted` and `telltale:event.dispatched` `{ source, event }`, `telltale:handler.failed`
 * `{ source, event, pattern, error }`, `telltale:events.stored` `{ source, events, receipt }`, `telltale:letter.opened`
 * `{ source, letter }`, `telltale:store.failed` `{ source, error }`.
 */
export const channels = {
  accepted: channel('telltale:event.accepted'),
  dispatched: channel('telltale:event.dispatched'),
  handlerFailed: channel('telltale:handler.failed'),
  stored: channel('telltale:events.stored'),
  letterOpened: channel('telltale:letter.opened'),
  storeFailed: channel('telltale:store.failed'),
} as const;
