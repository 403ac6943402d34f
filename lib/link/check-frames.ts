import { TelltaleError, expected, show } from '../errors.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { checkEntity, isId } from '../event/identity.ts';
import { checkType, isReserved } from '../event/type-name.ts';
import { isCount } from '../parse-options.ts';
import { PROTOCOL, type Message, type TypeInfo } from './frames.ts';

type Frame<Tag extends Message[0]> = Extract<Message, readonly [Tag, ...unknown[]]>;

/** Whose events a worker's bus stores, and those it says without storing them. */
const STORED = new Set(['$actor', '$ask', '$dead-letter', '$effect', '$schedule']);
const SAID = new Set([...STORED, '$bus', '$worker']);

/**
 * What a worker sends, looked at before it is believed: envelopes and counts, not payloads, which were walked where
 * they were made. Each throws `LINK_BROKEN`, which names the frame.
 */
export function mustBeHello(hello: unknown): readonly TypeInfo[] {
  if (!isObject(hello)) throw expected('LINK_BROKEN', 'a `hello`', 'an object', hello);
  const { protocol, types } = hello;
  if (protocol !== PROTOCOL) throw expected('LINK_BROKEN', 'the protocol of a worker', `${PROTOCOL}`, protocol);
  if (!Array.isArray(types)) throw expected('LINK_BROKEN', '`types` of a `hello`', 'a list', types);
  for (const info of types as readonly unknown[])
    if (!isObject(info) || typeof info['type'] !== 'string')
      throw expected('LINK_BROKEN', 'a type of a `hello`', 'an object with a type', info);
  return types as readonly TypeInfo[];
}

/** `last` is the number of the newest event it was sent, `credits` how many it may have had at once. */
export function mustBeDone(message: Frame<'done'>, last: number, credits: number): void {
  for (let i = 1; i < message.length; i += 2) {
    const from = message[i];
    const count = message[i + 1];
    if (!isCount(from) || !isCount(count) || count > credits || from + count - 1 > last)
      throw expected('LINK_BROKEN', 'a run of a `done`', `one of events up to number ${last}`, [from, count]);
  }
}

export function mustBeAppend([, serial, events, sizes, terms]: Frame<'append'>): void {
  if (!isCount(serial)) throw expected('LINK_BROKEN', 'the number of an `append`', 'an integer above 0', serial);
  if (!Array.isArray(events) || events.length === 0)
    throw expected('LINK_BROKEN', 'the events of an `append`', 'a list that is not empty', events);
  if (!Array.isArray(sizes) || sizes.length !== events.length || !sizes.every(isCount))
    throw expected('LINK_BROKEN', 'the sizes of an `append`', 'one of each event', sizes);
  if (!isObject(terms)) throw expected('LINK_BROKEN', 'the terms of an `append`', 'an object', terms);
  for (const event of events as readonly TelltaleEvent[]) mustBeEvent('append', event, STORED);
}

export function mustBeTell([, event, bytes]: Frame<'tell'>): void {
  mustBeEvent('tell', event, SAID);
  if (!isCount(bytes)) throw expected('LINK_BROKEN', 'the size of a `tell`', 'an integer above 0', bytes);
}

export function mustBeAsk([, id, event, terms, , bytes]: Frame<'ask'>): void {
  if (!isCount(id)) throw expected('LINK_BROKEN', 'the number of an `ask`', 'an integer above 0', id);
  if (!isObject(terms)) throw expected('LINK_BROKEN', 'the terms of an `ask`', 'an object', terms);
  mustBeEvent('ask', event, undefined);
  if (!isCount(bytes)) throw expected('LINK_BROKEN', 'the size of an `ask`', 'an integer above 0', bytes);
}

function mustBeEvent(frame: string, event: TelltaleEvent, own: ReadonlySet<string> | undefined): void {
  const wrong = wrongField(event, own);
  if (wrong === undefined) return;
  const what = isObject(event) ? `\`${wrong}\` ${show((event as unknown as Fields)[wrong])}` : show(event);
  throw new TelltaleError('LINK_BROKEN', `a \`${frame}\` with an event that no worker makes arrived: ${what}`);
}

type Fields = Readonly<Record<string, unknown>>;

function wrongField(event: TelltaleEvent, own: ReadonlySet<string> | undefined): keyof TelltaleEvent | undefined {
  if (!isObject(event)) return 'id';
  const { id, type, source, time, entity, correlationId, causationId, schemaVersion, payload, metadata } = event;
  if (!isId(id)) return 'id';
  if (!isType(type, own)) return 'type';
  if (!isId(source)) return 'source';
  if (!Number.isFinite(time)) return 'time';
  if (correlationId !== id && !isId(correlationId)) return 'correlationId';
  if (causationId !== undefined && !isId(causationId)) return 'causationId';
  if (entity !== undefined && !passes(checkEntity, entity)) return 'entity';
  if (!isCount(schemaVersion)) return 'schemaVersion';
  if (payload === undefined) return 'payload';
  return isObject(metadata) && !Array.isArray(metadata) ? undefined : 'metadata';
}

function isType(type: unknown, own: ReadonlySet<string> | undefined): boolean {
  if (!passes(checkType, type)) return false;
  if (!isReserved(type as string)) return true;
  const [family] = (type as string).split('.', 1);
  return own !== undefined && own.has(family!);
}

function passes(check: (value: unknown) => unknown, value: unknown): boolean {
  try {
    check(value);
    return true;
  } catch {
    return false;
  }
}

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null;
