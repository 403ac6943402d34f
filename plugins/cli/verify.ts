import { isTelltaleError } from '../../lib/index.ts';
import { toError } from '../../lib/plugin.ts';
import { listenForInterrupt } from './interrupt.ts';
import { Problem } from './problem.ts';
import { startProgressLine } from './progress-line.ts';
import { counted, milliseconds } from './render/figures.ts';
import { clean, lookOf, pad, paint } from './render/text.ts';
import type { Look } from './render/text.ts';
import { say } from './say.ts';
import { PROMISES } from './verify/promises.ts';
import type { PromiseName } from './verify/promises.ts';
import { subjectAt } from './verify/subject.ts';
import { verifyStore } from './verify/verify-store.ts';
import type { Proof, VerifyReport } from './verify/verify-store.ts';

export interface VerifyCommandOptions {
  readonly scratch?: string;
  readonly kills?: string;
  readonly events?: string;
  readonly json?: boolean;
}

const MOST_SKIPS = 3;
const INTERRUPTED = 130;

/** Proves what a store promises, on fresh stores of its kind. Answers the exit code: 1 when a promise is broken. */
export async function verify(place: string, options: VerifyCommandOptions): Promise<number> {
  const limits = {
    ...(options.kills !== undefined && { kills: countOf(options.kills, '--kills') }),
    ...(options.events !== undefined && { events: countOf(options.events, '--events') }),
  };
  const subject = await subjectAt(place, options.scratch);
  const interrupt = listenForInterrupt(() => undefined);
  let at = '  opening';
  const line = options.json === true ? undefined : startProgressLine(process.stderr, () => at);
  const began = performance.now();
  try {
    const report = await verifyStore(subject, {
      ...limits,
      signal: interrupt.signal,
      progress: (done, all, test) => (at = `  ${done} of ${all} tests  ${test}`),
    }).finally(() => line?.stop());
    if (options.json === true) say(JSON.stringify(report, undefined, 2));
    else reportLines(lookOf(process.stdout), report, performance.now() - began).forEach(say);
    return report.breaches.length === 0 ? 0 : 1;
  } catch (error) {
    if (!isTelltaleError(error, 'ABORTED')) throw error;
    const what = error.cause === undefined ? 'is removed' : `could not be removed: ${toError(error.cause).message}`;
    const text = `${error.message}. What the tests made ${what}`;
    if (options.json === true) process.stderr.write(`${text}\n`);
    else say(text);
    // The test that was stopped may keep a store open.
    return process.exit(INTERRUPTED);
  } finally {
    interrupt.dispose();
  }
}

function countOf(text: string, option: string): number {
  if (/^[1-9]\d{0,6}$/.test(text)) return Number(text);
  throw new Problem(`${option} is a number from 1, not ${text}`);
}

function reportLines(look: Look, report: VerifyReport, elapsedMs: number): readonly string[] {
  const { name, supports, proofs, breaches } = report;
  const { durability, shared } = supports;
  const broken = new Set(breaches.map(({ promise }) => promise));
  const rows = (Object.keys(PROMISES) as PromiseName[]).map((promise) => {
    const mark = broken.has(promise)
      ? paint(look, 'red', '✗')
      : proofs[promise] === undefined
        ? '–'
        : paint(look, 'green', '✓');
    return `  ${mark} ${pad(promise, 3)} ${pad(PROMISES[promise], 40)} ${proofText(proofs[promise])}`;
  });
  const more = (Object.keys(PROMISES) as PromiseName[]).flatMap((promise) => [
    ...(proofs[promise]?.seen ?? []).map((seen) => `  ${pad(promise, 4)}${seen}`),
    ...skipLines(proofs[promise]?.skipped ?? []).map((skip) => `  ${pad(promise, 4)}not run: ${clean(skip)}`),
  ]);
  return [
    `${paint(look, 'bold', 'telltale verify')}  ${clean(name)}`,
    `  promises durability ${durability}, ${shared ? 'any number of processes' : 'one writing process'}`,
    '',
    ...rows,
    '',
    ...more,
    ...breaches.map(({ promise, test, message }) => `${promise} broken: ${test}: ${clean(message)}`),
    `${breaches.length === 0 ? 'every promise that was tested holds' : `${counted(breaches.length, 'test')} failed`}, in ${milliseconds(elapsedMs)}`,
  ];
}

/** What was not run for one reason is one line. */
function skipLines(skipped: Proof['skipped']): readonly string[] {
  const reasons = [...new Set(skipped.map(({ reason }) => reason))];
  return reasons.slice(0, MOST_SKIPS).map((reason) => {
    const tests = skipped.filter((skip) => skip.reason === reason);
    return `${tests.length === 1 ? tests[0]!.test : `${tests.length} tests`}: ${reason}`;
  });
}

function proofText(proof: Proof | undefined): string {
  if (proof === undefined) return 'not tested from outside';
  const skipped = proof.skipped.length === 0 ? '' : `, ${proof.skipped.length} not run`;
  return `${proof.passed} of ${proof.tests} tests passed${skipped}`;
}
