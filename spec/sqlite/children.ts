import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import type { DriverName } from '../../plugins/sqlite/driver.ts';

const SCRIPT = join(import.meta.dirname, 'child.js');

/** A process of `child.ts` and what it has said. */
export class Child {
  readonly lines: string[] = [];
  readonly #process: ChildProcess;
  readonly #ended: Promise<number | null>;
  #isOver = false;
  #errors = '';
  #waiting: (() => void)[] = [];
  #rest = '';

  constructor(what: string, driver: DriverName, path: string, number = 0) {
    this.#process = spawn(process.execPath, [SCRIPT, what, driver, path, `${number}`], {
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    this.#process.stdout!.setEncoding('utf8').on('data', (text: string) => this.#hear(text));
    this.#process.stderr!.setEncoding('utf8').on('data', (text: string) => (this.#errors += text));
    this.#ended = new Promise((resolve) => this.#process.once('close', resolve));
    this.#process.once('close', () => {
      this.#isOver = true;
      this.#wake();
    });
  }

  /** Resolves when it has said so many lines, or has ended. */
  async said(count: number): Promise<void> {
    while (this.lines.length < count && !this.#isOver)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** What holds the lock lets go of it. */
  letGo(): void {
    this.#process.stdin!.end();
  }

  kill(): void {
    this.#process.kill('SIGKILL');
  }

  /** Resolves when it has ended; rejects with what it said of a failure. */
  async end(): Promise<void> {
    const code = await this.#ended;
    if (code !== 0 && this.#process.signalCode !== 'SIGKILL')
      throw new Error(`child ended with ${code}: ${this.#errors}`);
  }

  #hear(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop()!;
    this.lines.push(...lines);
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}
