import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('program.js', import.meta.url));

describe('a program', function () {
  this.timeout(60_000);
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'telltale-exit-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Ends by itself, with no error, and has printed that. */
  function expectToPrint(name: string, printed: readonly unknown[]): Promise<void> {
    return new Promise((resolve, reject) => {
      execFile(process.execPath, [PROGRAM, name, folder], { timeout: 50_000 }, (error, stdout, stderr) => {
        try {
          const lines = stdout.split('\n').slice(0, -1);
          expect(lines.map((line): unknown => JSON.parse(line))).to.deep.equal(printed);
          expect(error, stderr).to.equal(null);
          resolve();
        } catch (failure) {
          reject(failure);
        }
      });
    });
  }

  it('lives until it has what it awaits: a close with all its attempts, a timeout, a store that is back', () =>
    expectToPrint('await what takes its time', [
      ['close while a handler is tried again', { cut: 0, stillRunning: 0, unstored: 0 }],
      ['close with a handler that never ends', { cut: 0, stillRunning: 1, unstored: 0 }],
      ['once with a timeout', 'TIMEOUT'],
      ['join with a timeout', 'TIMEOUT'],
      ['settled with a timeout', 'TIMEOUT'],
      ['publish into a store that is away', 1],
      ['iterate over a store that is away', 1],
      ['caughtUp of a consumer that waits for somebody else', 1],
      // It does not end the process either.
      ['close with a join that nobody awaits', { cut: 0, stillRunning: 0, unstored: 0 }],
    ]));

  it('lives until its store has taken what it emitted, also without close', () =>
    expectToPrint('emit into a store that is away, without close', [1]));

  it('that forgets to close ends by itself, with everything stored', () => expectToPrint('forget to close', [10]));

  it('is not kept alive by housekeeping', () => expectToPrint('housekeeping', [[]]));

  it('that has closed a pool of workers, or a bus with one, ends by itself, with no thread, channel or timer left', () =>
    expectToPrint('close workers', [
      [['closed', 'closed'], []],
      [['closed'], []],
    ]));
});
