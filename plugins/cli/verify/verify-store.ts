import { once } from 'node:events';
import { TelltaleError, isTelltaleError, systemClock } from '../../../lib/plugin.ts';
import type { Store, StoreSupports } from '../../../lib/plugin.ts';
import { Broken } from './broken.ts';
import { endChildren } from './child.ts';
import { fenceTest } from './fence-test.ts';
import { gapTest } from './gap-test.ts';
import { killTest } from './kill-test.ts';
import { promiseOf } from './promises.ts';
import type { PromiseName } from './promises.ts';
import { collectTests, runTest } from './runner.ts';
import type { DefinedTest, Outcome } from './runner.ts';
import type { Specimen, Subject } from './subject.ts';
import { Tidy } from './tidy.ts';

export interface VerifyOptions {
  /** Kills of the kill test. @default 8 */
  readonly kills?: number;
  /** Events of the gap test. @default 2_000 */
  readonly events?: number;
  /** Ends at the first thing that is broken. @default false */
  readonly bail?: boolean;
  /** Which tests are run. @default all */
  readonly only?: (name: string) => boolean;
  /** Called before each test with its name, and behind the last. */
  readonly progress?: (done: number, all: number, test: string) => void;
  /** Ends it with `ABORTED`; what the tests have made is removed. */
  readonly signal?: AbortSignal;
}

/** Something that does not hold. */
export interface Breach {
  readonly promise: PromiseName;
  readonly test: string;
  readonly message: string;
}

/** What was done about a promise. */
export interface Proof {
  readonly tests: number;
  readonly passed: number;
  /** What the tests that are not of the contract have seen. */
  readonly seen: readonly string[];
  /** Tests that could not be run. */
  readonly skipped: readonly { readonly test: string; readonly reason: string }[];
}

export interface VerifyReport {
  readonly name: string;
  readonly supports: StoreSupports;
  readonly proofs: Readonly<Partial<Record<PromiseName, Proof>>>;
  readonly breaches: readonly Breach[];
}

const KILLS = 8;
const EVENTS = 2_000;
const TIDY_MS = 5_000;

/** Runs all tests against fresh stores of a subject. Throws `STORE_OCCUPIED` when one of them is not empty. */
export async function verifyStore(given: Subject, options: VerifyOptions = {}): Promise<VerifyReport> {
  const { kills = KILLS, events = EVENTS, bail = false, only = () => true, progress, signal } = options;
  const subject = new Tidy(given);
  const aborted = signal && once(signal, 'abort');
  const supports = await supportsOf(subject);
  const books = new Books();
  const tests = [...(await contractTests(subject)), ...ownTests(subject, supports, { kills, events }, books)];
  const wanted = tests.filter(({ name }) => only(name));
  if (signal?.aborted === true) throw await stopped(subject, 'before the first test');
  for (const [i, test] of wanted.entries()) {
    progress?.(i, wanted.length, test.name);
    const outcome = await unlessAborted(runTest(test), aborted);
    if (outcome === undefined) throw await stopped(subject, `in test ${i + 1} of ${wanted.length}: ${test.name}`);
    if (isTelltaleError(outcome.error, 'STORE_OCCUPIED')) throw outcome.error;
    books.note(test, outcome);
    if (bail && books.breaches.length > 0) break;
  }
  progress?.(wanted.length, wanted.length, '');
  return { name: subject.name, supports, proofs: books.proofs(), breaches: books.breaches };
}

async function stopped(subject: Tidy, where: string): Promise<TelltaleError> {
  const [cause] = await subject.clear();
  return new TelltaleError('ABORTED', `stopped ${where}`, { cause });
}

/** Answers nothing once it is aborted: then the test under way gets a little time to clean up itself. */
async function unlessAborted(
  running: Promise<Outcome>,
  aborted: Promise<unknown> | undefined,
): Promise<Outcome | undefined> {
  if (aborted === undefined) return running;
  const outcome = await Promise.race([running, aborted.then(() => undefined)]);
  if (outcome !== undefined) return outcome;
  endChildren();
  let timer: NodeJS.Timeout | undefined;
  await Promise.race([running, new Promise((resolve) => (timer = setTimeout(resolve, TIDY_MS)))]);
  clearTimeout(timer);
  return undefined;
}

