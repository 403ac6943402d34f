import { open, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { LogRival } from './log-rival.ts';

/** The least a durable log can do: stringify, checksum, one write and one datasync a batch. Nobody waits for anybody. */
export function rawLog(): LogRival {
  let handle: FileHandle;
  return {
    name: 'raw loop',
    open: async (folder) => {
      handle = await open(join(folder, 'log.ndjson'), 'ax');
    },
    async appendAll(events, inFlight) {
      for (let at = 0; at < events.length; at += inFlight) {
        let text = '';
        for (const event of events.slice(at, at + inFlight)) {
          const json = JSON.stringify(event);
          text += `${crc32(json).toString(16)} ${json}\n`;
        }
        await handle.write(Buffer.from(text));
        await handle.datasync();
      }
    },
    close: () => handle.close(),
    count: async (folder) => (await readFile(join(folder, 'log.ndjson'), 'utf8')).split('\n').length - 1,
  };
}
