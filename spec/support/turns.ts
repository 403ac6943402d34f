import sinon from 'sinon';

/** One turn of the event loop: every promise chain that is ready runs to its next real wait. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Turns until `condition` holds; fails after a thousand. */
export async function turnsUntil(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 1_000; i++) {
    if (condition()) return;
    await turn();
  }
  throw new Error('it did not happen within a thousand turns of the event loop');
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
