import { toMs, toPositiveMs, type Duration } from '../duration.ts';
import { expected, TelltaleError } from '../errors.ts';
import type { TelltaleEvent } from '../event/event.ts';
import { parsePattern } from '../event/pattern.ts';
import { parseField } from '../filter/field.ts';
import type { MailboxLimits } from '../mailbox/overflow.ts';
import { isCount, mustKnow } from '../parse-options.ts';
import type { Receive } from './context.ts';
import { parseSnapshot, type SnapshotOptions, type SnapshotPolicy } from './snapshots.ts';
import { parseSupervise, type SuperviseOptions, type Supervision } from './supervision.ts';

export type Apply = (state: unknown, event: TelltaleEvent) => unknown;

/** A behaviour as it is given; `lib/acting-api.ts` has it with types. */
interface GivenBehaviour {
  readonly initial?: unknown;
  readonly receive: Receive;
  readonly apply?: Apply;
  readonly key?: string | ((event: TelltaleEvent) => unknown);
  readonly on?: string | readonly string[];
  readonly mailbox?: Partial<MailboxLimits>;
  readonly supervise?: SuperviseOptions;
  readonly persist?: 'events' | 'state' | false;
  readonly durable?: boolean;
  readonly snapshot?: SnapshotOptions;
  readonly idle?: Duration;
  readonly schemaVersion?: number;
}

/** A behaviour that has been checked. */
export interface Behaviour {
  /** A state of its own for each instance. */
  readonly initial: (key: string) => unknown;
  readonly receive: Receive;
  /** There with `persist: 'events'`. */
  readonly apply: Apply | undefined;
  /** There where it has an instance for each key. */
  readonly keyOf: ((event: TelltaleEvent) => unknown) | undefined;
  /** `key` as it was given, where it can be told to another thread. */
  readonly keyPath?: string;
  readonly on: readonly string[];
  readonly mailbox: MailboxLimits;
  readonly supervision: Supervision;
  readonly persist: 'events' | 'state' | false;
  readonly durable: boolean;
  readonly snapshot: SnapshotPolicy;
  /** An instance that has had nothing to do for so long is put aside; undefined: never. */
  readonly idleMs: number | undefined;
  readonly schemaVersion: number;
}

const KNOWN = 'initial receive apply key on mailbox supervise persist durable snapshot idle schemaVersion'.split(' ');
const POLICIES: readonly unknown[] = ['reject', 'drop-oldest', 'latest-by-key', 'wait'];
const PERSIST: readonly unknown[] = ['events', 'state', false];
const NAME = /^[A-Za-z0-9_.-]{1,128}$/;
const DEFAULT_IDLE = '5m';

/** A name that may be the kind of an entity. Throws `INVALID_OPTION`. */
export function checkActorName(name: unknown): string {
  if (typeof name === 'string' && NAME.test(name)) return name;
  throw expected('INVALID_OPTION', 'the name of an actor', '1 to 128 letters, digits, `_`, `.` and `-`', name);
}

