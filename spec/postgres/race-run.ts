import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { dropSchema, schemaName } from '../support/postgres-server.ts';
import type { TestServer } from '../support/postgres-server.ts';

const RACER = join(import.meta.dirname, 'racer.js');

/** Lets two processes append under the same condition at once, again and again; answers what each round came to. */
export async function raceConditions({ url }: TestServer, rounds: number): Promise<string[]> {
  const schema = schemaName();
  const racers = [fork(RACER), fork(RACER)];
  try {
    await tellAll(racers, { url, schema });
    const outcomes: string[] = [];
    for (let round = 1; round <= rounds; round++)
      outcomes.push((await tellAll(racers, { round })).toSorted().join(' and '));
    return outcomes;
  } finally {
    for (const racer of racers) racer.kill();
    await dropSchema({ url }, schema);
  }
}

function tellAll(racers: readonly ChildProcess[], orders: object): Promise<string[]> {
  return Promise.all(
    racers.map(async (racer) => {
      const answered = once(racer, 'message') as Promise<[string]>;
      racer.send(orders);
      return (await answered)[0];
    }),
  );
}
