import { promisify } from 'node:util';
import { deflateRaw, inflateRaw, inflateRawSync } from 'node:zlib';
import { payloadText } from '../../lib/plugin.ts';
import type { PendingAppend, TelltaleEvent } from '../../lib/plugin.ts';

const deflate = promisify(deflateRaw);
const inflate = promisify(inflateRaw);
/** Unpacking this much takes below a millisecond; more goes to a thread. */
const SMALL_BYTES = 64 * 1024;
/** What does not shrink to this much of itself is stored as it is. */
const WORTH_IT = 0.9;

/** What payloads became when they were packed, before their transaction began. */
export type Packed = ReadonlyMap<unknown, Uint8Array>;

const NONE: Packed = new Map();

/** Packs the large payloads of appends, off the event loop. */
export function packAppends(appends: readonly PendingAppend[], above: number): Packed | Promise<Packed> {
  // The estimate is above the size, so that almost no append is looked at.
  const large = appends.filter(({ bytes }) => bytes > above);
  return large.length === 0
    ? NONE
    : packEvents(
        large.flatMap(({ events }) => events),
        above,
      );
}

export async function packEvents(events: readonly TelltaleEvent[], above: number): Promise<Packed> {
  const packed = new Map<unknown, Uint8Array>();
  if (above === Infinity) return packed;
  for (const { payload } of events) {
    const text = payloadText(payload);
    // A character is at most three bytes of text, so that most are not counted.
    if (text.length * 3 <= above || Buffer.byteLength(text) <= above) continue;
    const bytes = await deflate(text, { level: 1 });
    if (bytes.length <= Buffer.byteLength(text) * WORTH_IT) packed.set(payload, bytes);
  }
  return packed;
}

export function unpack(packed: Uint8Array): string | Promise<string> {
  if (packed.length <= SMALL_BYTES) return inflateRawSync(packed).toString();
  return inflate(packed).then((bytes) => bytes.toString());
}
