/** One line of a recorded log. */
export interface Line {
  /** From 1. */
  readonly number: number;
  readonly text: string;
  /** Why it cannot be read as text; `text` is then what could be saved of its beginning. */
  readonly damage?: string;
}

const MAX_LINE_BYTES = 16 * 1024 * 1024;
const KEPT_OF_DAMAGED = 64 * 1024;
const NEWLINE = 0x0a;

/**
 * Lines of a byte stream, blank ones left out. Holds one line at a time; a line over 16 MiB is passed by and told as
 * damaged, so that a file without line breaks cannot fill the memory.
 */
export async function* readLines(stream: AsyncIterable<Buffer>): AsyncGenerator<Line> {
  let number = 0;
  let parts: Buffer[] = [];
  let size = 0;
  const take = (): Line => {
    const line = toLine(++number, Buffer.concat(parts), size);
    parts = [];
    size = 0;
    return line;
  };
  for await (const chunk of stream) {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, from)) {
      size += end - from;
      if (size <= MAX_LINE_BYTES) parts.push(chunk.subarray(from, end));
      from = end + 1;
      const line = take();
      if (line.text.trim() !== '' || line.damage !== undefined) yield line;
    }
    size += chunk.length - from;
    if (size <= MAX_LINE_BYTES) parts.push(chunk.subarray(from));
  }
  if (size === 0) return;
  const line = take();
  if (line.text.trim() !== '' || line.damage !== undefined) yield line;
}

function toLine(number: number, bytes: Buffer, size: number): Line {
  if (size > MAX_LINE_BYTES) {
    const text = bytes.subarray(0, KEPT_OF_DAMAGED).toString('utf8');
    return { number, text, damage: `the line has ${size} bytes, at most ${MAX_LINE_BYTES} are read` };
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return { number, text };
  } catch {
    return { number, text: bytes.subarray(0, KEPT_OF_DAMAGED).toString('utf8'), damage: 'the line is not UTF-8 text' };
  }
}
