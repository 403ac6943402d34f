import { execFile } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import PQueue from 'p-queue';
import { root } from './support/root.ts';

const run = promisify(execFile);
const folder = join(root, 'examples');
const scripts = readdirSync(folder).filter((name) => name.endsWith('.mjs'));
const lineCount = (path: string): number => readFileSync(join(folder, path), 'utf8').trimEnd().split('\n').length;

/** What each example prints, line by line. */
const PRINTED: Readonly<Record<string, readonly (string | RegExp)[]>> = {
  '01-hello.mjs': [
    'a handler failed: I do not like mornings',
    'Hello, world!',
    'world answers greeting-1',
    'kept for later: the greeting, I do not like mornings',
  ],
  '02-patterns.mjs': [
    'order.*      2  order.placed, order.placed',
    'order.**     3  order.placed, order.placed, order.item.added',
    '*.failed     1  payment.failed',
    '**           4  order.placed, order.placed, order.item.added, payment.failed',
    'big orders   1  order.placed',
    'Ada or Bob   2  order.placed, order.item.added',
    'until undone 2  order.placed, order.placed',
  ],
  '03-correlation.mjs': [
    'order.placed',
    'item.reserved',
    'item.reserved',
    'item.packed',
    '$dead-letter.opened',
    'all of one correlation: true',
    'item.packed came from: item.reserved < order.placed',
  ],
  '04-json-file.mjs': [
    'durability disk, duplicate true, positions 4 4',
    'the newest two: 3 third, 2 second',
    'all in all: 4',
  ],
  '05-join.mjs': ['complete: true, a.ts bb.ts ccc.ts', 'second scan: JOIN_FAILED'],
  '06-custom-store.mjs': ['stored at position 1, revision 1 of note/1', /^(?:#|ℹ) pass \d{2,}$/, /^(?:#|ℹ) fail 0$/],
  '07-replay.mjs': [
    'a dry run: 3 events, 4 hours of log in 4000 ms',
    '8:00 sunny → walk',
    '9:00 raining → umbrella',
    '12:00 snowing → walk',
    'the progress is complete',
    '3 told, in less than the 4 seconds of the dry run thanks to maxGap: true',
    'same 1, changed 1 (walk → umbrella), missing 1, new 1',
    'the log still has 6 events',
  ],
  '08-fold-to-a-past-moment.mjs': [
    'now            7 left after 5 moves',
    'at 8 o’clock   20 left after 1 moves',
    'at 10 o’clock  16 left after 3 moves',
    'at 12 o’clock  11 left after 4 moves',
    'at position 2  17 left after 2 moves',
    'with the loss  12 left after 3 moves',
    'HANDLER_FAILED at position 1',
  ],
  '09-retention-preview.mjs': [
    '1-3 goes: token.*, due',
    '4-5 stays: token.*, keepCount',
    '6-7 goes: tool.**, due',
    '8-9 stays: tool.**, wholeCorrelations',
    '10 stays: no rule, no rule',
    '11 goes: agent.*, due',
    '12 stays: agent.*, keepLatestByEntity',
    '13 stays: no rule, no rule',
    'held back: run-2 by 10',
    'warning: rule 3 (error.*) matched nothing: error.db.timeout is not matched by error.*: error.**?',
    'removed 4 of 6, left 2: wholeCorrelations',
  ],
  '10-catch-up.mjs': [
    'projected up to position 6005 with 0 gaps, total 18028000',
    'the slow reader saw 6001, 6002, 6003, 6004, 6005, 6006, 6007, 6008',
    'the first value above 2,500 was 2501, at position 2501',
  ],
  '11-search-and-summarize.mjs': [
    '5 payload.outcome: connection TIMED OUT: search.example.com',
    '2 payload.outcome: Connection timed out: search.example.com',
    'websearch: 3 calls, 2807 ms on average',
    'shell: 3 calls, 1692 ms on average',
    'failures an hour: 1 2',
    "6 looked at for 1; memory({ index: ['payload.tool'] }) would help",
    '6 events: 3 tool.failed, 3 tool.finished',
  ],
  '12-dead-letters.mjs': [
    'order 1 counted',
    'order 2 counted',
    'order 3 counted',
    'letter: handler-failed, for order.placed: mail server does not answer',
    'letter: handler-failed, for order.placed: mail server does not answer',
    'letter: handler-failed, for order.placed: mail server does not answer',
    'mail for order 1 sent',
    'mail for order 2 sent',
    '2 closed, 0 failed again',
    'discarded - cancelled by phone',
    'closed - retry 1',
    'closed - retry 1',
  ],
  '13-actor.mjs': [
    '  … Ada: good',
    '  … Ada: morning',
    '  … Ada: any',
    '  … Ada: news?',
    'Ada said: good morning | any news?',
    '  … Bob: hello',
    'Bob said: hello',
    'Ada is idle, Bob is idle',
  ],
  '14-persistent-actor.mjs': [
    'withdraw 100: not enough',
    'withdraw 60: done',
    'after a restart: { balance: 20 }',
    '  1 money.deposited 50',
    '  2 money.deposited 30',
    '  3 money.withdrawn 60',
    'decided: done { balance: 0 }',
  ],
  '15-supervision.mjs': [
    '  $actor.started depot',
    '  $actor.started depot/main/sorter',
    '  $actor.failed depot/main/sorter: parcel 2 has no address',
    '  $actor.restarted depot/main/sorter',
    '  $actor.restarted depot/main/sorter',
    '  $actor.restarted depot/main/sorter',
    'sorted: 2',
    'dead letter for actor:depot/main/sorter after 3 attempts: parcel 2 has no address',
  ],
  '16-ask.mjs': [
    "one: { by: 'ann', ok: true }",
    'all: ann says false, bob says false',
    'each: b.bin ASK_FAILED by E_BINARY',
    'each: cc.ts 5',
    'each: a.ts 4',
    'stream: once there was a bus',
    'failed: plan.wanted ASK_FAILED',
    'failed: clock.read TIMEOUT',
    'failed: nobody.there ASK_NO_ANSWERER',
  ],
  '17-consumer-group.mjs': [
    '90 orders packed',
    "[ '7', '37', '67' ]",
    'failed: order 50 cannot be read',
    'paused, 41 to go: { orders: 49, sum: 1225 }',
    'after a restart: { orders: 90, sum: 4095 }',
  ],
  '18-workers.mjs': [
    'parsed: a.ts bb.ts ccc.ts',
    'caused by: file.found true',
    "asked: { banned: [ 'foo' ] }",
    'a reader died',
    'a reader died',
    'given up',
    'letter: WORKER_FAILED, parsed all in all: 4',
    'workers: closed closed',
  ],
  '19-saga.mjs': [
    '  goods for Ada',
    '  500 from Ada',
    '  … and the power fails',
    '  parcel to Ada',
    '  goods for Bob',
    '  50000 from Bob',
    '  goods of Bob are free again',
    '  nobody answers for Cy',
    '  goods for Dee',
    '  700 from Dee',
    '  700 back to Dee',
    '  goods of Dee are free again',
    'order/1 placed → reserved → paid → shipped',
    'order/2 placed → reserved → refused → cancelled',
    'order/3 placed → overdue → cancelled',
    'order/4 placed → reserved → overdue → paid → cancelled',
  ],
};

/** What an example may say on its standard error; the others say nothing. */
const SAID: Readonly<Record<string, RegExp>> = {
  '06-custom-store.mjs': /^SKIPPED all \d+ tests of "takingOver": the store does not declare `import`\n$/,
};

describe('the examples', function () {
  this.timeout(120_000);

  it('are all known here, short, and in order', () => {
    expect(scripts.toSorted()).to.deep.equal(Object.keys(PRINTED));
    for (const script of scripts) expect(lineCount(script), script).to.be.below(40);
    expect(lineCount('06-custom-store/map-store.mjs')).to.be.below(150);
    expect(lineCount('19-saga/saga.mjs')).to.be.below(45);
  });

  // A few at once: they do not meet, but a machine that runs them all is slower than their deadlines.
  const turns = new PQueue({ concurrency: 3 });
  const ended = new Map<string, Promise<{ readonly stdout: string; readonly stderr: string }>>();
  before(() => {
    const options = { cwd: root, timeout: 50_000 };
    for (const script of scripts) {
      const running = turns.add(() => run(process.execPath, [join(folder, script)], options));
      // Its own test tells of a failure.
      running.catch(() => undefined);
      ended.set(script, running);
    }
  });

  for (const [script, printed] of Object.entries(PRINTED))
    it(`${script} prints what it says and ends by itself`, async () => {
      const { stdout, stderr } = await ended.get(script)!;
      const lines = stdout.trimEnd().split('\n');
      for (const expected of printed) {
        const found = lines.some((line) => (typeof expected === 'string' ? line === expected : expected.test(line)));
        expect(found, `${String(expected)} in\n${stdout}`).to.equal(true);
      }
      expect(stderr).to.match(SAID[script] ?? /^$/);
      if (!script.startsWith('06')) expect(lines).to.have.members(printed as string[]);
    });
});
