import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './support/root.ts';

const COMMANDS = ['npm', 'oxfmt', 'oxlint', 'tsc', 'publint', 'attw', 'mocha'];
const PASSING = 'echo "  ..."; echo; echo "  12 passing (3s)"';

/** What `.ci/run` makes of its tools: `answers` says what a command prints and how it ends; the others are content. */
function runChecks(
  folder: string,
  answers: Readonly<Record<string, string>>,
): { status: number | null; output: string } {
  const programs = join(folder, 'node_modules/.bin');
  mkdirSync(programs, { recursive: true });
  mkdirSync(join(folder, '.ci'), { recursive: true });
  copyFileSync(join(root, '.ci/run'), join(folder, '.ci/run'));
  for (const command of COMMANDS) {
    // The suite runs as `npm test`; npm's other uses are content.
    const answer =
      answers[command] ?? (command === 'npm' ? `if [ "$1" = test ]; then ${answers['test'] ?? PASSING}; fi` : ':');
    writeFileSync(join(programs, command), `#!/bin/sh\n${answer}\n`, { mode: 0o755 });
  }
  const env = { ...process.env, CI: 'true', NODES: '' };
  const { status, stdout, stderr } = spawnSync('bash', ['.ci/run'], { cwd: folder, encoding: 'utf8', env });
  return { status, output: stdout + stderr };
}

function lastLine(output: string): string | undefined {
  return output.trimEnd().split('\n').at(-1);
}

describe('.ci/run', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'telltale-ci-'));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('ends with the count of the tests when everything holds', () => {
    const { status, output } = runChecks(folder, {});
    expect(lastLine(output), output).to.equal('12 passed, 0 failed');
    expect(status).to.equal(0);
    expect(output).to.match(/^ok +attw +\d+ ms$/m);
  });

  it('counts the tests that failed', () => {
    const test = 'echo "  9 passing (3s)"; echo "  1 pending"; echo "  3 failing"; echo; echo "  1) x"; exit 3';
    const { status, output } = runChecks(folder, { test });
    expect(lastLine(output), output).to.equal('9 passed, 3 failed');
    expect(status).to.equal(1);
  });

  it('shows of a failed suite its summary, and not what was printed while it ran', () => {
    const test = 'echo "a warning"; echo "  9 passing (3s)"; echo "  1 failing"; echo; echo "  1) x is wrong"; exit 1';
    const { output } = runChecks(folder, { test });
    expect(output).to.contain('1) x is wrong');
    expect(output).not.to.contain('a warning');
  });

  it('counts a suite that crashed, or in which nothing ran, as a failure', () => {
    expect(lastLine(runChecks(folder, { test: 'echo boom >&2; exit 134' }).output)).to.equal('0 passed, 1 failed');
    expect(lastLine(runChecks(folder, { test: ':' }).output)).to.equal('0 passed, 1 failed');
    expect(lastLine(runChecks(folder, { test: `${PASSING}; exit 7` }).output)).to.equal('12 passed, 1 failed');
  });

  it('goes on after a check that failed, shows what it said, and fails at the end', () => {
    const { status, output } = runChecks(folder, { oxlint: 'echo "x is wrong"; exit 1', attw: 'exit 1' });
    expect(output).to.contain('x is wrong');
    expect(lastLine(output), output).to.equal('12 passed, 2 failed');
    expect(status).to.equal(1);
  });

  it('stops when nothing can be installed', () => {
    const { status, output } = runChecks(folder, { npm: 'exit 1' });
    expect(lastLine(output), output).to.equal('0 passed, 1 failed');
    expect(status).to.equal(1);
  });

  it('says which tests were skipped', () => {
    const { output } = runChecks(folder, {
      test: 'echo "SKIPPED disk full: needs root"; echo "  5 passing (1s)"; echo "  1 pending"',
    });
    expect(output).to.contain('SKIPPED disk full: needs root');
    expect(lastLine(output)).to.equal('5 passed, 0 failed');
  });
});
