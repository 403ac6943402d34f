import type { Clock } from '../clock.ts';
import { TelltaleError } from '../errors.ts';
import type { Store, StoredDocument } from '../store/port.ts';
import { CHECKPOINTS, SINK_PREFIX } from '../store/read/resolve-place.ts';
import { readLedger } from './ledger.ts';
import { MEMBER_TTL_MS } from './seats.ts';
import type { ConsumerLag, ConsumerStatus } from './terms.ts';

/** One consumer of the store, at work or not. */
export interface ConsumerEntry {
  readonly name: string;
  readonly pattern: string;
  /** Everything at or below it is done with. */
  readonly position: number;
  readonly lag: ConsumerLag;
  /** Of the one in this process; `elsewhere` where others have written that they work on it, `stopped` otherwise. */
  readonly status: ConsumerStatus | 'elsewhere';
  /** How many have written that they work on it; one that died without a word is among them for a while. */
  readonly members: number;
  /** When its checkpoint was last written, epoch ms. */
  readonly at: number;
}

export interface ListingPort {
  readonly store: Store;
  readonly clock: Clock;
  /** What a consumer of this process does; undefined where there is none. */
  statusOf(name: string): ConsumerStatus | undefined;
}

// Their checkpoints lie beside those of consumers.
const isSink = (name: string): boolean => name.startsWith(SINK_PREFIX);

/** Every consumer that has a checkpoint, by name. */
export async function listConsumers(port: ListingPort): Promise<readonly ConsumerEntry[]> {
  const documents = await port.store.listDocuments(CHECKPOINTS);
  const head = await port.store.head();
  const entries = documents
    .filter(({ key }) => !isSink(key))
    .toSorted((a, b) => (a.key < b.key ? -1 : 1))
    .map((document) => entryOf(document, head.position, port));
  return (await Promise.all(entries)).filter((entry) => entry !== undefined);
}

/** False where there is none. Rejects with `INVALID_OPTION` while it runs, and for a sink. */
export async function removeConsumer(name: string, port: ListingPort): Promise<boolean> {
  if (isSink(name)) throw new TelltaleError('INVALID_OPTION', `\`${name}\` is a sink: it has no consumer to remove`);
  const document = await port.store.document(CHECKPOINTS, name);
  const ledger = readLedger(document?.value);
  const status = port.statusOf(name);
  const isFresh = ledger !== undefined && port.clock.now() - ledger.at < MEMBER_TTL_MS;
  const isElsewhere = port.store.supports.shared && isFresh && Object.keys(ledger.members).length > 0;
  if (isElsewhere || (status !== undefined && status !== 'stopped' && status !== 'failed')) {
    const where = status === undefined ? 'in another process' : 'on this bus';
    throw new TelltaleError('INVALID_OPTION', `consumer \`${name}\` is at work ${where}: stop it before it is removed`);
  }
  return document !== undefined && port.store.deleteDocument(CHECKPOINTS, name, document.etag);
}

async function entryOf(
  { key: name, value }: StoredDocument,
  head: number,
  port: ListingPort,
): Promise<ConsumerEntry | undefined> {
  const ledger = readLedger(value);
  if (ledger === undefined) return undefined;
  const { store, clock } = port;
  const { position, at, terms, members } = ledger;
  const count = Object.keys(members).length;
  const { events } = await store.page({ after: position, through: head, descending: false, limit: 1 });
  const ms = events[0] === undefined ? 0 : Math.max(0, clock.now() - events[0].storedAt);
  const elsewhere = store.supports.shared && count > 0 ? 'elsewhere' : 'stopped';
  const status = port.statusOf(name) ?? elsewhere;
  const lag = { events: Math.max(0, head - position), ms };
  return { name, pattern: terms.pattern, position, lag, status, members: count, at };
}
