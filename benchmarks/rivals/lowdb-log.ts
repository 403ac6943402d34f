import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Low } from 'lowdb';
import { JSONFilePreset } from 'lowdb/node';
import type { TelltaleEvent } from '../../lib/index.ts';
import { keepInFlight, type LogRival } from './log-rival.ts';

interface Data {
  readonly events: TelltaleEvent[];
}

/** lowdb as its README uses it: push, write. One write an event, because an acknowledged event must be in the file. */
export function lowdbLog(): LogRival {
  let database: Low<Data>;
  return {
    name: 'lowdb, one write an event',
    open: async (folder) => {
      database = await JSONFilePreset<Data>(join(folder, 'db.json'), { events: [] });
    },
    appendAll: (events) =>
      keepInFlight(events, 1, (event) => {
        database.data.events.push(event);
        return database.write();
      }),
    close: async () => undefined,
    count: async (folder) => (JSON.parse(await readFile(join(folder, 'db.json'), 'utf8')) as Data).events.length,
  };
}
