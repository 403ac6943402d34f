import { TelltaleError, isTelltaleError, toError } from '../../lib/plugin.ts';

/** What the server says about an error: five characters, of which two are the class. */
export function sqlState(error: unknown): string {
  const code = (error as { readonly code?: unknown } | null)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : '';
}

/** The connection is as it was: the server refused one statement. */
export function isRefusal(error: unknown): boolean {
  const state = sqlState(error);
  // Too few parameters are a violation of the protocol as well, after which it goes on. A server that only reads is not
  // what it was when the store opened: after a failover another connection reaches the one that writes.
  const isLost = /^57P|^08(?!P01)|^25006/.test(state);
  return state !== '' && !isLost && hasSeverity(error, 'ERROR');
}

/** Another connection may do better: the server is away, or says nothing any more. */
export function isOfTheConnection(error: unknown): boolean {
  const isMistake = error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
  return !isRefusal(error) && !isTelltaleError(error) && !isMistake;
}

/** The server, or what is written to it, does not take some value: the same again is refused again. */
export function isOfData(error: unknown): boolean {
  return error instanceof RangeError || (/^(?:21|22|23|54)/.test(sqlState(error)) && !lacksPartition(error));
}

/**
 * What a refusal comes to that no further attempt changes; anything else stays as it is. `events` is what the names of the
 * partitions begin with: an event is where the counter has given no position yet.
 */
export function lastingFailure(error: unknown, where: string, events?: string): unknown {
  if (isTelltaleError(error) || !isRefusal(error)) return error;
  const state = sqlState(error);
  if (events !== undefined && isTaken(error) && (error as { readonly table?: string }).table?.startsWith(events))
    return new TelltaleError('STORE_CORRUPT', `${where}: ${toError(error).message}`, { cause: toError(error) });
  const code = /^(?:42501|28|0P)/.test(state) ? 'STORE_ACCESS' : /^(?:42(?!P06)|3F)/.test(state) ? 'STORE_FAILED' : '';
  if (code === '') return error;
  const cause = toError(error);
  return new TelltaleError(code, `${where}: ${cause.message}`, { cause });
}

/** No partition takes the position of a row. */
export function lacksPartition(error: unknown): boolean {
  // A row that a CHECK keeps out has the same state, and names it.
  return sqlState(error) === '23514' && (error as { readonly constraint?: string }).constraint === undefined;
}

/** A statement before was refused: the transaction takes nothing more. Whoever was told may have wrapped it. */
export function isAftermath(error: unknown): boolean {
  return sqlState(error) === '25P02' || sqlState((error as Partial<Error> | null | undefined)?.cause) === '25P02';
}

/** An id or a name that must be there once is there already. */
export function isTaken(error: unknown): boolean {
  return sqlState(error) === '23505';
}

/** Somebody holds what was asked for. */
export function isHeld(error: unknown): boolean {
  return sqlState(error) === '55P03';
}

/** The server ended a statement, as it was told to after some time. */
export function tookTooLong(error: unknown): boolean {
  return sqlState(error) === '57014';
}

/** What stands in the way of opening, in words that say what to do. */
export function openingFailure(error: unknown, where: string): TelltaleError {
  const isOfLog = isTelltaleError(error, 'STORE_FAILED');
  if (isTelltaleError(error) && !isOfLog) return error;
  const cause = toError(isOfLog ? error.cause : error);
  const state = sqlState(cause);
  if (isOfLog && !isOfOptions(cause)) {
    const inTheWay = /^42(?:P07|710|723)/.test(state);
    const hint = inTheWay ? ": another program's; choose another schema or tablePrefix" : '';
    return new TelltaleError(inTheWay ? 'STORE_PATH' : 'STORE_CORRUPT', `${where}: ${cause.message}${hint}`, { cause });
  }
  if (isOfOptions(cause)) return new TelltaleError('INVALID_OPTION', `${where}: ${cause.message}`, { cause });
  const refused = /^(?:28|42501|3D|3F|0P)/.test(state);
  return new TelltaleError(refused ? 'STORE_ACCESS' : 'STORE_UNAVAILABLE', `${where}: ${messageOf(cause)}`, { cause });
}

/** No server was asked, or it did not understand how: Node refuses the host or the port, the server a setting. */
function isOfOptions(error: Error): boolean {
  const { code, syscall } = error as { readonly code?: unknown; readonly syscall?: unknown };
  // A file with a certificate, or a schema's name that the server keeps for itself.
  if (syscall === 'open' || sqlState(error) === '42939') return true;
  if (error instanceof URIError || (typeof code === 'string' && code.startsWith('ERR_'))) return true;
  return hasSeverity(error, 'FATAL') && /^(?:22|42(?!501))/.test(sqlState(error));
}

/** An `AggregateError` of refused connections has no message of its own. */
function messageOf(error: Error): string {
  if (error.message !== '') return error.message;
  const errors = (error as Partial<AggregateError>).errors ?? [];
  return errors.map((one) => toError(one).message).join(', ') || error.name;
}

function hasSeverity(error: unknown, wanted: string): boolean {
  return (error as { readonly severity?: unknown }).severity === wanted;
}
