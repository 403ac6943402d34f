/** What tests are defined with, as the contract takes it. */
export interface Runner {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: (name: string, body: () => Promise<void>) => unknown;
  readonly before: (body: () => void) => unknown;
  readonly after: (body: () => void) => unknown;
}

/** A test that was defined and not run yet. */
export interface DefinedTest {
  readonly chapter: string;
  readonly name: string;
  /** How long it may take. @default 60_000 */
  readonly timeoutMs?: number;
  readonly body: (context: { readonly skip: (reason: unknown) => void }) => Promise<void>;
}

export interface Outcome {
  readonly chapter: string;
  readonly name: string;
  readonly error?: Error;
  /** Why it was not run to its end. */
  readonly skipped?: string;
}

const TIMEOUT_MS = 60_000;

/** Collects what is defined between `describe` and `it`; the innermost `describe` is the chapter. */
export function collectTests(define: (runner: Runner) => void): readonly DefinedTest[] {
  const tests: DefinedTest[] = [];
  const chapters: string[] = [];
  define({
    describe: (name, body) => {
      chapters.push(name);
      body();
      chapters.pop();
    },
    it: (name, body) => void tests.push({ chapter: chapters.at(-1) ?? '', name, body }),
    before: () => undefined,
    after: () => undefined,
  });
  return tests;
}

/** Runs one test; never rejects. */
export async function runTest({ chapter, name, body, timeoutMs = TIMEOUT_MS }: DefinedTest): Promise<Outcome> {
  let skipped: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeoutMs / 1_000} s`)), timeoutMs);
  });
  try {
    await Promise.race([body({ skip: (reason) => void (skipped = String(reason)) }), late]);
    return { chapter, name, ...(skipped !== undefined && { skipped }) };
  } catch (error) {
    return { chapter, name, error: error instanceof Error ? error : new Error(String(error)) };
  } finally {
    clearTimeout(timer);
  }
}