/** The tests of the contract, each with a fresh store. */
export async function contractTests(subject: Subject): Promise<readonly DefinedTest[]> {
  const { testStore } = await import('../../contract/index.ts');
  const specimens = new WeakMap<Store, Specimen>();
  const opened = async (specimen: Specimen, clock: Parameters<Specimen['create']>[0]): Promise<Store> => {
    const store = await specimen.create(clock);
    specimens.set(store, specimen);
    return store;
  };
  return collectTests((runner) =>
    testStore(subject.name, async ({ clock }) => opened(await subject.specimen(), clock), runner, {
      // What is only in memory is there as long as the store is.
      reopen: (store, { clock }) =>
        store.supports.durability === 'memory' ? store : opened(specimens.get(store)!, clock),
      cleanUp: (store) => specimens.get(store)?.drop(),
    }),
  );
}

/** The first store says what all of them promise, and whether they are empty. */
async function supportsOf(subject: Subject): Promise<StoreSupports> {
  const specimen = await subject.specimen();
  const store = await specimen.create(systemClock);
  await store.open();
  const { position } = await store.head();
  const { supports } = store;
  await store.close();
  if (position === 0) {
    await specimen.drop();
    return supports;
  }
  const message = `expected a store of ${subject.name} that was just created to be empty, found ${position} positions; nothing was written to it`;
  throw new TelltaleError('STORE_OCCUPIED', message, { details: { store: subject.name } });
}

function ownTests(
  subject: Subject,
  { durability, shared }: StoreSupports,
  { kills, events }: { readonly kills: number; readonly events: number },
  books: Books,
): readonly DefinedTest[] {
  const using = async (work: (specimen: Specimen) => Promise<void>): Promise<void> => {
    const specimen = await subject.specimen();
    try {
      await work(specimen);
    } finally {
      await specimen.drop();
    }
  };
  const gaps: DefinedTest = {
    chapter: 'gap test',
    name: 'gap test',
    timeoutMs: 600_000,
    body: () =>
      using(async (specimen) => {
        const { events: written, writers, readers, processes, killed } = await gapTest(specimen, events);
        const who = processes === 0 ? `${writers} writers` : `${processes} writing processes, ${killed} of them killed`;
        const how = `${who}, ${readers} readers`;
        books.see('P5', `gap test: ${written} events, ${how}, no gap`);
      }),
  };
  const killing: DefinedTest = {
    chapter: 'kill test',
    name: 'kill test',
    timeoutMs: 60_000 * (kills + 1),
    body: async ({ skip }) => {
      if (durability === 'memory') return skip('it promises to keep nothing when its process is killed');
      await using(async (specimen) => {
        const report = await killTest(specimen, kills);
        const seen = `kill test: ${report.kills} kills, ${report.acknowledged} batches acknowledged`;
        books.see('P1', `${seen}, none lost`);
        books.see('P3', `${seen}, none in half`);
        books.see('P4', `${report.kills} openings behind a kill`);
      });
    },
  };
  const fencing: DefinedTest = {
    chapter: 'fence test',
    name: 'fence test',
    timeoutMs: 300_000,
    body: async ({ skip }) => {
      if (!shared) return skip('only one process may write');
      await using(async (specimen) =>
        books.see(
          'P7',
          `fence test: a lease changed hands ${await fenceTest(specimen)} times, no earlier holder wrote`,
        ),
      );
    },
  };
  return [gaps, killing, fencing];
}

/** Which promise the tests that are not of the contract prove. */
const OWN: Readonly<Record<string, PromiseName>> = { 'gap test': 'P5', 'kill test': 'P1', 'fence test': 'P7' };

class Books {
  readonly breaches: Breach[] = [];
  readonly #proofs = new Map<
    PromiseName,
    { tests: number; passed: number; seen: string[]; skipped: Proof['skipped'][number][] }
  >();

  see(promise: PromiseName, what: string): void {
    this.#of(promise).seen.push(what);
  }

  note(
    { chapter, name }: DefinedTest,
    { error, skipped }: { readonly error?: Error; readonly skipped?: string },
  ): void {
    const known = OWN[chapter] ?? promiseOf(chapter, name) ?? 'P10';
    const promise = error instanceof Broken ? error.promise : known;
    const proof = this.#of(promise);
    if (skipped !== undefined) {
      proof.skipped.push({ test: name, reason: skipped });
      return;
    }
    proof.tests++;
    if (error === undefined) proof.passed++;
    else this.breaches.push({ promise, test: name, message: error.message.split('\n')[0]! });
  }

  proofs(): Partial<Record<PromiseName, Proof>> {
    return Object.fromEntries(this.#proofs);
  }

  #of(promise: PromiseName) {
    let proof = this.#proofs.get(promise);
    if (proof === undefined) this.#proofs.set(promise, (proof = { tests: 0, passed: 0, seen: [], skipped: [] }));
    return proof;
  }
}
