import { expected, TelltaleError } from '../errors.ts';
import { mustKnow } from '../parse-options.ts';
import { PAYLOAD_MODES } from './define-events.ts';
import { isStandardSchema } from './schema.ts';
import { checkType, isReserved } from './type-name.ts';

const KNOWN = ['upcast', 'transient', 'payload'];

/**
 * Checks what one version of a type is registered with, before anything is changed. Throws `INVALID_TYPE`,
 * `RESERVED_TYPE`, `INVALID_OPTION`.
 */
export function checkRegistration(type: string, version: number, schema: unknown, options: unknown): void {
  if (isReserved(checkType(type)))
    throw new TelltaleError(
      'RESERVED_TYPE',
      `type \`${type}\` cannot be registered: types that begin with $ belong to the bus`,
    );
  checkVersion(version);
  if (schema !== undefined && !isStandardSchema(schema))
    throw expected('INVALID_OPTION', `the schema registered for \`${type}\``, 'a Standard Schema', schema);
  mustKnow(options, KNOWN, 'schemas.register');
  checkOptions(version, options as Readonly<Record<string, unknown>>);
}

/** Throws `INVALID_OPTION`. */
export function checkVersion(version: unknown): void {
  if (Number.isSafeInteger(version) && (version as number) >= 1) return;
  throw expected('INVALID_OPTION', '`schemaVersion`', 'an integer from 1', version);
}

function checkOptions(version: number, options: Readonly<Record<string, unknown>>): void {
  const { upcast, transient = false, payload = 'copy' } = options;
  if (upcast !== undefined && typeof upcast !== 'function')
    throw expected('INVALID_OPTION', '`upcast` of `schemas.register`', 'a function', upcast);
  if (upcast !== undefined && version === 1)
    throw new TelltaleError('INVALID_OPTION', '`upcast` of `schemas.register`: nothing comes before version 1');
  if (typeof transient !== 'boolean')
    throw expected('INVALID_OPTION', '`transient` of `schemas.register`', 'true or false', transient);
  if (!PAYLOAD_MODES.includes(payload))
    throw expected('INVALID_OPTION', '`payload` of `schemas.register`', "'copy', 'plain' or 'trust'", payload);
}
