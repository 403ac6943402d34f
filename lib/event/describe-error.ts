import { toPlain } from './to-plain.ts';

/** What was thrown, as plain data of bounded size. */
export interface ErrorDescription {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
}

const MAX_CHARACTERS = 8_192;
const MAX_BYTES = 64 * 1024;

/** Describes whatever user code threw, also what is no Error; never throws, whatever getters and proxies do. */
export function describeError(thrown: unknown): ErrorDescription {
  const plain = toPlain(thrown, { maxBytes: MAX_BYTES });
  if (typeof plain !== 'object' || plain === null || Array.isArray(plain) || !isError(thrown)) {
    return { name: 'Error', message: cut(typeof plain === 'string' ? plain : JSON.stringify(plain)) };
  }
  const { name, message, code, stack } = plain as Readonly<Record<string, unknown>>;
  return {
    name: typeof name === 'string' ? cut(name) : 'Error',
    message: typeof message === 'string' ? cut(message) : '',
    ...(typeof code === 'string' && { code: cut(code) }),
    ...(typeof stack === 'string' && { stack: cut(stack) }),
  };
}

function isError(thrown: unknown): boolean {
  try {
    return thrown instanceof Error;
  } catch {
    return false;
  }
}

function cut(text: string): string {
  return text.slice(0, MAX_CHARACTERS);
}
