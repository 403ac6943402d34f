import { setTimeout as wait } from 'node:timers/promises';
import { Lease, systemClock } from '../../../lib/plugin.ts';
import type { Fence, Store } from '../../../lib/plugin.ts';
import { Broken } from './broken.ts';
import { startChild } from './child.ts';
import type { Child } from './child.ts';
import type { Specimen } from './subject.ts';
import { untilAnswered } from './until-answered.ts';

const LEASE = 'verify';
const COLLECTION = 'verify';
const KEY = 'fenced';
const WRITERS = 2;
const TAKEOVERS = 60;

/** The document that the writers write says by which epoch. */
interface Fenced {
  readonly epoch: number;
  readonly n: number;
}

/**
 * Processes write a document with the fence of a lease, which changes hands again and again: once it has, nothing may be
 * written by an earlier epoch. What a store compares before it writes, and not in the same step, shows here. Answers how
 * often the lease changed hands.
 */
export async function fenceTest(specimen: Specimen): Promise<number> {
  const store = await specimen.create(systemClock);
  await store.open();
  let lease = await take(store);
  const words = [JSON.stringify(specimen.reach)];
  const children = Array.from({ length: WRITERS }, () => startChild('fence-child', words, () => undefined));
  try {
    const failed = Promise.race(children.map(mustNotEnd));
    // Whoever waits for it is told.
    failed.catch(() => undefined);
    await Promise.race([writtenBy(store, 1), failed]);
    for (let epoch = 2; epoch <= TAKEOVERS + 1; epoch++) {
      await lease.release();
      lease = await take(store);
      const last = await store.document(COLLECTION, KEY);
      const next = await Promise.race([writtenBy(store, epoch, last?.etag), failed]);
      if (next.epoch < epoch)
        throw new Broken('P7', `a holder of epoch ${next.epoch} changed a document when epoch ${epoch} was given out`);
    }
    return TAKEOVERS;
  } finally {
    for (const child of children) child.kill();
    await Promise.allSettled(children.map(({ ended }) => ended));
    await store.close();
  }
}

/** Writes with the fence that holds now, until it is refused. */
export async function putFenced(store: Store): Promise<never> {
  const { epoch } = (await store.document('leases', LEASE))!.value as Fence;
  const fence = { lease: LEASE, epoch };
  for (let n = 0; ; n++) await untilAnswered(() => store.putDocument(COLLECTION, KEY, { epoch, n }, { fence }));
}

async function take(store: Store): Promise<Lease> {
  const lease = new Lease(store, LEASE, { owner: 'verify', ttlMs: 60_000, clock: systemClock });
  if ((await untilAnswered(() => lease.attempt())) === undefined)
    throw new Error(`a lease that was given back was not given out again`);
  return lease;
}

/** What the document says when it is written by an epoch, or changed from an etag. */
async function writtenBy(store: Store, epoch: number, etag?: string): Promise<Fenced> {
  for (;;) {
    const document = await store.document(COLLECTION, KEY);
    const value = document?.value as Fenced | undefined;
    if (value !== undefined && (value.epoch >= epoch || (etag !== undefined && document!.etag !== etag))) return value;
    await wait(1);
  }
}

async function mustNotEnd({ ended }: Child, i: number): Promise<never> {
  throw new Error(`writing process ${i + 1} of ${WRITERS}: ${(await ended).problem}`);
}
