import sinon from 'sinon';

/** One turn of the event loop: every promise chain that is ready runs to its next real wait. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const LEAST_TURNS = 1_000;
/** A fast machine makes its turns in no time, a slow one gets little done in each. */
const PATIENCE_MS = 10_000;
/** As the specs do not replace it. */
const now = performance.now.bind(performance);

/** Turns until `condition` holds; fails when it does not for long. */
export async function turnsUntil(condition: () => boolean): Promise<void> {
  const end = now() + PATIENCE_MS;
  for (let turns = 0; turns < LEAST_TURNS || now() < end; turns++) {
    if (condition()) return;
    await turn();
  }
  throw new Error(`it did not happen within ${PATIENCE_MS} ms`);
}

/** A promise to be settled by hand. */
export interface Gate<T = void> {
  readonly promise: Promise<T>;
  open(value: T): void;
  fail(error: unknown): void;
}

export function createGate<T = void>(): Gate<T> {
  let gate: Omit<Gate<T>, 'promise'> | undefined;
  const promise = new Promise<T>((open, fail) => (gate = { open, fail }));
  return { promise, ...gate! };
}

/** The process warnings that `fn` brings about, in place of printing them. */
export async function warningsOf(fn: () => unknown): Promise<readonly { message: string; code: string | undefined }[]> {
  const stub = sinon.stub(process, 'emitWarning');
  try {
    await fn();
    await turn();
    return stub.args.map(([message, options]) => {
      const { code } = options as unknown as { readonly code?: string };
      return { message: String(message), code };
    });
  } finally {
    stub.restore();
  }
}
