import { expect } from 'chai';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Ended {
  readonly code: number;
  readonly printed: unknown;
  readonly tookMs: number;
}

const PROGRAM = fileURLToPath(new URL('program.js', import.meta.url));

describe('a program', function () {
  this.timeout(60_000);
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'telltale-exit-'))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function run(name: string): Promise<Ended> {
    const started = performance.now();
    return new Promise((resolve) => {
      execFile(process.execPath, [PROGRAM, name, folder], { timeout: 30_000 }, (error, stdout) => {
        const code = typeof error?.code === 'number' ? error.code : error ? -1 : 0;
        const printed: unknown = stdout === '' ? undefined : JSON.parse(stdout);
        resolve({ code, printed, tookMs: performance.now() - started });
      });
    });
  }

  async function expectToPrint(name: string, printed: unknown): Promise<void> {
    const ended = await run(name);
    expect({ code: ended.code, printed: ended.printed }).to.deep.equal({ code: 0, printed });
  }

  it('that closes while a handler is tried again waits for its last attempt', () =>
    expectToPrint('close while a handler is tried again', { cut: 0, stillRunning: 0, unstored: 0 }));

  it('that closes with a handler that never ends is told so after the time allowed', () =>
    expectToPrint('close with a handler that never ends', { cut: 0, stillRunning: 1, unstored: 0 }));

  for (const call of ['once', 'join', 'settled'])
    it(`that awaits \`${call}\` with a timeout lives until then`, () =>
      expectToPrint(`${call} with a timeout`, 'TIMEOUT'));

  it('lives until its store has taken what it emitted, also without close', () =>
    expectToPrint('emit into a store that is away, without close', 1));

  it('that awaits a publish lives until the store is back', () =>
    expectToPrint('publish into a store that is away', 1));

  it('that forgets to close ends by itself, with everything stored', async () => {
    const ended = await run('forget to close');
    expect(ended).to.deep.include({ code: 0, printed: 10 });
    expect(ended.tookMs, 'no timer held it').to.be.below(20_000);
  });

  it('is not kept alive by housekeeping', async () => {
    const { code, printed } = await run('housekeeping');
    expect({ code, printed }).to.deep.equal({ code: 0, printed: true });
  });

  it('is not ended by a join that nobody awaits', () => expectToPrint('a join nobody awaits', 'closed'));

  for (const what of ['a pool', 'a bus with a pool'])
    it(`that has closed ${what} of workers ends by itself, with no thread, channel or timer left`, () =>
      expectToPrint(`${what} that is closed`, [['closed', 'closed'], []]));
});
