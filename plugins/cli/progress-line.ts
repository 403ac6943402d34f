import { cut, isTerminal, pad, widthOf } from './render/text.ts';

const EVERY_ON_TERMINAL_MS = 100;
const EVERY_ELSEWHERE_MS = 1_000;

/** One line that shows how far something is: rewritten in place on a terminal, a new line every second elsewhere. */
export interface ProgressLine {
  stop(): void;
}

export function startProgressLine(stream: NodeJS.WriteStream, text: () => string): ProgressLine {
  const terminal = isTerminal(stream) && process.env['TERM'] !== 'dumb';
  let shown = '';
  const draw = (): void => {
    const next = text();
    if (next === shown) return;
    if (!terminal) stream.write(`${next}\n`);
    else {
      const line = cut(next, Math.max(20, (stream.columns || 80) - 1));
      stream.write(`\r${pad(line, widthOf(shown))}`);
    }
    shown = next;
  };
  const timer = setInterval(draw, terminal ? EVERY_ON_TERMINAL_MS : EVERY_ELSEWHERE_MS);
  timer.unref();
  return {
    stop() {
      clearInterval(timer);
      draw();
      if (terminal && shown !== '') stream.write('\n');
    },
  };
}
