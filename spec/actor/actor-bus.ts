import { expect } from 'chai';
import type { ActorFigures } from '../../lib/acting-api.ts';
import type { Bus } from '../../lib/api.ts';
import type { BusOptions } from '../../lib/options.ts';
import { createTestBus } from '../../lib/testing.ts';

/** One lifecycle event of an actor. */
export interface Told {
  readonly type: string;
  readonly name: string;
  readonly key: string;
  readonly [about: string]: unknown;
}

/** A test bus that listens to its actors, so that what fails on purpose is not warned about. */
export async function createActorBus(options: Omit<BusOptions, 'clock'> = {}) {
  const test = await createTestBus(options);
  const told: Told[] = [];
  test.bus.on('$actor.**', ({ type, payload }) => void told.push({ ...(payload as Told), type }));
  const saidOf = (name: string): readonly string[] =>
    told.filter((one) => one.name === name).map(({ type }) => type.slice('$actor.'.length));
  return { ...test, told, saidOf };
}

/** The books of one actor, which must balance. */
export function booksOf(bus: Bus, name: string): ActorFigures {
  const row = bus.metrics().actors.find((figures) => figures.name === name)!;
  const { routed, handled, failed, running, queued, dropped, cancelled } = row;
  expect(handled + failed + running + queued + dropped + cancelled, JSON.stringify(row)).to.equal(routed);
  return row;
}