/** Throws `INVALID_OPTION`, `INVALID_PATTERN`, `INVALID_PATH`, `INVALID_DURATION`. */
export function parseBehaviour(given: unknown, of: string, defaults: MailboxLimits): Behaviour {
  const thing = (option: string): string => `\`${option}\` of ${of}`;
  if (typeof given !== 'object' || given === null)
    throw expected('INVALID_OPTION', `the behaviour of ${of}`, 'an object', given);
  // It may be of a class.
  mustKnow({ ...given }, KNOWN, of);
  const behaviour = given as GivenBehaviour;
  const { receive, apply, durable = false, snapshot, schemaVersion = 1, on = [] } = behaviour;
  const persist = behaviour.persist ?? (apply === undefined ? false : 'events');
  if (typeof receive !== 'function') throw expected('INVALID_OPTION', thing('receive'), 'a function', receive);
  if (apply !== undefined && typeof apply !== 'function')
    throw expected('INVALID_OPTION', thing('apply'), 'a function', apply);
  if (!PERSIST.includes(persist))
    throw expected('INVALID_OPTION', thing('persist'), "'events', 'state' or false", persist);
  if ((apply !== undefined) !== (persist === 'events'))
    throw new TelltaleError('INVALID_OPTION', `${thing('apply')} and \`persist: 'events'\` belong together`);
  if (typeof durable !== 'boolean') throw expected('INVALID_OPTION', thing('durable'), 'true or false', durable);
  if (!isCount(schemaVersion))
    throw expected('INVALID_OPTION', thing('schemaVersion'), 'an integer from 1', schemaVersion);
  if (snapshot !== undefined && persist !== 'events')
    throw new TelltaleError('INVALID_OPTION', `${thing('snapshot')} needs \`apply\`: only facts are rebuilt`);
  const keyOf = behaviour.key === undefined ? undefined : toKey(behaviour.key, thing('key'));
  return {
    initial: toInitial(behaviour.initial, thing('initial')),
    receive,
    apply,
    keyOf,
    ...(typeof behaviour.key === 'string' && { keyPath: behaviour.key }),
    on: parseOn(on, thing('on')),
    mailbox: parseMailbox(behaviour.mailbox, defaults, of),
    supervision: parseSupervise(behaviour.supervise),
    persist,
    durable,
    snapshot: parseSnapshot(snapshot, of),
    idleMs: parseIdle(behaviour.idle, keyOf !== undefined, persist !== false, thing('idle')),
    schemaVersion,
  };
}

function parseOn(on: unknown, thing: string): readonly string[] {
  const patterns: unknown = typeof on === 'string' ? [on] : on;
  if (!Array.isArray(patterns)) throw expected('INVALID_OPTION', thing, 'a pattern, or several', on);
  return patterns.map((pattern) => parsePattern(pattern).text);
}

// Instances must not share what they change.
function toInitial(initial: unknown, thing: string): (key: string) => unknown {
  if (typeof initial === 'function') return initial as (key: string) => unknown;
  if (typeof initial !== 'object' || initial === null) return () => initial;
  try {
    structuredClone(initial);
  } catch (cause) {
    const text = `${thing} cannot be copied for each instance; give a function (key) => state`;
    throw new TelltaleError('INVALID_OPTION', text, { cause });
  }
  return () => structuredClone(initial);
}

function toKey(key: unknown, thing: string): (event: TelltaleEvent) => unknown {
  if (typeof key === 'function') return key as (event: TelltaleEvent) => unknown;
  if (typeof key !== 'string') throw expected('INVALID_OPTION', thing, 'a dotted path or a function', key);
  const field = parseField(key, 'INVALID_OPTION', thing);
  return (event) => field.read(event);
}

function parseMailbox(given: Partial<MailboxLimits> | undefined, defaults: MailboxLimits, of: string): MailboxLimits {
  if (given === undefined) return defaults;
  if (typeof given !== 'object' || given === null)
    throw expected('INVALID_OPTION', `\`mailbox\` of ${of}`, 'an object', given);
  mustKnow(given, ['max', 'maxBytes', 'overflow'], `\`mailbox\` of ${of}`);
  const limits = { ...defaults, ...given };
  for (const name of ['max', 'maxBytes'] as const)
    if (!isCount(limits[name]))
      throw expected('INVALID_OPTION', `\`mailbox.${name}\` of ${of}`, 'an integer from 1', limits[name]);
  if (POLICIES.includes(limits.overflow)) return limits;
  const policies = "'reject', 'drop-oldest', 'latest-by-key' or 'wait'";
  throw expected('INVALID_OPTION', `\`mailbox.overflow\` of ${of}`, policies, limits.overflow);
}

// What is not persisted would be lost with the instance: then it is put aside only where somebody asks for it.
function parseIdle(idle: Duration | undefined, keyed: boolean, persisted: boolean, thing: string): number | undefined {
  if (idle === undefined) return keyed && persisted ? toMs(DEFAULT_IDLE) : undefined;
  const ms = toPositiveMs(idle, 'idle', thing);
  if (keyed) return ms;
  throw new TelltaleError('INVALID_OPTION', `${thing} needs \`key\`: only instances with a key are put aside`);
}
