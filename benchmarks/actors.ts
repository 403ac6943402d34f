import { createBus } from '../lib/index.ts';
import type { Benchmark } from './benchmark.ts';
import type { Comparison, Contender } from './measure.ts';

const KEYS = 1_000;
const PAYLOADS = Array.from({ length: KEYS }, (_, n) => ({ of: `key-${n}`, by: 1 }));

async function emitted(): Promise<Contender> {
  const bus = await createBus({ source: 'benchmark' });
  let heard = 0;
  bus.on('counted', () => void heard++);
  return {
    name: 'emit to a plain subscription',
    before: () => void (heard = 0),
    run(count) {
      for (let n = 0; n < count; n++) bus.emit('counted', PAYLOADS[n % KEYS]!);
    },
    done: () => heard,
    close: () => bus.close(),
  };
}

async function told(key?: string): Promise<Contender> {
  const bus = await createBus({ source: 'benchmark' });
  let sum = 0;
  const actor = bus.actor<number>('counter', {
    initial: 0,
    ...(key !== undefined && { key }),
    receive: (count) => {
      sum++;
      return count + 1;
    },
  });
  return {
    name: key === undefined ? 'tell an actor' : `tell one of ${KEYS.toLocaleString('en')} instances`,
    before: () => void (sum = 0),
    run(count) {
      for (let n = 0; n < count; n++) actor.tell('counted', PAYLOADS[n % KEYS]!);
    },
    done: () => sum,
    close: () => bus.close(),
  };
}

const EMIT = 'emit to a plain subscription';

async function one(): Promise<Comparison> {
  const contenders = [await told(), await emitted()];
  return { title: 'a tell to a local actor', operation: 'event', contenders, targets: [{ rival: EMIT, ratio: 1 / 3 }] };
}

async function keyed(): Promise<Comparison> {
  const contenders = [await told('payload.of'), await emitted()];
  const targets = [{ rival: EMIT, ratio: 1 / 5, later: true }];
  return { title: 'a tell to an actor with keys', operation: 'event', contenders, targets };
}

export const actors: Benchmark = { comparisons: [one, keyed] };
