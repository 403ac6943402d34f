import { isDeepStrictEqual } from 'node:util';
import type { ConsumerTerms } from './terms.ts';

/** What a consumer reads and how it is divided; members of one group have the same. */
export interface LedgerTerms {
  readonly pattern: string;
  readonly where?: unknown;
  /** The path, or `(function)`. Absent without lanes. */
  readonly key?: string;
  readonly group: boolean;
  /** Is the handler given arrays? Absent where it is not. */
  readonly batch?: true;
  /** Has a target the checkpoints? Absent where the store has them. */
  readonly checkpointIn?: true;
}

/** One partition of a consumer. */
export interface Seat {
  /** Everything at or below it is done with. */
  readonly position: number;
  /** Rises with every change of holder. */
  readonly epoch: number;
  readonly member: string | null;
}

/**
 * The document of one consumer: how far it has come, who works on it. Everybody changes it by compare-and-set, so that
 * whoever writes has seen what was written before: that is what keeps a deposed member from writing.
 */
export interface Ledger {
  /** The lowest of its partitions. */
  readonly position: number;
  /** When it was last written, epoch ms. */
  readonly at: number;
  readonly terms: LedgerTerms;
  /** A figure for each member that rises while it lives. */
  readonly members: Readonly<Record<string, number>>;
  readonly seats: readonly Seat[];
}

/** A group's events are divided by the hash of their key. */
export const PARTITIONS = 64;

/** What one member wants to write. */
export interface Turn {
  readonly me: string;
  readonly now: number;
  readonly terms: LedgerTerms;
  /** Where a consumer without a checkpoint begins, exclusive. */
  readonly start: number;
  readonly isAlive: (member: string) => boolean;
  /** How far the partitions have come that it holds. */
  readonly positions: ReadonlyMap<number, number>;
  /** Partitions whose work it has ended, to be given to others. */
  readonly released: ReadonlySet<number>;
  /** It gives back everything and takes nothing. */
  readonly leaving: boolean;
  /** It has just come: where there is no group, the newest takes over. */
  readonly joining: boolean;
}

/** A consumer's document; undefined for what is none. One that only names a position is taken as a checkpoint. */
export function readLedger(value: unknown): Ledger | undefined {
  const given = value as (Partial<Ledger> & { readonly position?: unknown }) | undefined;
  if (typeof given?.position !== 'number') return undefined;
  const { position, at = 0, terms = { pattern: '**', group: false }, members = {} } = given;
  return { position, at, terms, members, seats: given.seats ?? [{ position, epoch: 0, member: null }] };
}

/** What the document says after a member's turn. */
export function afterTurn(ledger: Ledger | undefined, turn: Turn): Ledger {
  const { me, now, terms, leaving } = turn;
  const members = membersAfter(ledger?.members ?? {}, turn);
  const known = ledger ?? { position: turn.start, seats: [] };
  const shape = seatsFor(known, terms.group ? PARTITIONS : 1, now);
  const reported = shape.map((seat, index) => reportedSeat(seat, index, turn));
  const seats = leaving ? reported : taken(reported, Object.keys(members).toSorted(), turn);
  const position = Math.min(...seats.map((seat) => seat.position));
  return { position, at: now, terms: ledger && me in ledger.members ? ledger.terms : terms, members, seats };
}

/** How many partitions a member has when each has its share. */
export function shareOf(member: string, members: readonly string[], seats: number): number {
  const at = members.indexOf(member);
  if (at === -1) return 0;
  return Math.floor(seats / members.length) + (at < seats % members.length ? 1 : 0);
}

/** The partitions a member has above its share, which it should give to others. */
export function excessOf({ members, seats }: Ledger, me: string): readonly number[] {
  const share = shareOf(me, Object.keys(members).toSorted(), seats.length);
  const mine = seats.flatMap(({ member }, index) => (member === me ? [index] : []));
  return mine.slice(share);
}

/** A function counts as equal to any other: what it does cannot be compared. */
export function ledgerTermsOf({ pattern, where, keyText, group, batch, target }: ConsumerTerms): LedgerTerms {
  return {
    pattern,
    ...(where && { where }),
    ...(keyText !== undefined && { key: keyText }),
    group,
    ...(batch && { batch: true }),
    ...(target && { checkpointIn: true }),
  };
}

/** What a target knows a partition by. */
export const keyOf = ({ name, group }: Pick<ConsumerTerms, 'name' | 'group'>, index: number): string =>
  group ? `${name}#${index}` : name;

/** All of a consumer's partitions, as a target knows them. */
export function keysOf(terms: Pick<ConsumerTerms, 'name' | 'group'>): readonly string[] {
  return Array.from({ length: terms.group ? PARTITIONS : 1 }, (_, index) => keyOf(terms, index));
}

/** What two members would do differently; undefined where nothing is. */
export function differenceOf(those: LedgerTerms, these: LedgerTerms): string | undefined {
  const names = ['pattern', 'where', 'key', 'group', 'batch', 'checkpointIn'] as const;
  return names.find((name) => !isDeepStrictEqual(those[name], these[name]));
}

function membersAfter(members: Ledger['members'], { me, isAlive, leaving, terms }: Turn): Record<string, number> {
  const others = Object.entries(members).filter(([member]) => member !== me && terms.group && isAlive(member));
  return Object.fromEntries(leaving ? others : [...others, [me, (members[me] ?? 0) + 1]]);
}

// One that was no group becomes one, and the other way round: everybody begins where the last of them stood.
function seatsFor(
  { position, seats }: Pick<Ledger, 'position' | 'seats'>,
  count: number,
  now: number,
): readonly Seat[] {
  if (seats.length === count) return seats;
  const epoch = seats.reduce((highest, seat) => Math.max(highest, seat.epoch), 0);
  return Array.from({ length: count }, () => ({ position, epoch: nextEpoch(epoch, now), member: null }));
}

function reportedSeat(seat: Seat, index: number, { me, positions, released, leaving }: Turn): Seat {
  if (seat.member !== me) return seat;
  const position = positions.get(index) ?? seat.position;
  return { ...seat, position, member: leaving || released.has(index) ? null : me };
}

// What nobody has, and what the dead have, up to the share.
function taken(seats: readonly Seat[], members: readonly string[], turn: Turn): readonly Seat[] {
  const { me, released, terms, joining, now } = turn;
  const share = shareOf(me, members, seats.length);
  let mine = seats.filter(({ member }) => member === me).length;
  return seats.map((seat, index) => {
    const isFree = seat.member === null || !members.includes(seat.member) || (joining && !terms.group);
    if (seat.member === me || !isFree || mine >= share || released.has(index)) return seat;
    mine++;
    return { ...seat, epoch: nextEpoch(seat.epoch, now), member: me };
  });
}

/** By the clock, so that one who begins after the document was removed is newer than whoever worked before. */
export const nextEpoch = (epoch: number, now: number): number => Math.max(epoch + 1, Math.floor(now));
