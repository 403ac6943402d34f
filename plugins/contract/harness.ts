import assert from 'node:assert/strict';
import { createVirtualClock, isTelltaleError } from '../../lib/plugin.ts';
import type {
  AppendReceipt,
  ErrorCode,
  PageQuery,
  PendingAppend,
  Store,
  StoredEvent,
  TelltaleError,
  TelltaleEvent,
  VirtualClock,
} from '../../lib/plugin.ts';

/** What the contract needs of a test runner; mocha, vitest and node:test have it. */
export interface Runner {
  readonly describe: (name: string, body: () => void) => unknown;
  readonly it: (name: string, body: () => Promise<void>) => unknown;
  readonly before: (body: () => void) => unknown;
  readonly after: (body: () => void) => unknown;
}

/** What a store is created with: it must take no time but from this clock. */
export interface ContractContext {
  readonly clock: VirtualClock;
}

export interface ContractOptions {
  /** A store over the data that `store`, now closed, has left. By default the same store is opened again. */
  readonly reopen?: (store: Store, context: ContractContext) => Store | Promise<Store>;
  /** Called with the closed store after each test. */
  readonly cleanUp?: (store: Store) => void | Promise<void>;
  /** Tests this store cannot pass, by name, each with the reason. */
  readonly skip?: Readonly<Record<string, string>>;
}

export type CreateStore = (context: ContractContext) => Store | Promise<Store>;

/** One test's store and what may be done with it. */
export interface StoreTest extends ContractContext {
  readonly store: Store;
  /** Closes the store, opens it anew over the same data, and answers it. */
  readonly reopen: () => Promise<Store>;
  /** Runs `check` on the open store, and again on what opening anew makes of it. */
  readonly nowAndReopened: (check: (store: Store) => Promise<void>) => Promise<void>;
  /** Ends the test as skipped. */
  readonly skip: (reason: string) => never;
  /** Ends the test and all others of its chapter as skipped; the reason is printed once. */
  readonly skipChapter: (reason: string) => never;
}

export type Test = (name: string, body: (test: StoreTest) => Promise<void>) => void;
/** The tests about one thing. */
export type Chapter = (test: Test) => void;

interface Skip {
  readonly reason: string;
  /** All tests of the chapter. */
  readonly whole: boolean;
}

class Skipped extends Error {
  readonly skip: Skip;

  constructor(skip: Skip) {
    super(skip.reason);
    this.skip = skip;
  }
}

interface Terms {
  readonly chapter: string;
  readonly createStore: CreateStore;
  readonly runner: Runner;
  readonly options: ContractOptions;
}

/** Defines the tests of a chapter, which each have a fresh store, opened before and closed after. */
export function createTest({ chapter, createStore, runner, options }: Terms): Test {
  let tests = 0;
  let wholeSkip: Skip | undefined;
  return (name, body) => {
    tests++;
    // No named parameter: mocha would take one for a callback and wait for it.
    runner.it(name, async function run(this: unknown, ...given: unknown[]) {
      const named = options.skip?.[name];
      const wanted = named === undefined ? wholeSkip : { reason: named, whole: false };
      const skip = wanted ?? (await runWithStore(createStore, options, body));
      if (skip === undefined) return;
      if (!skip.whole) printSkip(`"${name}"`, skip.reason);
      else if (wholeSkip === undefined) printSkip(`all ${tests} tests of "${chapter}"`, skip.reason);
      if (skip.whole) wholeSkip = skip;
      tellRunner(skip.reason, [given[0], this]);
    });
  };
}

/** Answers why the test was skipped, if it was. */
async function runWithStore(
  createStore: CreateStore,
  options: ContractOptions,
  body: (test: StoreTest) => Promise<void>,
): Promise<Skip | undefined> {
  const context = { clock: createVirtualClock() };
  let store = await createStore(context);
  await store.open(context);
  const test: StoreTest = {
    ...context,
    get store() {
      return store;
    },
    async reopen() {
      await store.close();
      store = (await options.reopen?.(store, context)) ?? store;
      await store.open(context);
      return store;
    },
    async nowAndReopened(check) {
      await check(store);
      await check(await test.reopen());
    },
    skip(reason) {
      throw new Skipped({ reason, whole: false });
    },
    skipChapter(reason) {
      throw new Skipped({ reason, whole: true });
    },
  };
  try {
    await body(test);
    return undefined;
  } catch (error) {
    if (error instanceof Skipped) return error.skip;
    throw error;
  } finally {
    await store.close();
    await options.cleanUp?.(store);
  }
}

function printSkip(what: string, reason: string): void {
  process.stderr.write(`SKIPPED ${what}: ${reason}\n`);
}

/** Where a runner can be told of a skip. */
function tellRunner(reason: string, contexts: readonly unknown[]): void {
  for (const context of contexts) {
    const skip = (context as { readonly skip?: unknown } | undefined)?.skip;
    if (typeof skip === 'function') {
      skip.call(context, reason);
      return;
    }
  }
}

/** Enqueues as the bus does; resolves with the answer. */
export function enqueue(
  store: Store,
  events: readonly TelltaleEvent[],
  options: Partial<Pick<PendingAppend, 'expect' | 'fresh' | 'admitted' | 'bytes'>> = {},
): Promise<AppendReceipt> {
  return new Promise((acknowledged, failed) => {
    store.enqueue({
      events,
      bytes: 300 * events.length,
      fresh: false,
      admitted: true,
      acknowledged,
      failed,
      ...options,
    });
  });
}

/** Fails unless the promise rejects with the code; answers the error. */
export async function rejects(promise: Promise<unknown>, code: ErrorCode): Promise<TelltaleError> {
  const outcome = await promise.then(
    () => 'success',
    (error: unknown) => error,
  );
  assert.ok(isTelltaleError(outcome), `expected a TelltaleError ${code}, got ${String(outcome)}`);
  assert.equal(outcome.code, code, outcome.message);
  return outcome;
}

export async function readAll(store: Store, query: Partial<PageQuery> = {}): Promise<StoredEvent[]> {
  const events: StoredEvent[] = [];
  for await (const event of store.read(query)) events.push(event);
  return events;
}

export async function positionsOf(store: Store, query: Partial<PageQuery> = {}): Promise<number[]> {
  return (await readAll(store, query)).map((event) => event.position);
}

export async function idsOf(store: Store, query: Partial<PageQuery> = {}): Promise<string[]> {
  return (await readAll(store, query)).map((event) => event.id);
}

/** 1, 2, 3 … */
export function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i + 1);
}
