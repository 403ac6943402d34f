/**
 * A process that shares a log with the test. Arguments: what it does, the driver, the path, and a number.
 * `append <n>`: appends n events one by one and says `<id> <position>` of each; `batches <seed>`: appends batches until
 * it is killed and says `<id> <position> …` of each; `hold 0`: holds the file's lock until its input ends and says `held`
 * when it has it; `condition <n>`: n times tries to be the only one and says `won <i>`; `open <n>`: opens a log and is
 * killed before the n-th call of the driver, or says `open`; `migrate 0`: opens an older log, and says its version; `reach 0`:
 * opens a log for writing, and then for reading only, and says of each `open` or what it failed of; `starve 0`: the first
 * of these when it may open no more files, one more, up to seven.
 */
import { once } from 'node:events';
import { closeSync, openSync, writeSync } from 'node:fs';
import { devNull } from 'node:os';
import { isTelltaleError } from '../../lib/plugin.ts';
import { buildEvent } from '../../plugins/contract/build-event.ts';
import { closeConnections, openConnections } from '../../plugins/sqlite/connections.ts';
import type { DriverName } from '../../plugins/sqlite/driver.ts';
import { loadDriver } from '../../plugins/sqlite/drivers.ts';
import { sqlite } from '../../plugins/sqlite/index.ts';
import { parseOptions } from '../../plugins/sqlite/options.ts';
import { SqliteStore } from '../../plugins/sqlite/store.ts';
import { faulty } from './faulty.ts';
import { MIGRATIONS_OF_TESTS } from './migrations-of-tests.ts';

const [what, driver, path, number] = process.argv.slice(2) as [string, DriverName, string, string];
const say = (line: string): void => void writeSync(1, `${line}\n`);

async function hold(): Promise<void> {
  const database = loadDriver(driver).open(path);
  database.exec('PRAGMA busy_timeout = 5000');
  database.exec('BEGIN IMMEDIATE');
  say('held');
  await once(process.stdin.resume(), 'end');
  database.exec('COMMIT');
  database.close();
}

async function append(count: number): Promise<void> {
  const store = sqlite(path, { driver, busyTimeout: 60_000 });
  await store.open();
  say('open');
  for (let n = 0; n < count; n++) {
    const id = `${process.pid}-${n}`;
    const { position } = await store.append([buildEvent({ id, entity: 'task/shared' })]);
    say(`${id} ${position}`);
  }
  await store.close();
}

async function batches(seed: number): Promise<void> {
  const store = sqlite(path, { driver, busyTimeout: 60_000 });
  await store.open();
  say('open');
  const lane = async (name: string): Promise<void> => {
    for (let n = 0; ; n++) {
      const size = 1 + ((n + seed) % 3);
      const events = Array.from({ length: size }, (_, i) =>
        buildEvent({
          id: `${name}-${n}-${i}.${size}`,
          entity: `lane/${name}`,
          payload: 'x'.repeat((n * 7_919) % 90_000),
        }),
      );
      const { position } = await store.append(events);
      say(events.map(({ id }, i) => `${id} ${position + i}`).join(' '));
    }
  };
  await Promise.all([0, 1, 2].map((n) => lane(`${seed}-${n}`)));
}

async function condition(count: number): Promise<void> {
  const store = sqlite(path, { driver, busyTimeout: 60_000 });
  await store.open();
  say('open');
  for (let n = 0; n < count; n++) {
    const type = `turn.t${n}`;
    try {
      await store.append([buildEvent({ id: `${process.pid}-${n}`, type })], { expect: { query: { type }, after: 0 } });
      say(`won ${n}`);
    } catch (error) {
      if (!isTelltaleError(error, 'EXPECTATION_FAILED')) throw error;
    }
  }
  await store.close();
}

async function open(nth: number): Promise<void> {
  const driverOf = faulty((_, serial) => {
    if (serial === nth) process.kill(process.pid, 'SIGKILL');
    return undefined;
  }, loadDriver(driver));
  const store = new SqliteStore(path, parseOptions(path, { driver, search: true }), () => driverOf);
  await store.open();
  say('open');
  await store.close();
}

async function bringUpToDate(): Promise<void> {
  const options = parseOptions(path, { driver, busyTimeout: 60_000 });
  const connections = await openConnections(loadDriver(driver), path, options, MIGRATIONS_OF_TESTS);
  say(String(connections.reader.get(`SELECT value FROM telltale_meta WHERE name = 'version'`)!['value']));
  closeConnections(connections);
}

async function starve(): Promise<void> {
  loadDriver(driver);
  const taken: number[] = [];
  try {
    for (;;) taken.push(openSync(devNull, 'r'));
  } catch {
    // As many as there are.
  }
  for (let free = 0; free < 8; free++) {
    await reach(false);
    closeSync(taken.pop()!);
  }
}

async function reachTwice(): Promise<void> {
  await reach(false);
  await reach(true);
}

async function reach(readOnly: boolean): Promise<void> {
  const store = sqlite(path, { driver, readOnly });
  const error = await store.open().catch((thrown: unknown) => thrown);
  say(isTelltaleError(error) ? `${error.code} ${error.message}` : 'open');
  await store.close();
}

const DO: Readonly<Record<string, (number: number) => Promise<void>>> = {
  hold,
  append,
  batches,
  condition,
  open,
  reach: reachTwice,
  starve,
  migrate: bringUpToDate,
};
await DO[what]!(Number(number));
