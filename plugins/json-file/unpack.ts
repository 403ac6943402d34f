import { blockLength, decodeBlock, nextBlock } from './blocks.ts';

/** What a compressed segment holds, as far as it is intact. */
export interface Unpacked {
  /** The text of the plain segment; what is damaged is one empty line in it. */
  readonly bytes: Buffer;
  /** Where damaged blocks begin in the compressed file. */
  readonly damaged: readonly number[];
}

const DAMAGED = Buffer.from('\n');

export async function unpack(bytes: Buffer): Promise<Unpacked> {
  const contents: Buffer[] = [];
  const damaged: number[] = [];
  for (let at = 0; at >= 0 && at < bytes.length;) {
    const length = blockLength(bytes, at);
    const content = length === 0 ? undefined : await decodeBlock(bytes.subarray(at, at + length));
    if (content === undefined) damaged.push(at);
    contents.push(content ?? DAMAGED);
    at = content === undefined ? nextBlock(bytes, at + 1) : at + length;
  }
  return { bytes: Buffer.concat(contents), damaged };
}
