import { createHash } from 'node:crypto';
import { contentPieces } from '../event/content-hash.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { Slice } from './slice.ts';

/** Characters that are hashed at once. */
const CHUNK = 64 * 1024;

/** The `contentHash` of an event of megabytes; the event loop has its turn meanwhile. */
export async function hashInTurns(event: TelltaleEvent): Promise<string> {
  const given = event.metadata['$content'];
  if (typeof given === 'string') return given;
  const slice = new Slice();
  const hash = createHash('sha256');
  let text = '';
  for (const piece of contentPieces(event)) {
    text += piece;
    while (text.length >= CHUNK) {
      const end = endOf(text);
      hash.update(text.slice(0, end));
      text = text.slice(end);
      if (slice.isOver) await slice.rest();
    }
  }
  return hash.update(text).digest('base64url');
}

/** Never between the halves of a character. */
function endOf(text: string): number {
  return /[\ud800-\udbff]/.test(text[CHUNK - 1]!) ? CHUNK + 1 : CHUNK;
}
