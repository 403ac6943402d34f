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
    const line = terminal ? cut(next, (stream.columns || 80) - 1) : next;
    if (line === shown) return;
    // What is left of the line before is painted over; the terminal may be narrower by now.
    stream.write(terminal ? `\r${pad(line, Math.min(widthOf(shown), (stream.columns || 80) - 1))}` : `${line}\n`);
    shown = line;
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
