import type { ContextInfo } from './api.ts';
import { derivedCause, type Cause } from './context.ts';
import { expected } from './errors.ts';
import { admit } from './event/admission.ts';
import { checkId } from './event/identity.ts';
import { checkUserMetadata } from './event/user-metadata.ts';
import { mustKnow } from './parse-options.ts';

const KNOWN: readonly string[] = ['correlationId', 'causationId', 'metadata'];
const METADATA_BYTES = 64 * 1024;

/** The context of `withContext`: what is given, and the rest from around it. Throws `INVALID_OPTION`, `INVALID_ID`. */
export function deriveCause(around: Cause | undefined, given: ContextInfo): Cause {
  if (typeof given !== 'object' || given === null) throw expected('INVALID_OPTION', 'the context', 'an object', given);
  mustKnow(given, KNOWN, 'withContext');
  const correlationId =
    given.correlationId === undefined ? around?.correlationId : checkId(given.correlationId, '`correlationId`');
  // Another chain has other causes: the one around is handed on only within its own.
  const sameChain = correlationId === around?.correlationId;
  const causationId =
    given.causationId === undefined
      ? sameChain
        ? around?.causationId
        : undefined
      : checkId(given.causationId, '`causationId`');
  if (given.metadata === undefined) return derivedCause(around, { correlationId, causationId });
  const inherited = { ...around?.inherited, ...checkMetadata(given.metadata) };
  return derivedCause(around, { correlationId, causationId, inherited });
}

/** What `bus.context()` answers. */
export function describeContext(cause: Cause | undefined): ContextInfo | undefined {
  if (!cause) return undefined;
  const { correlationId, causationId, inherited } = cause;
  return {
    ...(correlationId !== undefined && { correlationId }),
    ...(causationId !== undefined && { causationId }),
    ...(inherited && { metadata: inherited }),
  };
}

function checkMetadata(metadata: unknown): Record<string, unknown> {
  const { value } = admit(metadata, 'metadata', METADATA_BYTES);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw expected('INVALID_OPTION', '`metadata` of the context', 'an object', metadata);
  }
  checkUserMetadata(value);
  return value as Record<string, unknown>;
}
