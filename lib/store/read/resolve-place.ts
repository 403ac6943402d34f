import type { Clock } from '../../clock.ts';
import { toMs, type Duration } from '../../duration.ts';
import { expected, TelltaleError } from '../../errors.ts';
import { toTime } from '../../event/identity.ts';
import type { Place } from '../../event/place.ts';
import type { Store } from '../port.ts';

/** A place as the log or the clock knows it. What a time is compared with is the caller's affair. */
export type ResolvedPlace = { readonly position: number } | { readonly time: number };

export interface PlaceOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Where `'latest'` is. */
  readonly head: number;
}

/** Documents that hold `{ position }` under a consumer's name. */
export const CHECKPOINTS = 'checkpoints';
/** Before the name of a sink, where its checkpoint is one of these. */
export const SINK_PREFIX = 'sink/';

const EXPECTATION = `a position, 'earliest', 'latest', a Date, or one of { position }, { time }, { eventId }, { checkpoint }, { ago }`;

const KEYS = ['position', 'time', 'eventId', 'checkpoint', 'ago'];

/**
 * Checks a place's form without looking anything up. Throws `INVALID_PLACE`, `INVALID_TIME`, `INVALID_DURATION`;
 * `name` is how the caller's option is called.
 */
export function checkPlace(place: Place, name: string): Place {
  if (place === 'earliest' || place === 'latest') return place;
  const [key, value] = typeof place === 'number' ? ['position', place] : entryOf(place, name);
  if (key === 'time') toTime(value as number | string | Date);
  else if (key === 'ago') toMs(value as Duration, `${name}.ago`);
  else if (key === 'position' && !isPosition(value))
    throw expected('INVALID_PLACE', `the position \`${name}\``, 'an integer from 0', value);
  else if (key !== 'position' && typeof value !== 'string')
    throw expected('INVALID_PLACE', `\`${name}.${key}\``, 'a string', value);
  return place;
}

/** Throws what `checkPlace` throws, and `INVALID_PLACE` where the event or the checkpoint is not known. */
export async function resolvePlace(place: Place, name: string, options: PlaceOptions): Promise<ResolvedPlace> {
  checkPlace(place, name);
  if (place === 'earliest') return { position: 1 };
  if (place === 'latest') return { position: options.head };
  if (typeof place === 'number') return { position: place };
  if (place instanceof Date) return { time: toTime(place) };
  if ('position' in place) return { position: place.position };
  if ('time' in place) return { time: toTime(place.time) };
  if ('ago' in place) return { time: options.clock.now() - toMs(place.ago) };
  if ('eventId' in place) return { position: await ofEvent(place.eventId, name, options) };
  return { position: await ofCheckpoint(place.checkpoint, name, options) };
}

function entryOf(place: unknown, name: string): readonly [string, unknown] {
  if (place instanceof Date) return ['time', place];
  const entries = typeof place === 'object' && place !== null ? Object.entries(place) : [];
  if (entries.length === 1 && KEYS.includes(entries[0]![0])) return entries[0]!;
  throw expected('INVALID_PLACE', `\`${name}\``, EXPECTATION, place, {
    details: { keys: entries.map(([key]) => key) },
  });
}

function isPosition(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

async function ofEvent(id: string, name: string, { store }: PlaceOptions): Promise<number> {
  const known = (await store.find([id])).get(id);
  if (known !== undefined) return known.position;
  throw new TelltaleError('INVALID_PLACE', `\`${name}\`: no stored event has the id ${JSON.stringify(id)}`);
}

async function ofCheckpoint(key: string, name: string, { store }: PlaceOptions): Promise<number> {
  const value = (await store.document(CHECKPOINTS, key))?.value as { readonly position?: unknown } | undefined;
  if (isPosition(value?.position)) return value.position;
  throw new TelltaleError('INVALID_PLACE', `\`${name}\`: there is no checkpoint called ${JSON.stringify(key)}`);
}
