import { createVirtualClock } from '../../lib/clock.ts';
import { createBus, type Bus, type StoredEvent } from '../../lib/index.ts';
import type { Store } from '../../lib/plugin.ts';
import { viewOfShared } from '../support/shared-views.ts';
import { turn } from '../support/turns.ts';

const EVENTS = 40;
const CALLS = new Set(['document', 'putDocument', 'page', 'head']);

/** Works on an event, and calls back when it is done. */
export type Work = (event: StoredEvent, done: () => void) => unknown;

export interface KilledRun {
  /** Calls of the store that the consumer made until it was killed. */
  readonly calls: number;
  readonly checkpoint: number;
  /** Positions whose work was done before the kill, and after the restart. */
  readonly before: readonly number[];
  readonly after: readonly number[];
}

/**
 * A consumer in a process that dies at a call of its store, before or after the call is carried out, and once more as
 * another process: nothing of the first one happens any more.
 */
export async function killAt(
  store: Store,
  kill: { call: number; when: 'before' | 'after' },
  work: Work,
): Promise<KilledRun> {
  const clock = createVirtualClock();
  const life = { dead: false, calls: 0, pending: 0 };
  const dying = viewThatDies(store, kill, life);
  const before: number[] = [];
  const bus = await createBus({ store: dying, clock });
  consume(bus, work, (position) => life.dead || before.push(position), life);
  await append(bus, EVENTS / 2);
  for (let step = 0; step < 12 && !life.dead; step++) {
    if (step === 4) await append(bus, EVENTS / 2);
    await clock.advance(60);
    // A store on a disk takes its time.
    const isAtRest = (): boolean =>
      life.dead || (life.pending === 0 && before.length === (step < 4 ? EVENTS / 2 : EVENTS));
    for (let turns = 0; turns < 100_000 && !isAtRest(); turns++) await turn();
  }
  life.dead = true;
  const checkpoint = await checkpointOf(store);
  const after: number[] = [];
  const next = await createBus({ store: viewOfShared(store, { shared: false }), clock });
  if ((await next.count({ pattern: 'a' })) < EVENTS) await append(next, EVENTS / 2);
  const consumer = consume(next, work, (position) => after.push(position), { dead: false });
  const caughtUp = consumer.caughtUp();
  for (let step = 0; step < 10; step++) await clock.advance(100);
  await caughtUp;
  const closing = next.close();
  await clock.advance(1_000);
  await closing;
  return { calls: life.calls, checkpoint, before, after };
}

/** What an at-least-once consumer must never do; empty where all is well. */
export function faultsOf({ checkpoint, before, after }: KilledRun): readonly string[] {
  const done = new Set([...before, ...after]);
  const skipped = Array.from({ length: EVENTS }, (_, i) => i + 1).filter((position) => !done.has(position));
  const below = before.length === 0 ? [] : after.filter((position) => position <= checkpoint);
  const twice = [before, after].flatMap((all) => all.filter((position, i) => all.indexOf(position) !== i));
  return [
    ...skipped.map((position) => `${position} was skipped (checkpoint ${checkpoint})`),
    ...below.map((position) => `${position} was repeated below the checkpoint ${checkpoint}`),
    ...twice.map((position) => `${position} was repeated without a crash`),
  ];
}

function consume(bus: Bus, work: Work, done: (position: number) => unknown, life: { readonly dead: boolean }) {
  const handler = (event: StoredEvent): unknown =>
    life.dead ? new Promise(() => undefined) : work(event, () => void done(event.position));
  return bus.consume('c', 'a', handler, { key: 'entity', concurrency: 4 });
}

async function append(bus: Bus, count: number): Promise<void> {
  const batch = bus.batch();
  for (let n = 0; n < count; n++) batch.add('a', n, { entity: `n/${n % 5}` });
  await batch.commit();
}

const never = (): Promise<never> => new Promise(() => undefined);

function viewThatDies(
  store: Store,
  { call, when }: { readonly call: number; readonly when: 'before' | 'after' },
  life: { dead: boolean; calls: number; pending: number },
): Store {
  const view = viewOfShared(store, { shared: false });
  return new Proxy(view, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name);
      if (!CALLS.has(String(name)) || typeof member !== 'function') return member;
      return async (...given: unknown[]): Promise<unknown> => {
        if (life.dead) return never();
        const kills = ++life.calls === call;
        if (kills && when === 'before') life.dead = true;
        if (life.dead) return never();
        life.pending++;
        const answer: unknown = await (member as (...args: unknown[]) => Promise<unknown>)
          .apply(target, given)
          .finally(() => life.pending--);
        if (kills) life.dead = true;
        await turn();
        return life.dead ? never() : answer;
      };
    },
  });
}

async function checkpointOf(store: Store): Promise<number> {
  const document = await store.document('checkpoints', 'c');
  return (document?.value as { readonly position: number } | undefined)?.position ?? 0;
}
