import { expected, TelltaleError } from '../errors.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { KeyFailure, laneKey } from '../invoke/lane-key.ts';
import type { ActorRef } from './port.ts';

type Keyed = Pick<ActorRef, 'address' | 'behaviour'>;

/** The only instance of an actor without keys. */
const MAIN = 'main';

/** Whom a question to an actor, or to one instance of it, is for. */
export const addressOf = ({ address, behaviour: { keyOf } }: Keyed, key: string): string =>
  keyOf ? `actor:${address}/${key}` : `actor:${address}`;

/** Whose an event is: as it was told, otherwise as `key` says. */
export function instanceFor({ address, behaviour: { keyOf } }: Keyed, event: TelltaleEvent): string | KeyFailure {
  if (!keyOf) return MAIN;
  const { $to, $key } = event.metadata;
  if ($key !== undefined && $to === address) return $key as string;
  const key = laneKey(keyOf, event);
  if (key !== '') return key;
  const thing = `\`key\` of actor ${address} for \`${event.type}\``;
  return new KeyFailure({ error: expected('INVALID_OPTION', thing, 'a key', undefined), attempts: 0 });
}

/** A key that somebody has given; none is needed where there is one instance. Throws `INVALID_OPTION`. */
export function checkKey({ address, behaviour: { keyOf } }: Keyed, key: unknown): string {
  const thing = `\`key\` for actor ${address}`;
  if (!keyOf && key !== undefined) throw expected('INVALID_OPTION', `${thing}, which has none,`, 'left out', key);
  if (!keyOf) return MAIN;
  if (typeof key === 'string' && key !== '') return key;
  throw expected('INVALID_OPTION', thing, 'a non-empty string', key);
}

export function stoppedError({ address, behaviour: { keyOf } }: Keyed, key?: string): TelltaleError {
  const which = key === undefined || !keyOf ? address : `${address}/${key}`;
  return new TelltaleError('ACTOR_STOPPED', `actor ${which} has stopped`);
}
